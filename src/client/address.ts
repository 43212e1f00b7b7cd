import { TocsinError } from '../event/errors.ts';
import { hostAndPortText, parseHostAndPort } from '../event/host-and-port.ts';

/** Where a daemon listens, in the words of `http.request`. */
export type Address =
  | { readonly socketPath: string }
  /** Without `tls` in the clear. */
  | { readonly host: string; readonly port: number; readonly tls?: ClientTls };

/** PEM texts. Without `ca` the certificates that Node trusts count. */
export interface ClientTls {
  readonly ca?: string | Uint8Array;
  /** Where the daemon asks for one. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
}

/**
 * The address in `unix:///run/x.sock`, `/run/x.sock`, `http://127.0.0.1:2380`, `https://far:2376`, or `tcp://far:2376`, which is
 * over TLS if `tls` is given.
 * @throws ERR_OPTION_INVALID
 */
export function addressOf(host: string, tls?: ClientTls): Address {
  const path = pathIn(host);
  const [, scheme, rest = ''] = /^(https?|tcp):\/\/([^/?#@]+)\/?$/.exec(host) ?? [];
  if (path !== undefined || scheme === 'http') {
    if (tls) throw invalid('tcp:// or https:// for TLS', host);
    if (path !== undefined) return { socketPath: path };
  }
  if (scheme === 'tcp') {
    const at = parseHostAndPort(rest);
    if (at) return tls ? { ...at, tls } : at;
  }
  const isUrl = (scheme === 'http' || scheme === 'https') && URL.canParse(host);
  if (!isUrl) throw invalid('unix:///path/to.sock, tcp://host:port, https://host:port or http://host:port', host);
  const url = new URL(host);
  // An IPv6 address has brackets in a URL only.
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (scheme === 'https') return { host: name, port: Number(url.port || 443), tls: tls ?? {} };
  return { host: name, port: Number(url.port || 80) };
}

/** The socket path in `unix:///run/x.sock` or `/run/x.sock`. @throws ERR_OPTION_INVALID */
export function socketPathOf(host: string): string {
  const path = pathIn(host);
  if (path === undefined) throw invalid('unix:///path/to.sock', host);
  return path;
}

/** As people write it. */
export function addressText(address: Address): string {
  return 'socketPath' in address ? address.socketPath : hostAndPortText(address);
}

function pathIn(host: string): string | undefined {
  return /^(?:unix:\/\/)?(\/.+)$/.exec(host)?.[1];
}

function invalid(expected: string, got: string): TocsinError {
  return new TocsinError('ERR_OPTION_INVALID', `host: expected ${expected}, got ${JSON.stringify(got)}`);
}
