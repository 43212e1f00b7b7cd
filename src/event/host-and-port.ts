import { TocsinError } from './errors.ts';

export interface HostAndPort {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/?#@\s]+)):(\d{1,5})$/;
const MAX_PORT = 65_535;
/** Any other number would make a name of it, which others could answer for. */
const FOUR = /^127(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/** `127.0.0.1:9464`, `far.example:2376` or `[::1]:2376`. @returns undefined for anything else */
export function parseHostAndPort(text: string): HostAndPort | undefined {
  const [, six, other, digits] = ADDRESS.exec(text) ?? [];
  const host = six ?? other;
  const port = Number(digits);
  return host === undefined || port > MAX_PORT ? undefined : { host, port };
}

/** As it is written. */
export function hostAndPortText({ host, port }: HostAndPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** An address that only this machine can reach, as `127.0.0.1:9464` or `[::1]:9464`. @throws ERR_OPTION_INVALID */
export function parseLoopback(option: string, text: string): HostAndPort {
  const address = parseHostAndPort(text);
  if (!address || !isLoopback(address.host)) {
    throw new TocsinError(
      'ERR_OPTION_INVALID',
      `${option}: expected an address of this machine alone, as 127.0.0.1:9464, got ${JSON.stringify(text)}`,
    );
  }
  return address;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || FOUR.test(host);
}
