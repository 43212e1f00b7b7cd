import { TocsinError } from './errors.ts';
import { parseFilterTerm, type Term } from './filter.ts';

/**
 * The `filters` of a Docker client: per key its values, each with the boolean of the map form (always true in the list form).
 * Only keys with values are there.
 */
export interface DockerFilters {
  readonly values: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  /** What Docker has no words for: keys with a mark behind them. */
  readonly terms: readonly Term[];
}

/** Behind a key of ours: none of these values, regular expressions, globs. No key of Docker's ends so. */
const MARKED = /[!~*]$/;

const MAX_VALUES = 1000;
const MAX_VALUE_CHARS = 1024;

/**
 * Reads `filters=` as Docker does: `{"type":{"container":true}}` or `{"type":["container"]}`, the whole object in one form.
 * Empty text, `null`, and keys without values filter nothing; the last of two equal keys counts. A key that ends in `!`, `~` or
 * `*` is one of our own filters (`parseFilterTerm`); of those that are false in the map form nothing is asked.
 * @throws ERR_FILTER_INVALID
 */
export function parseDockerFilters(json: string): DockerFilters {
  if (json === '') return { values: {}, terms: [] };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw invalid(cause);
  }
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw invalid();
  const given = Object.entries((parsed ?? {}) as Record<string, unknown>).filter(([, values]) => values !== null);
  const entries = given.every(([, values]) => Array.isArray(values))
    ? given.map(([key, values]) => [key, fromList(values as unknown[])] as const)
    : given.map(([key, values]) => [key, fromMap(values)] as const);
  let count = 0;
  // A key may be called like a property of every object.
  const values = Object.create(null) as Record<string, Record<string, boolean>>;
  const terms: Term[] = [];
  for (const [key, ofKey] of entries) {
    const texts = Object.keys(ofKey);
    count += texts.length;
    if (count > MAX_VALUES || texts.some((text) => text.length > MAX_VALUE_CHARS)) throw invalid();
    if (MARKED.test(key)) terms.push(...texts.filter((text) => ofKey[text]).map((text) => makeTerm(key, text)));
    else if (texts.length > 0) values[key] = ofKey;
  }
  return { values, terms };
}

/** A glob is what `=` means in our own filters. */
function makeTerm(key: string, value: string): Term {
  return parseFilterTerm(`${key.endsWith('*') ? key.slice(0, -1) : key}=${value}`);
}

function fromList(list: readonly unknown[]): Record<string, boolean> {
  const values = Object.create(null) as Record<string, boolean>;
  for (const value of list) {
    // Go reads null as the empty text.
    if (value !== null && typeof value !== 'string') throw invalid();
    values[value ?? ''] = true;
  }
  return values;
}

function fromMap(map: unknown): Record<string, boolean> {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw invalid();
  const values = Object.create(null) as Record<string, boolean>;
  for (const [value, isWanted] of Object.entries(map)) {
    if (isWanted !== null && typeof isWanted !== 'boolean') throw invalid();
    values[value] = isWanted ?? false;
  }
  return values;
}

function invalid(cause?: unknown): TocsinError {
  return new TocsinError('ERR_FILTER_INVALID', 'invalid filter', { cause });
}
