import { asTocsinError, TocsinError } from './errors.ts';
import { compileFilter, parseFilterTerm, type Term } from './filter.ts';

/** A socket on which clients are served, and what its clients may see. */
export interface ListenerAddress {
  readonly path: string;
  /** Its clients see what this filter shows, and of that what they ask for. Empty = everything. */
  readonly limit: readonly Term[];
  /** Of the socket's file: who may connect. */
  readonly mode: number;
  /** Name or number of the socket's owner and group; undefined = as the process makes files. */
  readonly owner?: string;
  readonly group?: string;
  /** Whether secrets are taken out of what its clients get; undefined = as the daemon does unless told otherwise. */
  readonly redact?: boolean;
}

const MAX_LISTENERS = 16;
const DEFAULT_MODE = 0o660;
const PARAMETERS = ['types', 'label', 'namespace', 'mode', 'owner', 'group', 'redact'] as const;
type Parameter = (typeof PARAMETERS)[number];
/** Each value of these is one more that is shown; all others are given once. */
const LIMITS: ReadonlySet<Parameter> = new Set(['types', 'label', 'namespace']);

const ADDRESS = /^unix:\/\/(\/[^?]*)(?:\?(.*))?$/s;
const OTHER_SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//;
const MODE = /^0?[0-7]{3}$/;
/** As of files in `/etc/group`; a number is one, too. */
const ACCOUNT = /^[^:\s]+$/;

/**
 * The sockets that `listen` names: none for an empty path.
 * @throws ERR_OPTION_INVALID also for more than 16, and for a path that two have
 */
export function parseListeners(listen: string | readonly string[]): readonly ListenerAddress[] {
  const texts = (typeof listen === 'string' ? [listen] : listen).filter((text) => text !== '');
  if (texts.length > MAX_LISTENERS) throw invalid(`at most ${MAX_LISTENERS} sockets`, String(texts.length));
  const listeners = texts.map(parseListener);
  const paths = new Set<string>();
  for (const { path } of listeners) {
    if (paths.has(path)) throw invalid('each path once', path);
    paths.add(path);
  }
  return listeners;
}

/**
 * The socket in `/run/x.sock`, which shows everything, or in `unix:///run/x.sock?types=container&label=team=web&mode=0660&group=web`.
 * Path and values are percent-encoded, as in a URL. @throws ERR_OPTION_INVALID
 */
export function parseListener(text: string): ListenerAddress {
  const [, path, query = ''] = ADDRESS.exec(text) ?? [];
  if (path !== undefined) return withParameters(decode(path, path), query);
  // Without the scheme parameters would be a part of the file's name, and limit nothing.
  if (text === '' || OTHER_SCHEME.test(text) || text.includes('?'))
    throw invalid('a path or unix:///path/to.sock?types=container&mode=0660', text);
  return checked({ path: text, limit: [], mode: DEFAULT_MODE });
}

function withParameters(path: string, query: string): ListenerAddress {
  const given = parametersOf(query);
  const [mode] = given.get('mode') ?? [];
  const [owner] = given.get('owner') ?? [];
  const [group] = given.get('group') ?? [];
  const [redact] = given.get('redact') ?? [];
  return checked({
    path,
    limit: limitOf(given),
    mode: mode === undefined ? DEFAULT_MODE : parseMode(mode),
    ...(owner === undefined ? {} : { owner: parseAccount('owner', owner) }),
    ...(group === undefined ? {} : { group: parseAccount('group', group) }),
    ...(redact === undefined ? {} : { redact: parseRedact(redact) }),
  });
}

function parametersOf(query: string): ReadonlyMap<Parameter, readonly string[]> {
  const given = new Map<Parameter, string[]>();
  if (query === '') return given;
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    const parameter = PARAMETERS.find((known) => known === key);
    if (!parameter) throw invalid(`parameters out of ${PARAMETERS.join(', ')}`, pair);
    // Nothing at all would be a value of its own, and is a variable that was not set.
    if (equals < 0 || equals === pair.length - 1) throw invalid(`a value of ${parameter}`, pair);
    const values = given.get(parameter) ?? [];
    if (values.length > 0 && !LIMITS.has(parameter)) throw invalid(`${parameter} once`, query);
    values.push(decode(pair.slice(equals + 1).replaceAll('+', ' '), pair));
    given.set(parameter, values);
  }
  return given;
}

function limitOf(given: ReadonlyMap<Parameter, readonly string[]>): readonly Term[] {
  const types = (given.get('types') ?? []).flatMap((list) => list.split(','));
  if (types.includes('')) throw invalid('types with a comma between each two', String(given.get('types')));
  const texts = [
    ...types.map((type) => `type=${type}`),
    ...(given.get('label') ?? []).map((label) => `label=${label}`),
    ...(given.get('namespace') ?? []).map((namespace) => `namespace=${namespace}`),
  ];
  try {
    return compileFilter(texts.map(parseFilterTerm)).terms;
  } catch (error) {
    throw new TocsinError('ERR_OPTION_INVALID', `listen: ${asTocsinError(error).message}`, { cause: error });
  }
}

function parseMode(text: string): number {
  if (!MODE.test(text)) throw invalid('a mode of three octal digits, as 0660', text);
  return Number.parseInt(text, 8);
}

function parseAccount(parameter: Parameter, text: string): string {
  if (!ACCOUNT.test(text)) throw invalid(`${parameter} as a name or a number`, text);
  return text;
}

function parseRedact(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw invalid('redact as on or off', text);
  return text === 'on';
}

function checked(address: ListenerAddress): ListenerAddress {
  if (address.path.includes('\0')) throw invalid('a path without NUL', address.path);
  return address;
}

function decode(text: string, shown: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('percent-encoding, with %25 for a percent sign', shown);
  }
}

function invalid(expected: string, got: string): TocsinError {
  return new TocsinError('ERR_OPTION_INVALID', `listen: expected ${expected}; got ${JSON.stringify(got)}`);
}
