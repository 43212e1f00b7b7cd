import { TocsinError } from './errors.ts';
import type { Timestamp } from './event.ts';

const NANOS_PER_SEC = 1_000_000_000;
const MAX_SEC = 2 ** 32 - 1;
/** Bounds the work on a hostile duration: making a BigInt of n digits costs more than n. */
const MAX_DURATION_CHARS = 64;

const UNIX = /^(\d+)(?:\.(\d+))?$/;
const CALENDAR = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?)?)?$/;
const DURATION_PART = /(\d*)(?:\.(\d*))?(ns|us|[\u00b5\u03bc]s|ms|s|m|h)/gy;
const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  // The micro sign and the Greek letter look alike, and Go takes both.
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/**
 * Reads a time: RFC 3339; a calendar time without zone, down to the day alone, which is then in `zone` ('local' is the
 * process's own; a time that a clock change skips or repeats counts with the offset before the change); unix seconds,
 * with a fraction cut to nanoseconds; or a Go duration before `now` (`10m`; `-3s` lies ahead). Plain digits are always
 * unix seconds, `2026` too. A duration that reaches back beyond 1970 means 1970.
 * @throws ERR_TIME_INVALID for anything else, and for a time that unsigned 32-bit seconds cannot hold
 */
export function parseTime(text: string, now: Timestamp, zone: 'utc' | 'local' = 'utc'): Timestamp {
  const unix = UNIX.exec(text);
  if (unix) return inRange(Number(unix[1]), fractionNanos(unix[2]), text);
  const calendar = CALENDAR.exec(text);
  if (calendar) return inRange(calendarSec(calendar, text, zone), fractionNanos(calendar[7]), text);
  const signed = text.startsWith('-') || text.startsWith('+');
  const nanos = durationNanos(signed ? text.slice(1) : text);
  if (nanos === undefined) throw invalid(text, 'expected RFC 3339, unix seconds or a Go duration such as 10m');
  const moment = toNanos(now) + (text.startsWith('-') ? nanos : -nanos);
  return moment < 0n ? { sec: 0, nanos: 0 } : fromNanos(moment, text);
}

/**
 * Milliseconds of a Go duration without sign (`10s`, `250ms`, `1m30s`, `0`), as options take it: not negative, finite,
 * with a fraction below one millisecond. Undefined for anything else, also for a number without unit.
 */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const nanos = durationNanos(text);
  return nanos === undefined ? undefined : Number(nanos) / 1_000_000;
}

/** RFC 3339 in UTC, always with nine digits: `2026-05-10T09:20:34.661862100Z`. */
export function formatTime(time: Timestamp): string {
  return `${calendarText(time.sec)}.${nineDigits(time.nanos)}Z`;
}

/**
 * RFC 3339 in the process's zone, always with nine digits: `2022-05-10T17:20:34.661862100+08:00`; UTC is `+00:00`.
 * The offset is in whole minutes, as the format wants it: for the few zones that had odd seconds (Liberia until 1972)
 * the wall clock is off by them and the moment is still exact.
 */
export function formatLocalTime(time: Timestamp): string {
  const minutes = -new Date(time.sec * 1000).getTimezoneOffset();
  const size = Math.abs(minutes);
  const offset = `${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`;
  return `${calendarText(time.sec + minutes * 60)}.${nineDigits(time.nanos)}${minutes < 0 ? '-' : '+'}${offset}`;
}

/** Unix seconds with nine digits behind the point: `1652174434.661862100`. */
export function secondsText(time: Timestamp): string {
  return `${time.sec}.${nineDigits(time.nanos)}`;
}

/** Nanoseconds since 1970 as decimal text, without leading zeros. */
export function timeNano(time: Timestamp): string {
  return time.sec === 0 ? String(time.nanos) : `${time.sec}${nineDigits(time.nanos)}`;
}

/**
 * Reads what `timeNano` writes.
 * @throws ERR_TIME_INVALID
 */
