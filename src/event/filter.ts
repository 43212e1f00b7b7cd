import { TocsinError } from './errors.ts';

/**
 * One condition. In the value of `=` and `!=`, `*` is any text and `?` any one character, without an escape: `~=`, a
 * regex found anywhere in the text, is for those. The value of `label` is `k` (present) or `k=v` with a literal `k`.
 */
export interface Term {
  readonly key: string;
  readonly op: '=' | '!=' | '~=';
  readonly value: string;
}

/** What a filter sees of an event. Absent text is ''; an absent attribute is undefined and matches nothing, not ''. */
export interface FilterSubject {
  readonly type: string;
  readonly action: string;
  readonly args: string;
  readonly id: string;
  readonly scope: string;
  readonly source: string;
  readonly namespace: string;
  /** No engine told it. */
  readonly isSynthetic: boolean;
  attribute(key: string): string | undefined;
}

/** What can be looked up of an event: its id, its attribute `name`, its action, its type. */
export type PinnedField = 'id' | 'name' | 'action' | 'type';

/** Events that a filter shows have one of its pins: the field begins with this text, which is not empty. */
export interface Pin {
  readonly field: PinnedField;
  readonly text: string;
}

/** A compiled filter. It keeps nothing of the events, so one serves any number of clients of a thread. */
export interface Filter {
  /** Equal for terms that differ only in order, repetition, alias or the spelling of a glob; '' without terms. */
  readonly key: string;
  /** The terms of `key`: checked, sorted, without repetition. */
  readonly terms: readonly Term[];
  /** Empty when the filter asks for nothing that can be looked up. */
  readonly pins: readonly Pin[];
  /** What an event costs: globs, labels, and twice the instructions of regular expressions. 0 = look-ups alone. */
  readonly cost: number;
  matches(subject: FilterSubject): boolean;
}

/** The part of re2js that filters use: regular expressions in time linear in the text. */
export interface RegexEngine {
  compile(source: string): { test(text: string): boolean; programSize(): number };
}

/** Loads re2js, which is heavy (3.5 MB a thread), for the few filters that have a `~=`. */
export async function loadRegexEngine(terms: readonly Term[]): Promise<RegexEngine | undefined> {
  if (!terms.some((term) => term.op === '~=')) return undefined;
  return (await import('re2js')).RE2JS;
}

type Op = Term['op'];
type Test = (text: string | undefined) => boolean;
type Predicate = (subject: FilterSubject) => boolean;
/** True when `test` holds for one of the texts that a key stands for. */
type Reader = (it: FilterSubject, test: Test, op: Op) => boolean;

const MAX_TERMS = 1000;
const MAX_VALUE_CHARS = 1024;
const MAX_REGEX_CHARS = 256;
/** Of a whole filter. RE2's time grows with these too: 184 characters can make 20,000, 0.5 s for a text of 4,000. */
const MAX_REGEX_INSTRUCTIONS = 4000;
/** Of a regular expression, measured in globs. */
const INSTRUCTION_COST = 2;
const WILDCARD = /[*?]/;
const LABEL = /^([^=]*)(?:=(.*))?$/s;
const EXPECTED_JSON = 'expected filters as JSON, either {"type":["container"]} or {"type":{"container":true}}';

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['type', (it, test) => test(it.type)],
  ['event', ({ action, args }, test) => test(action) || (args !== '' && test(`${action}: ${args}`))],
  ['container', (it, test) => it.type === 'container' && (test(it.id) || test(it.attribute('name')))],
  ['image', testImage],
  ['id', (it, test) => test(it.id)],
  ['name', (it, test) => test(it.attribute('name'))],
  ['scope', (it, test) => test(it.scope)],
  ['source', (it, test) => test(it.source)],
  ['namespace', (it, test) => test(it.namespace)],
  ['synthetic', (it, test) => test(String(it.isSynthetic))],
]);
const KEYS: readonly string[] = [...READERS.keys(), 'label'];

/**
 * Reads `key=value`, `key!=value` or `key~=regex`. The first `=` splits; case and blanks around the key do not count,
 * and `action` becomes `event`. Only `compileFilter` looks into a regex.
 * @throws ERR_FILTER_INVALID
 */
export function parseFilterTerm(text: string): Term {
  const equals = text.indexOf('=');
  if (equals < 0) throw invalid('expected key=value, key!=value or key~=regex', text);
  return makeTerm(...splitOp(text.slice(0, equals)), text.slice(equals + 1));
}

