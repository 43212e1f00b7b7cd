import { asTocsinError, TocsinError } from './errors.ts';
import { compileFilter, parseFilterTerm, type Term } from './filter.ts';
import { type HostAndPort, hostAndPortText, isLoopback, parseHostAndPort } from './host-and-port.ts';
import { CERTIFICATES, type Principal } from './principal.ts';
import { FILE_PARAMETERS, type SocketFile, SocketOption } from './socket-address.ts';
import type { ServerTlsFiles } from './tls-files.ts';

/** A socket on which clients are served, and what its clients may see. */
export type ListenerAddress = UnixListener | TcpListener;

export interface UnixListener extends SocketFile, ListenerLimits {}

export interface TcpListener extends HostAndPort, ListenerLimits {
  /** Absent: in the clear, which is for this machine alone. */
  readonly tls?: ServerTlsFiles;
}

interface ListenerLimits {
  /** Its clients see what this filter shows, and of that what they ask for. Empty = everything. */
  readonly limit: readonly Term[];
  /** Whether secrets are taken out of what its clients get; undefined = as the daemon does unless told otherwise. */
  readonly redact?: boolean;
  /** Of those who can connect, who may read; undefined = all. */
  readonly allow?: readonly Principal[];
}

/** The values that are given of some parameters. */
interface Given<Parameter extends string> {
  get(parameter: Parameter): readonly string[] | undefined;
}

const DEFAULT_MODE = 0o660;
const LIMITS = ['types', 'label', 'namespace', 'redact', 'allow'] as const;
type Limit = (typeof LIMITS)[number];
const TLS = ['cert', 'key', 'ca', 'tls'] as const;
type TlsParameter = (typeof TLS)[number];
/** Each value of these is one more that is shown, or admitted. */
const REPEATED = new Set<Limit>(['types', 'label', 'namespace', 'allow']);
const WRITTEN =
  'unix:///path/to.sock?types=container&mode=0660, or tcp://HOST:PORT?cert=/cert.pem&key=/key.pem&ca=/ca.pem';
const UNIX = new SocketOption('listen', [...LIMITS, ...FILE_PARAMETERS], REPEATED, WRITTEN);
const TCP = new SocketOption('listen', [...LIMITS, ...TLS], REPEATED, WRITTEN);
const TCP_ADDRESS = /^tcp:\/\/([^?]*)(?:\?(.*))?$/s;

/**
 * The sockets that `listen` names: none for an empty path.
 * @throws ERR_OPTION_INVALID also for more than 16, and for a path or an address that two have
 */
export function parseListeners(listen: string | readonly string[]): readonly ListenerAddress[] {
  return UNIX.all(listen, parseListener, listenerPlace);
}

/**
 * The socket in `/run/x.sock`, which shows everything, in `unix:///run/x.sock?types=container&label=team=web&mode=0660&group=web`,
 * or in `tcp://0.0.0.0:2376?cert=/cert.pem&key=/key.pem&ca=/ca.pem&allow=cn:web`.
 * @throws ERR_OPTION_INVALID
 */
export function parseListener(text: string): ListenerAddress {
  const [, address, query = ''] = TCP_ADDRESS.exec(text) ?? [];
  if (address !== undefined) return parseTcp(address, TCP.parameters(query));
  const { path, given } = UNIX.split(text);
  return {
    ...UNIX.file(path, given, DEFAULT_MODE),
    ...limitsOf(given, UNIX.principals('allow', given.get('allow'))),
  };
}

/** As people know it: a path, or `tcp://HOST:PORT`. */
export function listenerPlace(listener: ListenerAddress): string {
  return 'path' in listener ? listener.path : `tcp://${hostAndPortText(listener)}`;
}

function parseTcp(address: string, given: Given<Limit | TlsParameter>): TcpListener {
  const at = parseHostAndPort(address);
  // Whoever connects has to know the port.
  if (!at || at.port === 0) throw TCP.invalid('tcp://HOST:PORT, with an IPv6 address in brackets', address);
  const allow = TCP.principals('allow', given.get('allow'), CERTIFICATES);
  const tls = tlsOf(at, given);
  if (!tls?.ca && allow?.some(({ kind }) => kind === 'certificate'))
    throw TCP.invalid('ca where allow names certificates: without it nobody shows one', String(given.get('allow')));
  return { ...at, ...(tls ? { tls } : {}), ...limitsOf(given, allow) };
}

function tlsOf({ host }: HostAndPort, given: Given<TlsParameter>): ServerTlsFiles | undefined {
  const file = (name: keyof ServerTlsFiles): string | undefined => {
    const [path] = given.get(name) ?? [];
    if (path !== undefined && !/^\/[^\0]*$/.test(path))
      throw TCP.invalid(`the path of a file for ${name}, from / on`, path);
    return path;
  };
  const [cert, key, ca] = [file('cert'), file('key'), file('ca')];
  const [tls] = given.get('tls') ?? [];
  if (tls !== undefined && tls !== 'off') throw TCP.invalid('tls as off, or certificates', tls);
  if (tls === 'off') {
    if (cert ?? key ?? ca) throw TCP.invalid('either certificates or tls=off', String(cert ?? key ?? ca));
    // Whoever is on the way could read everything.
    if (!isLoopback(host)) throw TCP.invalid('an address of this machine alone where tls is off', host);
    return undefined;
  }
  if (cert === undefined || key === undefined)
    throw TCP.invalid('cert and key, or tls=off on an address of this machine alone', host);
  return { cert, key, ...(ca === undefined ? {} : { ca }) };
}

function limitsOf(given: Given<Limit>, allow: readonly Principal[] | undefined): ListenerLimits {
  const [redact] = given.get('redact') ?? [];
  return {
    limit: limitOf(given),
    ...(redact === undefined ? {} : { redact: parseRedact(redact) }),
    ...(allow ? { allow } : {}),
  };
}

function limitOf(given: Given<Limit>): readonly Term[] {
  const types = (given.get('types') ?? []).flatMap((list) => list.split(','));
  if (types.includes('')) throw UNIX.invalid('types with a comma between each two', String(given.get('types')));
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
  if (text !== 'on' && text !== 'off') throw UNIX.invalid('redact as on or off', text);
  return text === 'on';
}
