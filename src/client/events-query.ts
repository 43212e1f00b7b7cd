import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { parseFilterTerm, type Term } from '../event/filter.ts';
import { compareTime, parseTime, secondsText } from '../event/time.ts';

/** What a client may ask for. Times as in `--since`: RFC 3339, unix seconds, durations back from now. */
export interface EventsOptions {
  /** Cursor: everything behind it. Not together with `since`. */
  readonly after?: string;
  /** The first event that is not before this time. Without `after` and `since`: what comes from now on. */
  readonly since?: string;
  /** The last event that is not after this time, and then the end. */
  readonly until?: string;
  /** Id, name or unique id prefix of one container. After the first event it is that event's container, whatever its name is. */
  readonly name?: string;
  /** `key=value`, `key!=value`, `key~=regex`. */
  readonly filter?: readonly string[];
  /** Without what says nothing new: execs of health checks, a health that was told before. Default false. */
  readonly quiet?: boolean;
  /** False: end with the newest event at the time of the request. Default true. */
  readonly follow?: boolean;
  /**
   * How long the daemon may be silent, 0 to 3,600,000 ms, rounded up to seconds. Default 10,000. A connection on which nothing
   * came for twice as long and 2 s is given up. With 0 no silence is too long, and a live client that is cut off before its first
   * event begins live again.
   */
  readonly heartbeatMs?: number;
  /** Come back when the connection is lost, exactly behind the last event. Default: as `follow`. */
  readonly reconnect?: boolean;
  /** Ends the stream quietly. */
  readonly signal?: AbortSignal;
  /** Told when a connection has been made, and when one is waited for. */
  readonly onState?: (state: ConnectionState) => void;
}

/** How a stream is doing. */
export type ConnectionState =
  /** The daemon answers. `after` is the cursor behind which it goes on, unless the stream begins here. */
  | { readonly state: 'connected'; readonly after?: string }
  /** There is no connection; the next try is `delayMs` away. */
  | { readonly state: 'waiting'; readonly error: TocsinError; readonly delayMs: number };

const KNOWN: readonly string[] = [
  'after',
  'since',
  'until',
  'name',
  'filter',
  'quiet',
  'follow',
  'heartbeatMs',
  'reconnect',
  'signal',
  'onState',
] satisfies (keyof EventsOptions)[];
const DEFAULT_HEARTBEAT_MS = 10_000;
const MAX_HEARTBEAT_MS = 3_600_000;
/** The daemon is up to a second late with a heartbeat. */
const SLACK_MS = 2_000;

/** The options of a stream, checked and fixed to the moment at which it was asked for. */
export class EventsQuery {
  readonly after: string | undefined;
  readonly since: Timestamp | undefined;
  readonly until: Timestamp | undefined;
  readonly name: string | undefined;
  readonly follow: boolean;
  /** A connection on which nothing came for so long is dead; 0 = never. */
  readonly silenceMs: number;
  readonly #filters: string;
  readonly #quiet: boolean;
  readonly #heartbeatSec: number;

  /** @throws ERR_OPTION_INVALID, ERR_PARAMETER_INVALID, ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_FILTER_INVALID */
  constructor(options: EventsOptions, now: Timestamp) {
    for (const key of Object.keys(options))
      if (!KNOWN.includes(key)) throw new TocsinError('ERR_OPTION_INVALID', `unknown option ${JSON.stringify(key)}`);
    const {
      after,
      since,
      until,
      name,
      filter = [],
      quiet = false,
      follow = true,
      heartbeatMs = DEFAULT_HEARTBEAT_MS,
    } = options;
    if (after !== undefined && since !== undefined)
      throw new TocsinError('ERR_PARAMETER_INVALID', '`after` and `since` exclude each other');
    if (!Array.isArray(filter) || !filter.every((term) => typeof term === 'string'))
      throw new TocsinError('ERR_OPTION_INVALID', 'filter: expected a list of texts');
    if (!Number.isInteger(heartbeatMs) || heartbeatMs < 0 || heartbeatMs > MAX_HEARTBEAT_MS)
      throw new TocsinError(
        'ERR_OPTION_INVALID',
        `heartbeatMs: expected a whole number from 0 to ${MAX_HEARTBEAT_MS}, got ${heartbeatMs}`,
      );
    this.after = after;
    this.since = since === undefined ? undefined : parseTime(since, now);
    this.until = until === undefined ? undefined : parseTime(until, now);
    if (this.since && this.until && compareTime(this.since, this.until) > 0)
      throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
    this.name = name || undefined;
    this.follow = follow;
    this.#quiet = quiet;
    this.#filters = filter.length === 0 ? '' : filtersJson(filter.map(parseFilterTerm));
    this.#heartbeatSec = Math.ceil(heartbeatMs / 1000);
    this.silenceMs = heartbeatMs === 0 ? 0 : 2 * 1000 * this.#heartbeatSec + SLACK_MS;
  }

  /** The path to ask for. @param cursor behind which to go on; without one it is the first request, or as good as that */
  path(cursor: string | undefined, name: string | undefined): string {
    const query = new URLSearchParams();
    if (name) query.set('name', name);
    if (cursor !== undefined) query.set('after', cursor);
    else if (this.since) query.set('since', secondsText(this.since));
    if (this.until) query.set('until', secondsText(this.until));
    if (this.#filters) query.set('filters', this.#filters);
    if (this.#quiet) query.set('quiet', 'true');
    if (!this.follow) query.set('follow', 'false');
    if (this.#heartbeatSec > 0) query.set('heartbeat', String(this.#heartbeatSec));
    const text = query.toString();
    return text ? `/v1/events?${text}` : '/v1/events';
  }
}

/** Terms in the JSON form of `filters=`: `{"type":["container"],"label!":["k=v"]}`. */
function filtersJson(terms: readonly Term[]): string {
  const suffix = { '=': '', '!=': '!', '~=': '~' } as const;
  const filters: Record<string, string[]> = {};
  for (const { key, op, value } of terms) (filters[`${key}${suffix[op]}`] ??= []).push(value);
  return JSON.stringify(filters);
}
