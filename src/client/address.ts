import { TocsinError } from '../event/errors.ts';

/** Where a daemon listens, in the words of `http.request`. */
export type Address = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The address in `unix:///run/x.sock`, `/run/x.sock` or `http://127.0.0.1:2380`. @throws ERR_OPTION_INVALID */
export function addressOf(host: string): Address {
  const path = pathIn(host);
  if (path !== undefined) return { socketPath: path };
  const url = /^http:\/\/[^/?#@]+\/?$/.test(host) && URL.canParse(host) ? new URL(host) : undefined;
  if (!url) throw invalid('unix:///path/to.sock or http://host:port', host);
  // An IPv6 address has brackets in a URL only.
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) };
}

/** The socket path in `unix:///run/x.sock` or `/run/x.sock`. @throws ERR_OPTION_INVALID */
export function socketPathOf(host: string): string {
  const path = pathIn(host);
  if (path === undefined) throw invalid('unix:///path/to.sock', host);
  return path;
}

/** As people write it. */
export function addressText(address: Address): string {
  return 'socketPath' in address ? address.socketPath : `${address.host}:${address.port}`;
}

function pathIn(host: string): string | undefined {
  return /^(?:unix:\/\/)?(\/.+)$/.exec(host)?.[1];
}

function invalid(expected: string, got: string): TocsinError {
  return new TocsinError('ERR_OPTION_INVALID', `host: expected ${expected}, got ${JSON.stringify(got)}`);
}
