import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { parseFilters } from '../event/filter.ts';
import { compareTime, parseTime } from '../event/time.ts';
import type { Asked, LaneFormat, StartPosition, Subscription } from '../messages/control.ts';

const PARAMETERS = ['since', 'until', 'after', 'name', 'filters', 'follow', 'quiet', 'heartbeat', 'lag'] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Events that `lag=disconnect` and `lag=drop-oldest` allow a client to be behind. */
const DEFAULT_LAG_LIMIT = 10_000;
const MAX_HEARTBEAT_SEC = 3_600;

/** What a request says besides its query, or its listener. */
export interface NativeRequest {
  readonly format: LaneFormat;
  readonly now: Timestamp;
  readonly redact: boolean;
  /** Used unless the query says otherwise; 0 = none. */
  readonly heartbeatSec: number;
  /** The cursor that a returning client got last: it wins over where the query begins. Empty = none. */
  readonly lastEventId?: string | undefined;
}

/**
 * The subscription that a query of `GET /v1/events` describes (docs/protocol.md).
 * @throws ERR_PARAMETER_UNKNOWN, ERR_PARAMETER_INVALID, ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_FILTER_INVALID
 */
export function parseNativeQuery(query: URLSearchParams, request: NativeRequest): Asked {
  const { format, now, heartbeatSec, lastEventId, redact } = request;
  const given = new Map<Parameter, string>();
  for (const [key, value] of query) {
    const parameter = PARAMETERS.find((known) => known === key);
    if (!parameter) {
      throw new TocsinError(
        'ERR_PARAMETER_UNKNOWN',
        `unknown parameter ${JSON.stringify(key)}; known: ${PARAMETERS.join(', ')}`,
      );
    }
    if (given.has(parameter)) throw invalid(parameter, 'one value', 'several');
    given.set(parameter, value);
  }
  const asked = startPosition(given, now);
  const start: StartPosition = lastEventId ? { from: 'cursor', cursor: lastEventId } : asked;
  const untilText = given.get('until');
  const until = untilText === undefined ? undefined : parseTime(untilText, now);
  if (start.from === 'time' && until && compareTime(start.time, until) > 0) {
    throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
  }
  const name = given.get('name');
  return {
    door: 'native',
    format,
    start,
    ...(until ? { until } : {}),
    follow: parseSwitch('follow', given.get('follow') ?? 'true'),
    ...(name ? { name } : {}),
    filter: parseFilters(given.get('filters') ?? ''),
    quiet: parseSwitch('quiet', given.get('quiet') ?? 'false'),
    redact,
    ...parseLag(given.get('lag') ?? 'catch-up'),
    heartbeatMs: parseHeartbeat(given.get('heartbeat') ?? String(heartbeatSec)) * 1000,
  };
}

function startPosition(given: ReadonlyMap<Parameter, string>, now: Timestamp): StartPosition {
  const after = given.get('after');
  const since = given.get('since');
  if (after !== undefined && since !== undefined) throw invalid('after', 'no `since` beside it', 'both');
  if (after !== undefined) return { from: 'cursor', cursor: after };
  if (since !== undefined) return { from: 'time', time: parseTime(since, now) };
  return { from: 'live' };
}

function parseSwitch(parameter: Parameter, text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw invalid(parameter, 'true or false', text);
}

/** Seconds between two heartbeats, 0 = none. @throws ERR_PARAMETER_INVALID */
export function parseHeartbeat(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_HEARTBEAT_SEC) return Number(text);
  throw invalid('heartbeat', `seconds from 0 to ${MAX_HEARTBEAT_SEC}`, text);
}

function parseLag(text: string): Pick<Subscription, 'lagLimit' | 'dropsOldest'> {
  if (text === 'catch-up') return { lagLimit: 0 };
  const match = /^(disconnect|drop-oldest)(?::([1-9]\d{0,8}))?$/.exec(text);
  if (!match) throw invalid('lag', 'catch-up, disconnect, drop-oldest or one of these with :EVENTS', text);
  const lagLimit = match[2] ? Number(match[2]) : DEFAULT_LAG_LIMIT;
  return match[1] === 'drop-oldest' ? { lagLimit, dropsOldest: true } : { lagLimit };
}

function invalid(parameter: Parameter, expected: string, got: string): TocsinError {
  return new TocsinError('ERR_PARAMETER_INVALID', `${parameter}: expected ${expected}, got ${JSON.stringify(got)}`);
}
