import fc from 'fast-check';
import { parseSource, parseSources, type SourceAddress } from '../../../src/event/source-address.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const LETTERS = /^[A-Za-z0-9_.-]*$/;

/** Addresses of engines, a line each, as `--source` takes them. */
export const target: Target = {
  sources: ['event/source-address.ts'],
  seeds: [
    'docker=unix:///var/run/docker.sock',
    'a=unix:///a\nb=unix:///b',
    'near=tcp://127.0.0.1:2375\nsix=tcp://[::1]',
    'far=https://host:2376?ca=/ca.pem&cert=/cert.pem&key=/key.pem',
    'fifo=unix:///x',
    '=unix:///',
    'a=unix:///a\na=unix:///b',
  ],
  dictionary: [
    'unix://',
    '/',
    '=',
    '\n',
    '\r',
    'docker',
    'fifo',
    '.',
    '-',
    'x'.repeat(64),
    'tcp://',
    'https://',
    'localhost',
    '[::1]',
    '127.0.0.1',
    ':1',
    '?',
    '&',
    'ca=',
    'cert=/',
    'key=/',
  ],
  arbitrary: fc
    .array(fc.tuple(fc.stringMatching(/^[a-z.-]{1,4}$/), fc.stringMatching(/^\/[a-z/=]{0,6}$/)), { maxLength: 3 })
    .map((parts) => parts.map(([name, socket]) => `${name}=unix://${socket}`).join('\n')),
  batch: 1024,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const lines = textOf(input).split('\n');
  const sources = allowed(['ERR_OPTION_INVALID'], () => parseSources(lines));
  for (const line of lines) {
    const source = allowed(['ERR_OPTION_INVALID'], () => parseSource(line));
    if (isNetwork(line)) {
      if (source) demand(isSafe(source, line), 'takes an engine that strangers could speak for', () => show(line));
      continue;
    }
    demand((source !== undefined) === isAddress(line), 'taken or refused against its form', () => show(line));
    if (source)
      demand(
        'socketPath' in source && `${source.name}=unix://${source.socketPath}` === line,
        'is another address',
        () => show(line),
      );
  }
  const names = lines.map((line) => line.split('=')[0]!);
  if (lines.some(isNetwork)) return;
  const isClear = lines.every(isAddress) && !names.includes('fifo') && new Set(names).size === names.length;
  demand((sources !== undefined) === isClear, 'taken or refused together against the rules', () => show(lines));
}

function isNetwork(line: string): boolean {
  return /^[^=]*=(?:tcp|https):/.test(line);
}

/** In the clear on this machine only; over TLS with whole pairs of files; as it was written. */
function isSafe(source: SourceAddress, line: string): boolean {
  if ('socketPath' in source || !line.includes(`//${source.host}`) === !line.includes(`[${source.host}]`)) return false;
  const { host, port, tls } = source;
  if (port < 1 || port > 65_535) return false;
  if (!tls) return line.includes('=tcp:') && (host === 'localhost' || host === '::1' || isFour(host));
  const files = Object.values(tls);
  return line.includes('=https:') && !tls.cert === !tls.key && files.every((file) => file.startsWith('/'));
}

/** 127.x.x.x, each of them a byte as people write it: what looks like it and is not is a name. */
function isFour(host: string): boolean {
  const parts = host.split('.');
  return parts.length === 4 && parts[0] === '127' && parts.every((part) => String(Number(part) & 255) === part);
}

function isAddress(line: string): boolean {
  const equals = line.indexOf('=');
  const name = line.slice(0, equals);
  const rest = line.slice(equals + 1);
  const isName = name !== '' && name.length <= 64 && LETTERS.test(name) && /[A-Za-z0-9]/.test(name[0]!);
  return (
    equals > 0 &&
    isName &&
    rest.startsWith('unix:///') &&
    rest.length > 'unix:///'.length &&
    !/[\r\u2028\u2029]/.test(rest)
  );
}
