import { TocsinError } from './errors.ts';
import { isLoopback } from './loopback-address.ts';

/** An engine whose events are taken in. */
export type SourceAddress = SourceEndpoint & {
  /** What its events have as `source`. */
  readonly name: string;
};

export type SourceEndpoint =
  | { readonly socketPath: string }
  /** Without `tls` in the clear, which is for this machine alone. */
  | { readonly host: string; readonly port: number; readonly tls?: TlsFiles };

/** Paths of PEM files. Without `ca` the certificates that the system trusts count. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const SOURCE = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})=(.+)$/;
const UNIX = /^unix:\/\/(\/.+)$/;
const NETWORK = /^(tcp|https):\/\/(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?(?:\?(.*))?$/;
const TLS_FILES = ['ca', 'cert', 'key'] as const satisfies readonly (keyof TlsFiles)[];
/** As Docker's engine has them. */
const PLAIN_PORT = '2375';
const TLS_PORT = '2376';
const EXPECTED =
  'NAME=unix:///path/to.sock, NAME=tcp://127.0.0.1:PORT or NAME=https://HOST:PORT?ca=/ca.pem&cert=/cert.pem&key=/key.pem';

/** The engine in `docker=unix:///var/run/docker.sock`. @throws ERR_OPTION_INVALID */
export function parseSource(text: string): SourceAddress {
  const [, name, place = ''] = SOURCE.exec(text) ?? [];
  if (name === undefined) throw invalid(`expected ${EXPECTED}`, text);
  const [, socketPath] = UNIX.exec(place) ?? [];
  if (socketPath !== undefined) return { name, socketPath };
  const [, scheme, address, hostName, digits, query] = NETWORK.exec(place) ?? [];
  const host = address ?? hostName;
  if (host === undefined) throw invalid(`expected ${EXPECTED}`, text);
  const port = Number(digits ?? (scheme === 'tcp' ? PLAIN_PORT : TLS_PORT));
  if (port < 1 || port > 65_535) throw invalid('expected a port from 1 to 65535', text);
  if (scheme === 'https') return { name, host, port, tls: parseTlsFiles(query ?? '', text) };
  if (query !== undefined) throw invalid('tcp:// is without TLS and takes no files; https:// does', text);
  // Whoever can read the connection sees everything, and whoever can answer instead of the engine tells us anything.
  if (!isLoopback(host)) throw invalid('tcp:// is without TLS and for this machine alone; use https://', text);
  return { name, host, port };
}

/** @throws ERR_OPTION_INVALID also for a name that two have, or that another intake has */
export function parseSources(texts: readonly string[]): readonly SourceAddress[] {
  const sources = texts.map(parseSource);
  const names = new Set(['fifo']);
  for (const { name } of sources) {
    if (names.has(name)) throw new TocsinError('ERR_OPTION_INVALID', `source: the name ${name} is taken`);
    names.add(name);
  }
  return sources;
}

/** As people know it. */
export function placeOf(source: SourceEndpoint): string {
  if ('socketPath' in source) return source.socketPath;
  const host = source.host.includes(':') ? `[${source.host}]` : source.host;
  return `${source.tls ? 'https' : 'tcp'}://${host}:${source.port}`;
}

function parseTlsFiles(query: string, text: string): TlsFiles {
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const [key, path] of new URLSearchParams(query)) {
    const file = TLS_FILES.find((known) => known === key);
    if (!file || files[file] !== undefined) throw invalid('expected each of ca, cert and key at most once', text);
    if (!path.startsWith('/')) throw invalid(`expected the path of a file for ${file}, from / on`, text);
    files[file] = path;
  }
  if ((files.cert === undefined) !== (files.key === undefined))
    throw invalid('a certificate needs its key, and a key its certificate', text);
  return files;
}

function invalid(what: string, got: string): TocsinError {
  return new TocsinError('ERR_OPTION_INVALID', `source: ${what}; got ${JSON.stringify(got)}`);
}