/**
 * Reads the JSON of `filters=`: `{"type":["container"]}` or `{"type":{"container":true}}`, the whole object in one
 * form. A key may end in `!` (none of these values) or `~` (regular expressions). '' and `null` have no terms.
 * @throws ERR_FILTER_INVALID
 */
export function parseFilters(json: string): Term[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json || 'null');
  } catch (cause) {
    throw invalid(EXPECTED_JSON, json, cause);
  }
  const isObject = typeof parsed === 'object' && !Array.isArray(parsed);
  const entries = Object.entries((parsed ?? {}) as Record<string, unknown>).filter(([, values]) => values !== null);
  const allAre = (form: (values: unknown) => boolean) => entries.every(([, values]) => form(values));
  if (!isObject || !(allAre(isList) || allAre(isMap))) throw invalid(EXPECTED_JSON, json);
  const terms = entries.flatMap(([left, values]) => {
    const [key, op] = splitOp(left.trim());
    return (isList(values) ? values : Object.keys(values ?? {})).map((value) => makeTerm(key, op, value));
  });
  checkCount(terms);
  return terms;
}

/**
 * Makes a filter of terms. An event matches when of each key with `=` or `~=` terms at least one holds, and no value of
 * a `!=` term is the event's. `container` looks at the id and the name of container events, `event` at the action and
 * at `action: args`, `image` at the reference (the id of an image event), for globs also without digest and tag.
 * @param engine of `loadRegexEngine`; needed for `~=` terms
 * @throws ERR_FILTER_INVALID also for a regex that RE2 does not know or that costs too much
 */
export function compileFilter(terms: readonly Term[], engine?: RegexEngine): Filter {
  checkCount(terms);
  const checked = terms.map(({ key, op, value }) => makeTerm(key, op, value));
  const byText = new Map(checked.map((term) => [term.key + term.op + term.value, term]));
  const sorted = [...byText].sort(([a], [b]) => (a < b ? -1 : 1));
  const { compile, cost } = testCompiler(engine);
  const checks = KEYS.filter((key) => checked.some((term) => term.key === key)).map((key): Predicate => {
    const predicates = (op: Op) => {
      const values = sorted.flatMap(([, term]) => (term.key === key && term.op === op ? [term.value] : []));
      const reader = READERS.get(key);
      if (reader === undefined) return values.map((value) => labelPredicate(value, op, compile));
      const test = compile(values, op);
      return values.length === 0 ? [] : [(it: FilterSubject) => reader(it, test, op)];
    };
    const wanted = [...predicates('='), ...predicates('~=')];
    const unwanted = predicates('!=');
    return (it) => (wanted.length === 0 || wanted.some((holds) => holds(it))) && !unwanted.some((holds) => holds(it));
  });
  return {
    // As JSON, since a value may hold whatever would separate the terms.
    key: sorted.length === 0 ? '' : JSON.stringify(sorted.map(([text]) => text)),
    terms: sorted.map(([, term]) => term),
    pins: pinsOf(checked),
    cost: cost() + sorted.filter(([, term]) => term.key === 'label').length,
    matches: (it) => checks.every((holds) => holds(it)),
  };
}

/** Keys whose exact values can be looked up, and where; those that show least come first. */
const PINNED_KEYS: readonly (readonly [key: string, fields: readonly PinnedField[]])[] = [
  ['id', ['id']],
  ['container', ['id', 'name']],
  ['name', ['name']],
  ['event', ['action']],
  ['type', ['type']],
];

/** An action as filters name it may go on with `: args`. */
export function pinnedAction(value: string): string {
  return value.split(': ', 1)[0] ?? value;
}

function pinsOf(terms: readonly Term[]): readonly Pin[] {
  for (const [key, fields] of PINNED_KEYS) {
    const wanted = terms.filter((term) => term.key === key && term.op !== '!=');
    if (wanted.length === 0 || wanted.some(({ op, value }) => op === '~=' || WILDCARD.test(value))) continue;
    const texts = wanted.map(({ value }) => (key === 'event' ? pinnedAction(value) : value));
    if (texts.includes('')) continue;
    return texts.flatMap((text) => fields.map((field) => ({ field, text })));
  }
  return [];
}

function labelPredicate(value: string, op: Op, compile: (values: string[], op: Op) => Test): Predicate {
  const [, label = '', wanted] = LABEL.exec(value) ?? [];
  const test: Test = wanted === undefined ? (text) => text !== undefined : compile([wanted], op);
  return (it) => test(it.attribute(label));
}

