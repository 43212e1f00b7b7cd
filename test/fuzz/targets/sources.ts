import fc from 'fast-check';
import { parseSource, parseSources } from '../../../src/event/source-address.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const LETTERS = /^[A-Za-z0-9_.-]*$/;

/** Addresses of engines, a line each, as `--source` takes them. */
export const target: Target = {
  sources: ['event/source-address.ts'],
  seeds: [
    'docker=unix:///var/run/docker.sock',
    'a=unix:///a\nb=unix:///b',
    'fifo=unix:///x',
    '=unix:///',
    'a=unix:///a\na=unix:///b',
  ],
  dictionary: ['unix://', '/', '=', '\n', '\r', 'docker', 'fifo', '.', '-', 'x'.repeat(64), 'tcp://'],
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
    demand((source !== undefined) === isAddress(line), 'taken or refused against its form', () => show(line));
    if (source) demand(`${source.name}=unix://${source.socketPath}` === line, 'is another address', () => show(line));
  }
  const names = lines.map((line) => line.split('=')[0]!);
  const isClear = lines.every(isAddress) && !names.includes('fifo') && new Set(names).size === names.length;
  demand((sources !== undefined) === isClear, 'taken or refused together against the rules', () => show(lines));
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
