import fc from 'fast-check';
import type { Timestamp } from '../../../src/event/event.ts';
import {
  compareTime,
  formatLocalTime,
  formatTime,
  parseDurationMs,
  parseTime,
  parseTimeNano,
  secondsText,
  timeNano,
} from '../../../src/event/time.ts';
import { anyTime } from '../../support/events.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const NOW: Timestamp = { sec: 1_795_474_212, nanos: 609_846_642 };
const MAX_SEC = 2 ** 32 - 1;
const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;
const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ns: 1n,
};

/** Times as queries, options and published events give them: what is taken is the moment that it says, and nothing else is taken. */
export const target: Target = {
  sources: ['event/time.ts'],
  seeds: [
    '2026-05-10T09:20:34.661862100Z',
    '2022-05-10T17:20:34.6+08:00',
    '2026-02-29',
    '2024-02-29T23',
    '1969-12-31T23:59:59-00:01',
    '2106-02-07T06:28:15.999999999Z',
    '0999-01-01 00:00:00z',
    '1652174434.661862100',
    '4294967295.9999999999',
    '10m',
    '-1h15m30.918273645s',
    '+3.5us2ns',
    '1.5µs',
    '0',
    '',
  ],
  dictionary: [
    'T',
    'Z',
    'z',
    '+08:00',
    '-00:01',
    '.',
    '-',
    ':',
    'h',
    'm',
    's',
    'ms',
    'us',
    'µs',
    'μs',
    'ns',
    '1970-01-01',
  ],
  arbitrary: fc.oneof(
    anyTime.map(formatTime),
    anyTime.map(secondsText),
    anyTime.map(timeNano),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc
      .array(fc.tuple(fc.stringMatching(/^\d{0,12}(\.\d{0,12})?$/), fc.constantFrom(...Object.keys(UNIT_NANOS))), {
        maxLength: 4,
      })
      .map((parts) => parts.map((part) => part.join('')).join('')),
  ),
  batch: 512,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const text = textOf(input);
  for (const zone of ['utc', 'local'] as const) {
    const time = allowed(['ERR_TIME_INVALID'], () => parseTime(text, NOW, zone));
    if (time) checkTime(time, text);
    checkMeaning(text, time);
  }
  const fromNano = allowed(['ERR_TIME_INVALID'], () => parseTimeNano(text));
  if (fromNano) {
    checkTime(fromNano, text);
    demand(BigInt(timeNano(fromNano)) === BigInt(text), 'timeNano is another moment', () => text);
  }
  const ms = parseDurationMs(text);
  const nanos = durationOf(text);
  const expected = text === '0' ? 0 : nanos === undefined ? undefined : Number(nanos) / 1e6;
  demand(ms === expected, 'another duration', () => `${show(text)}: ${ms}, expected ${expected}`);
}

function checkTime(time: Timestamp, text: string): void {
  const { sec, nanos } = time;
  const isTime =
    Number.isInteger(sec) &&
    sec >= 0 &&
    sec <= MAX_SEC &&
    Number.isInteger(nanos) &&
    nanos >= 0 &&
    nanos <= 999_999_999;
  demand(isTime, 'no moment that the log can hold', () => `${show(text)}: ${show(time)}`);
  for (const written of [formatTime(time), formatLocalTime(time), secondsText(time)]) {
    const again = parseTime(written, NOW);
    demand(
      compareTime(again, time) === 0,
      'written and read again it is another moment',
      () => `${show(text)}: ${written}`,
    );
  }
  demand(compareTime(parseTimeNano(timeNano(time)), time) === 0, 'its nanoseconds are another moment', () =>
    show(text),
  );
}

/** What Date and plain arithmetic make of it. */
function checkMeaning(text: string, time: Timestamp | undefined): void {
  const nanos = nanosOf(text);
  if (nanos === undefined) return;
  const expected = nanos < 0n || nanos >= 2n ** 32n * 10n ** 9n ? undefined : nanos;
  const got = time && BigInt(time.sec) * 10n ** 9n + BigInt(time.nanos);
  demand(got === expected, 'another moment', () => `${show(text)}: ${got}, expected ${expected}`);
}

function nanosOf(text: string): bigint | undefined {
  const [, date = '', clock = '', fraction = '', zone = ''] = RFC3339.exec(text) ?? [];
  if (date !== '') {
    const ms = Date.parse(`${date}T${clock}${zone.toUpperCase()}`);
    const isDay =
      !Number.isNaN(Date.parse(`${date}T00:00:00Z`)) && new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);
    // Date takes 24:00:00 for the next day.
    if (Number.isNaN(ms) || !isDay || clock.startsWith('24')) return -1n;
    return date < '1000' ? -1n : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  }
  const sign = text.startsWith('-') ? 1n : -1n;
  const duration = durationOf(text.replace(/^[+-]/, ''));
  if (duration === undefined || /^\d+(\.\d+)?$/.test(text)) return undefined;
  const moment = BigInt(NOW.sec) * 10n ** 9n + BigInt(NOW.nanos) + sign * duration;
  return moment < 0n ? 0n : moment;
}

/** A Go duration without sign, in nanoseconds. */
function durationOf(text: string): bigint | undefined {
  if (text === '' || text.length > 64) return undefined;
  let rest = text;
  let total = 0n;
  while (rest !== '') {
    const number = /^[\d.]*/.exec(rest)![0];
    const unit = /^[a-zµμ]*/.exec(rest.slice(number.length))![0];
    // `m` may be the beginning of the next number's neighbour only at a digit or the end.
    const nanos = Object.hasOwn(UNIT_NANOS, unit) ? UNIT_NANOS[unit] : undefined;
    const [whole = '', fraction = '', more] = number.split('.');
    if (nanos === undefined || more !== undefined || whole + fraction === '') return undefined;
    total += BigInt(whole || '0') * nanos + (BigInt(fraction || '0') * nanos) / 10n ** BigInt(fraction.length);
    rest = rest.slice(number.length + unit.length);
  }
  return total;
}
