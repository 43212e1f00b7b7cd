import { parseDockerFilters } from '../event/docker-filters.ts';
import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { compareTime, parseTime } from '../event/time.ts';
import type { Asked, LaneFormat, StartPosition } from '../messages/control.ts';
import { parseHeartbeat } from './native-query.ts';

/** Seconds, as Docker's clients send them: a sign, digits, a fraction. */
const SECONDS = /^([+-]?)(\d+)(?:\.(\d*))?$/;
const MAX_SECONDS_DIGITS = 19;
const MAX_FRACTION_DIGITS = 20;
const LAST_SEC = 2 ** 32 - 1;

/** A bound of Docker's clients: a moment, or one before or behind all that we can hold. */
type Bound = Timestamp | 'past' | 'future' | undefined;

/** What a request says besides its query, or its listener. */
export interface DockerRequest {
  readonly format: LaneFormat;
  readonly now: Timestamp;
  readonly redact: boolean;
}

/**
 * The subscription that a query of Docker's `GET /events` describes. Parameters that Docker does not know are ignored, of
 * several equal ones the first counts. Four are ours: `after`, the cursor of an event, wins over `since`; `heartbeat` is in
 * seconds; `quiet` and `synthetic` are switches.
 * @throws ERR_PARAMETER_INVALID, ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_FILTER_INVALID
 */
export function parseDockerQuery(target: URL, { format, now, redact }: DockerRequest): Asked {
  checkDockerQuery(target.search);
  const query = target.searchParams;
  const since = parseBound('since', query.get('since') ?? '', now);
  const until = parseBound('until', query.get('until') ?? '', now);
  const after = query.get('after');
  if (!after && isTime(since) && isTime(until) && compareTime(since, until) > 0) {
    throw new TocsinError(
      'ERR_SINCE_AFTER_UNTIL',
      `\`since\` time (${query.get('since')}) cannot be after \`until\` time (${query.get('until')})`,
    );
  }
  return {
    door: 'docker',
    format,
    start: after ? { from: 'cursor', cursor: after } : startPosition(since, until !== undefined, now),
    ...(isTime(until) ? { until } : {}),
    // Docker shows its whole history for an `until` of 0 or less, and ends.
    follow: until !== 'past',
    filter: parseDockerFilters(query.get('filters') ?? ''),
    quiet: isOn(query, 'quiet'),
    redact,
    synthetic: isOn(query, 'synthetic'),
    lagLimit: 0,
    heartbeatMs: parseHeartbeat(query.get('heartbeat') || '0') * 1000,
  };
}

/** A switch as Docker reads it: anything but these is yes. */
export function isOn(query: URLSearchParams, name: string): boolean {
  return !['', '0', 'no', 'false', 'none'].includes((query.get(name) ?? '').trim().toLowerCase());
}

/** Docker's `since` opens history and holds no live event back; `until` alone opens all of it. */
function startPosition(since: Bound, hasUntil: boolean, now: Timestamp): StartPosition {
  if (since === 'past' || (since === undefined && hasUntil)) return { from: 'time', time: { sec: 0, nanos: 0 } };
  if (isTime(since) && compareTime(since, now) <= 0) return { from: 'time', time: since };
  return { from: 'live' };
}

function parseBound(name: string, text: string, now: Timestamp): Bound {
  if (text === '') return undefined;
  try {
    const [, sign, digits = '', fraction = ''] = SECONDS.exec(text) ?? [];
    // What the real engine leaves to its clients is taken here as well: RFC 3339 and durations.
    if (sign === undefined) return parseTime(text, now);
    if (digits.length > MAX_SECONDS_DIGITS || fraction.length > MAX_FRACTION_DIGITS)
      throw new TocsinError('ERR_TIME_INVALID', 'value out of range');
    const sec = Number(digits);
    const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'));
    if (sign === '-' || (sec === 0 && nanos === 0)) return 'past';
    return sec > LAST_SEC ? 'future' : { sec, nanos };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TocsinError('ERR_TIME_INVALID', `invalid value for '${name}': ${reason}`, { cause });
  }
}

/** Go's query parser refuses these two; the one of URLs does not. @throws ERR_PARAMETER_INVALID */
export function checkDockerQuery(search: string): void {
  if (search.includes(';')) throw new TocsinError('ERR_PARAMETER_INVALID', 'invalid semicolon separator in query');
  const broken = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(search);
  if (broken) throw new TocsinError('ERR_PARAMETER_INVALID', `invalid URL escape ${JSON.stringify(broken[0])}`);
}

function isTime(bound: Bound): bound is Timestamp {
  return typeof bound === 'object';
}
