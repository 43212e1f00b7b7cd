import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { parseDockerQuery } from '../../../src/doors/docker-query.ts';
import type { ErrorCode } from '../../../src/event/errors.ts';
import type { Timestamp } from '../../../src/event/event.ts';
import { compareTime } from '../../../src/event/time.ts';
import type { Asked } from '../../../src/messages/control.ts';
import { edgeRows } from '../../support/docker-edge.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const NOW: Timestamp = { sec: 1_795_474_212, nanos: 609_846_642 };
const CODES: readonly ErrorCode[] = [
  'ERR_PARAMETER_INVALID',
  'ERR_TIME_INVALID',
  'ERR_SINCE_AFTER_UNTIL',
  'ERR_FILTER_INVALID',
];
const NAMES = ['since', 'until', 'filters', 'after', 'heartbeat', 'quiet', 'cursor', 'colour'];
const VALUES = [
  '0',
  '-1',
  '+5',
  '%2B5',
  '1.',
  '.5',
  '1e9',
  '1795474212',
  '1795474212.609846642',
  '1795474212.609846643',
  '4294967296',
  '99999999999',
  '10m',
  '2026-05-10T09:20:34Z',
  'k3x7q2mf-7',
  'no',
  'None',
  '%7B%22type%22:%7B%22container%22:true%7D%7D',
  '30',
];

/** The query of Docker's `GET /events`. */
export const target: Target = {
  sources: ['doors/docker-query.ts'],
  seeds: [
    '',
    'since=1795474212.609846642&until=1795474213',
    'until=0',
    'since=+5&since=abc',
    'since=20&until=10',
    'after=k3x7q2mf-7&since=5&heartbeat=30&quiet=yes&cursor=1',
    'filters=%7B%22type%22%3A%7B%22container%22%3Atrue%7D%7D',
    'a=1;b=2',
    'a=%zz',
    ...edgeRows().map(({ name }) => name.replaceAll(' ', '+')),
  ],
  dictionary: [...NAMES.map((name) => `&${name}=`), ...VALUES, '%', '%2', '%00', '+', ';', '#', '?', '.'],
  arbitrary: fc
    .array(
      fc.tuple(
        fc.constantFrom(...NAMES),
        fc.oneof(fc.constantFrom(...VALUES), fc.stringMatching(/^[+-]?\d{1,12}(\.\d{0,12})?$/)),
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.map((part) => part.join('=')).join('&')),
  batch: 512,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const text = textOf(input);
  if (!URL.canParse(`/events?${text}`, 'http://tocsin')) return;
  const url = new URL(`/events?${text}`, 'http://tocsin');
  const subscription = read(url);
  const { search, searchParams } = url;
  const isGo = !search.includes(';') && !/%(?![0-9a-f]{2})/i.test(search);
  demand(!subscription || isGo, 'takes what Go does not', () => search);
  const more = `${search === '' ? '?' : `${search}&`}colour=red&since=1&until=x&heartbeat=x&filters=x`;
  const firstOnly = new URL(`/events${more}`, 'http://tocsin');
  const hasAll = ['since', 'until', 'heartbeat', 'filters'].every((name) => searchParams.has(name));
  if (hasAll)
    demand(isDeepStrictEqual(read(firstOnly), subscription), 'does not let the first one count', () => search);
  if (subscription) checkSubscription(subscription, searchParams);
}

function read(url: URL): Asked | undefined {
  const asked = { format: 'docker-modern-lines-chunked', now: NOW, redact: true } as const;
  return allowed(CODES, () => parseDockerQuery(url, asked));
}

function checkSubscription(subscription: Asked, given: URLSearchParams): void {
  const { start, until, follow, heartbeatMs } = subscription;
  const says = (): string => show([given.toString(), subscription]);
  const after = given.get('after');
  if (after) demand(start.from === 'cursor' && start.cursor === after, 'begins behind another cursor', says);
  else checkStart(start, given, says);
  const end = nanosOf(given.get('until') ?? '');
  if (end !== undefined) {
    demand(follow === end > 0n, 'follows against its until', says);
    const isHeld = end > 0n && end < 2n ** 32n * 10n ** 9n;
    demand(isHeld ? until !== undefined && total(until) === end : until === undefined, 'has another end', says);
  }
  if (start.from === 'time' && until) demand(compareTime(start.time, until) <= 0, 'ends before it begins', says);
  demand(heartbeatMs === Number(given.get('heartbeat') || 0) * 1000, 'another heartbeat', says);
}

function checkStart(start: Asked['start'], given: URLSearchParams, says: () => string): void {
  const since = given.get('since') ?? '';
  const begin = since === '' ? (given.get('until') ? 0n : undefined) : nanosOf(since);
  if (begin !== undefined && begin <= total(NOW))
    demand(start.from === 'time' && total(start.time) === (begin < 0n ? 0n : begin), 'begins elsewhere', says);
  if (begin !== undefined && begin > total(NOW)) demand(start.from === 'live', 'waits for a since to come', says);
  if (since === '' && !given.get('until')) demand(start.from === 'live', 'begins with history unasked', says);
}

/** Seconds as Go reads them, in nanoseconds; undefined for other words. */
function nanosOf(text: string): bigint | undefined {
  const [, sign, seconds, , fraction = ''] = /^([+-]?)(\d{1,19})(\.(\d{0,20}))?$/.exec(text) ?? [];
  if (seconds === undefined) return undefined;
  const nanos = BigInt(seconds) * 10n ** 9n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -nanos : nanos;
}

function total({ sec, nanos }: Timestamp): bigint {
  return BigInt(sec) * 10n ** 9n + BigInt(nanos);
}