export function parseTimeNano(text: string): Timestamp {
  if (!/^\d{1,19}$/.test(text)) throw invalid(text, 'expected nanoseconds since 1970');
  const secDigits = Math.max(0, text.length - 9);
  return inRange(Number(text.slice(0, secDigits)), Number(text.slice(secDigits)), text);
}

/** Negative, zero or positive, as `a` is before, at or after `b`. */
export function compareTime(a: Timestamp, b: Timestamp): number {
  return a.sec - b.sec || a.nanos - b.nanos;
}

/** The moment `nanos` later: a safe integer, not negative. The caller keeps the result before 2106. */
export function addNanos(time: Timestamp, nanos: number): Timestamp {
  // Taking the remainder off first keeps the division exact for every safe integer.
  const rest = nanos % NANOS_PER_SEC;
  const sum = time.nanos + rest;
  const carry = sum >= NANOS_PER_SEC ? 1 : 0;
  return { sec: time.sec + (nanos - rest) / NANOS_PER_SEC + carry, nanos: sum - carry * NANOS_PER_SEC };
}

function calendarSec(match: RegExpExecArray, text: string, zone: 'utc' | 'local'): number {
  // Parts that were left out are undefined.
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((digits) => Number(digits || 0));
  // Date takes the years 0..99 for 1900..1999. A year too far on either side is left to the range check.
  if (year < 1000) return -1;
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw invalid(text, 'no such day');
  if (hour > 23 || minute > 59 || second > 59) throw invalid(text, 'no such time of day');
  const offset = match[8];
  if (offset === undefined && zone === 'local') {
    return new Date(year, month - 1, day, hour, minute, second).getTime() / 1000;
  }
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - offsetSec(offset ?? 'Z', text);
}

function offsetSec(offset: string, text: string): number {
  if (offset === 'Z' || offset === 'z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4));
  if (hours > 23 || minutes > 59) throw invalid(text, 'no such zone offset');
  return (offset.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** Nanoseconds of a duration without sign; what is smaller than a nanosecond is cut off part by part, as Go does. */
function durationNanos(text: string): bigint | undefined {
  if (text === '' || text.length > MAX_DURATION_CHARS) return undefined;
  let end = 0;
  let total = 0n;
  for (const [part, whole = '', fraction = '', unit = ''] of text.matchAll(DURATION_PART)) {
    if (whole === '' && fraction === '') return undefined;
    const nanos = UNIT_NANOS[unit] ?? 0n;
    total += BigInt(whole || '0') * nanos + (BigInt(fraction || '0') * nanos) / 10n ** BigInt(fraction.length);
    end += part.length;
  }
  return end === text.length ? total : undefined;
}

function fractionNanos(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.slice(0, 9).padEnd(9, '0'));
}

function toNanos(time: Timestamp): bigint {
  return BigInt(time.sec) * BigInt(NANOS_PER_SEC) + BigInt(time.nanos);
}

function fromNanos(nanos: bigint, text: string): Timestamp {
  return inRange(Number(nanos / BigInt(NANOS_PER_SEC)), Number(nanos % BigInt(NANOS_PER_SEC)), text);
}

function inRange(sec: number, nanos: number, text: string): Timestamp {
  if (sec < 0 || sec > MAX_SEC)
    throw invalid(text, `expected one from ${calendarText(0)}Z to ${calendarText(MAX_SEC)}Z`);
  return { sec, nanos };
}

/** Also for the seconds just outside the range, which the wall clock shows east and west of its ends. */
function calendarText(sec: number): string {
  return new Date(sec * 1000).toISOString().slice(0, 19);
}

function nineDigits(nanos: number): string {
  return String(nanos).padStart(9, '0');
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

function invalid(text: string, expected: string): TocsinError {
  return new TocsinError('ERR_TIME_INVALID', `not a valid time: ${JSON.stringify(text.slice(0, 64))}; ${expected}`);
}
