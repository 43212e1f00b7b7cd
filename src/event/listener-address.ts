import { asTocsinError, TocsinError } from './errors.ts';
import { compileFilter, parseFilterTerm, type Term } from './filter.ts';
import type { Principal } from './principal.ts';
import { FILE_PARAMETERS, type SocketFile, SocketOption } from './socket-address.ts';

/** A socket on which clients are served, and what its clients may see. */
export interface ListenerAddress extends SocketFile {
  /** Its clients see what this filter shows, and of that what they ask for. Empty = everything. */
  readonly limit: readonly Term[];
  /** Whether secrets are taken out of what its clients get; undefined = as the daemon does unless told otherwise. */
  readonly redact?: boolean;
  /** Of those who can connect, who may read; undefined = all. */
  readonly allow?: readonly Principal[];
}

const DEFAULT_MODE = 0o660;
const PARAMETERS = ['types', 'label', 'namespace', ...FILE_PARAMETERS, 'redact', 'allow'] as const;
type Parameter = (typeof PARAMETERS)[number];
/** Each value of these is one more that is shown, or admitted. */
const OPTION = new SocketOption('listen', PARAMETERS, new Set<Parameter>(['types', 'label', 'namespace', 'allow']));

/**
 * The sockets that `listen` names: none for an empty path.
 * @throws ERR_OPTION_INVALID also for more than 16, and for a path that two have
 */
export function parseListeners(listen: string | readonly string[]): readonly ListenerAddress[] {
  return OPTION.all(listen, parseListener);
}

/**
 * The socket in `/run/x.sock`, which shows everything, or in `unix:///run/x.sock?types=container&label=team=web&mode=0660&group=web`.
 * @throws ERR_OPTION_INVALID
 */
export function parseListener(text: string): ListenerAddress {
  const { path, given } = OPTION.split(text);
  const [redact] = given.get('redact') ?? [];
  const allow = OPTION.principals('allow', given.get('allow'));
  return {
    ...OPTION.file(path, given, DEFAULT_MODE),
    limit: limitOf(given),
    ...(redact === undefined ? {} : { redact: parseRedact(redact) }),
    ...(allow ? { allow } : {}),
  };
}

function limitOf(given: ReadonlyMap<Parameter, readonly string[]>): readonly Term[] {
  const types = (given.get('types') ?? []).flatMap((list) => list.split(','));
  if (types.includes('')) throw OPTION.invalid('types with a comma between each two', String(given.get('types')));
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

function parseRedact(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw OPTION.invalid('redact as on or off', text);
  return text === 'on';
}
