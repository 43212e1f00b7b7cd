import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { parseFilterTerm, type Term } from '../event/filter.ts';
import { compareTime, parseTime } from '../event/time.ts';
import type { StartPosition, Subscription } from '../messages/control.ts';

/** What a subscriber of the embedding program may ask for. Times as in `--since`: RFC 3339, unix seconds, durations. */
export interface SubscribeOptions {
  readonly since?: string;
  readonly until?: string;
  /** Cursor: everything behind it. */
  readonly after?: string;
  /** Id, name or unique id prefix of one container. */
  readonly name?: string;
  /** `key=value`, `key!=value`, `key~=regex`. */
  readonly filter?: readonly string[];
  /** True: secrets are shown as ***, as on the daemon's sockets, and the filter sees no more than that. Default false. */
  readonly redact?: boolean;
  /** False: end with the newest event at the time of subscription. Default true. */
  readonly follow?: boolean;
  /** Events that the subscriber may be behind before it is ended with ERR_CLIENT_LAGGED. Default: it catches up. */
  readonly lagLimit?: number;
  /** What becomes of it then: it is ended, or moved on and told so by a gap. Default `disconnect`. */
  readonly lagPolicy?: 'disconnect' | 'drop-oldest';
  readonly signal?: AbortSignal;
}

/**
 * What the embedding program asked for, as the shards take it.
 * @throws ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_PARAMETER_INVALID, ERR_FILTER_INVALID, ERR_OPTION_INVALID
 */
export function subscriptionOf(door: string, options: SubscribeOptions, now: Timestamp): Subscription {
  const { name, follow = true, redact = false, lagLimit = 0, lagPolicy = 'disconnect' } = options;
  const until = options.until === undefined ? undefined : parseTime(options.until, now);
  const start = startPosition(options, now);
  if (start.from === 'time' && until && compareTime(start.time, until) > 0) {
    throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
  }
  const terms: unknown = options.filter ?? [];
  if (!Array.isArray(terms) || !terms.every((term) => typeof term === 'string'))
    throw new TocsinError('ERR_OPTION_INVALID', 'filter: expected a list of texts');
  const filter: Term[] = terms.map(parseFilterTerm);
  if (!Number.isInteger(lagLimit) || lagLimit < 0) {
    throw new TocsinError('ERR_OPTION_INVALID', `lagLimit: expected a whole number, got ${lagLimit}`);
  }
  if (typeof redact !== 'boolean')
    throw new TocsinError('ERR_OPTION_INVALID', `redact: expected true or false, got ${String(redact)}`);
  if (lagPolicy !== 'disconnect' && lagPolicy !== 'drop-oldest')
    throw new TocsinError(
      'ERR_OPTION_INVALID',
      `lagPolicy: expected disconnect or drop-oldest, got ${String(lagPolicy)}`,
    );
  if (lagPolicy === 'drop-oldest' && lagLimit === 0)
    throw new TocsinError('ERR_OPTION_INVALID', 'lagPolicy: drop-oldest needs a lagLimit');
  return {
    door,
    peer: 'embedded',
    format: 'packed',
    start,
    ...(until ? { until } : {}),
    follow,
    ...(name ? { name } : {}),
    filter,
    redact,
    lagLimit,
    ...(lagPolicy === 'drop-oldest' ? { dropsOldest: true } : {}),
    heartbeatMs: 0,
  };
}

function startPosition(options: SubscribeOptions, now: Timestamp): StartPosition {
  const { after, since } = options;
  if (after !== undefined && since !== undefined) {
    throw new TocsinError('ERR_PARAMETER_INVALID', '`after` and `since` exclude each other');
  }
  if (after !== undefined) return { from: 'cursor', cursor: after };
  if (since !== undefined) return { from: 'time', time: parseTime(since, now) };
  return { from: 'live' };
}