/** Makes the tests of one filter: that a text has one of some values. Exact values are one look-up, however many. */
function testCompiler(engine: RegexEngine | undefined): {
  readonly compile: (values: string[], op: Op) => Test;
  /** Of all that was compiled. */
  readonly cost: () => number;
} {
  let instructions = 0;
  let globs = 0;
  const compileRegex = (source: string) => {
    if (!engine) throw new TocsinError('ERR_INTERNAL', 'the regex engine is not loaded');
    try {
      const regex = engine.compile(source);
      instructions += regex.programSize();
      if (instructions > MAX_REGEX_INSTRUCTIONS) throw new RangeError('the regular expressions cost too much');
      return (text: string) => regex.test(text);
    } catch (cause) {
      throw invalid(`expected a regex of RE2 (${String(cause)})`, source, cause);
    }
  };
  const compile = (values: string[], op: Op): Test => {
    const exact = new Set(op === '~=' ? [] : values.filter((value) => !WILDCARD.test(value)));
    const patterns = values.filter((value) => !exact.has(value));
    const tests = patterns.map(op === '~=' ? compileRegex : (glob) => (text: string) => globMatches(glob, text));
    if (op !== '~=') globs += patterns.length;
    return (text) => text !== undefined && (exact.has(text) || tests.some((holds) => holds(text)));
  };
  return { compile, cost: () => globs + INSTRUCTION_COST * instructions };
}

/** Going back to the last star is enough: the time is at most glob times text. */
function globMatches(glob: string, text: string): boolean {
  let star = -1;
  let starEnd = 0;
  let g = 0;
  for (let t = 0; t < text.length; ) {
    if (glob[g] === '*') {
      star = g++;
      starEnd = t;
    } else if (glob[g] === '?' || glob[g] === text[t]) {
      // A question mark takes both halves of a surrogate pair.
      t += glob[g++] === '?' && (text.codePointAt(t) ?? 0) > 0xffff ? 2 : 1;
    } else if (star >= 0) {
      g = star + 1;
      t = ++starEnd;
    } else return false;
  }
  return g === glob.length || (g === glob.length - 1 && glob[g] === '*');
}

function testImage(it: FilterSubject, test: Test, op: Op): boolean {
  const image = it.type === 'image' ? it.id : it.attribute('image');
  if (image === undefined || op === '~=') return test(image);
  const [tagged = ''] = image.split('@', 1);
  // A colon before the last slash belongs to the port of a registry.
  const colon = tagged.lastIndexOf(':');
  return test(image) || test(tagged) || (colon > tagged.lastIndexOf('/') && test(tagged.slice(0, colon)));
}

function makeTerm(rawKey: string, op: Op, value: string): Term {
  const name = rawKey.trim().toLowerCase();
  const key = name === 'action' ? 'event' : name;
  if (!KEYS.includes(key)) throw invalid(`unknown filter key: expected one of ${KEYS.join(', ')}`, rawKey);
  if (value.length > MAX_VALUE_CHARS) throw invalid(`expected ${key} of at most ${MAX_VALUE_CHARS} characters`, value);
  const [, label = '', text] = key === 'label' ? (LABEL.exec(value) ?? []) : ['', '-', value];
  if (label === '' || WILDCARD.test(label)) throw invalid('expected a label as k or k=v with a literal k', value);
  // One star a run, behind the question marks, so that equal globs are equal in `Filter.key`.
  if (op !== '~=') return { key, op, value: value.replace(/\*(?=\?*\*)/g, '').replace(/\*(\?+)/g, '$1*') };
  if (text === undefined) throw invalid('expected label~=k=regex', value);
  if (text.length > MAX_REGEX_CHARS) throw invalid(`expected a regex of at most ${MAX_REGEX_CHARS} characters`, text);
  return { key, op, value };
}

function splitOp(left: string): [key: string, op: Op] {
  if (/[!~]$/.test(left)) return [left.slice(0, -1), left.endsWith('!') ? '!=' : '~='];
  return [left, '='];
}

function isList(values: unknown): values is string[] {
  return Array.isArray(values) && values.every((value) => typeof value === 'string');
}

function isMap(values: unknown): boolean {
  return typeof values === 'object' && !Array.isArray(values) && Object.values(values ?? {}).every((v) => v === true);
}

function checkCount(terms: readonly Term[]): void {
  if (terms.length > MAX_TERMS) throw invalid(`expected at most ${MAX_TERMS} filter terms`, String(terms.length));
}

function invalid(expected: string, got: string, cause?: unknown): TocsinError {
  return new TocsinError('ERR_FILTER_INVALID', `${expected}; got ${JSON.stringify(got.slice(0, 64))}`, { cause });
}
