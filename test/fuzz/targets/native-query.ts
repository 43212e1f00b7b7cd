import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { parseNativeQuery } from '../../../src/doors/native-query.ts';
import type { ErrorCode } from '../../../src/event/errors.ts';
import { compareTime } from '../../../src/event/time.ts';
import type { Asked } from '../../../src/messages/control.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const NOW = { sec: 1_795_474_212, nanos: 609_846_642 };
const KNOWN = ['since', 'until', 'after', 'name', 'filters', 'follow', 'quiet', 'heartbeat', 'lag'];
const CODES: readonly ErrorCode[] = [
  'ERR_PARAMETER_UNKNOWN',
  'ERR_PARAMETER_INVALID',
  'ERR_TIME_INVALID',
  'ERR_SINCE_AFTER_UNTIL',
  'ERR_FILTER_INVALID',
];
const VALUES = [
  '10m',
  '-3s',
  '0',
  '1',
  'true',
  'false',
  '1652174434.6',
  '2026-05-10',
  'k3x7q2mf-7',
  '3600',
  '3601',
  'catch-up',
  'disconnect:10',
  'drop-oldest',
  '%7B%22type%22:%5B%22container%22%5D%7D',
];

/** The query of `GET /v1/events`, with a last event id behind a line feed. */
export const target: Target = {
  sources: ['doors/native-query.ts'],
  seeds: [
    '',
    'since=10m&until=-3s&follow=true',
    'after=k3x7q2mf-7&heartbeat=30&lag=drop-oldest:100',
    'since=2026-05-10T09:20:34Z&until=1778404834.661862100',
    'filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%21%22%3A%5B%22die%22%5D%7D&quiet=1',
    'name=web%20one&lag=disconnect&follow=0\nk3x7q2mf-7',
    'since=20&until=10',
    'since=1&since=2',
  ],
  dictionary: [...KNOWN.map((name) => `&${name}=`), ...VALUES, '%', '%00', '%ff', '+', ';', '\n'],
  arbitrary: fc
    .array(fc.tuple(fc.constantFrom(...KNOWN), fc.constantFrom(...VALUES)), { maxLength: 4 })
    .map((parts) => parts.map((part) => part.join('=')).join('&')),
  batch: 512,
  open: async () => ({ check }),
};

const ASKED = { format: 'json-chunked', now: NOW, redact: true, heartbeatSec: 15 } as const;

function check(input: Uint8Array): void {
  const [query = '', lastEventId] = textOf(input).split('\n');
  const read = (given: URLSearchParams): Asked | undefined =>
    allowed(CODES, () => parseNativeQuery(given, { ...ASKED, lastEventId }));
  const given = new URLSearchParams(query);
  const subscription = read(given);
  const names = [...given.keys()];
  const isClear = names.every((name) => KNOWN.includes(name)) && new Set(names).size === names.length;
  demand(!subscription || isClear, 'takes what is unknown or there twice', () => query);
  const turned = read(new URLSearchParams([...given].reverse()));
  demand(isDeepStrictEqual(subscription, turned), 'says something else in another order', () => query);
  demand(
    isDeepStrictEqual(subscription, read(new URLSearchParams(given.toString()))),
    'says something else encoded anew',
    () => query,
  );
  if (subscription) checkSubscription(subscription, given, lastEventId);
}

function checkSubscription(subscription: Asked, given: URLSearchParams, lastEventId: string | undefined): void {
  const { start, until, heartbeatMs, lagLimit, follow, quiet, name } = subscription;
  const says = (): string => show([given.toString(), lastEventId, subscription]);
  const cursor = lastEventId || given.get('after');
  const from = cursor ? 'cursor' : given.has('since') ? 'time' : given.has('after') ? 'cursor' : 'live';
  demand(start.from === from, 'begins elsewhere', says);
  demand(start.from !== 'cursor' || start.cursor === (cursor ?? ''), 'begins behind another cursor', says);
  demand((until !== undefined) === given.has('until'), 'has an end of its own', says);
  demand(start.from !== 'time' || !until || compareTime(start.time, until) <= 0, 'ends before it begins', says);
  const heartbeat = given.get('heartbeat');
  demand(heartbeatMs === Number(heartbeat ?? 15) * 1000 && heartbeatMs <= 3_600_000, 'another heartbeat', says);
  demand(Number.isSafeInteger(lagLimit) && lagLimit >= 0 && lagLimit < 1e9, 'another lag', says);
  demand(lagLimit > 0 === /^(?:disconnect|drop)/.test(given.get('lag') ?? ''), 'another policy', says);
  demand(follow === ['true', '1'].includes(given.get('follow') ?? 'true'), 'another follow', says);
  demand(quiet === ['true', '1'].includes(given.get('quiet') ?? 'false'), 'another quiet', says);
  demand((name ?? '') === (given.get('name') ?? ''), 'another name', says);
}
