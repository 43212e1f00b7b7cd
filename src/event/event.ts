/** A moment, to the nanosecond: seconds since 1970 (unsigned 32 bit) and nanoseconds 0..999,999,999. */
export interface Timestamp {
  readonly sec: number;
  readonly nanos: number;
}

/**
 * One event of the log. Absent fields are left out. `seq` is dense and `time` strictly increasing within a log;
 * `cursor` is `<epoch>-<seq>`.
 */
export interface TocsinEvent {
  readonly seq: number;
  readonly cursor: string;
  /** RFC 3339 in UTC with nine digits. */
  readonly time: string;
  /** Nanoseconds since 1970 as decimal text: it exceeds 2^53. */
  readonly timeNano: string;
  /** `container`, `image`, ... */
  readonly type: string;
  /** The operator word: `start`, `exec_create`, `die`, ... */
  readonly action: string;
  readonly args?: string;
  /** Full container id, image reference, registry server or file. */
  readonly id: string;
  /** In the order of the record: `image`, `name`, labels, what the sender added. Without pid and exit code. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly pid?: number;
  readonly exitCode?: number;
  readonly scope?: string;
  readonly source?: string;
  readonly namespace?: string;
  /** Events of this source may be missing from `attributes.from` to `attributes.to`. */
  readonly reason?: 'source';
  /** No engine told it: a source found that its engine's containers are not as the log knew them. */
  readonly synthetic?: true;
}

/** Why events between two positions did not reach a client. */
export type GapReason = 'retention' | 'policy' | 'corruption' | 'crash' | 'source';

/** Told to a client in place of the events that it can no longer get. Sequence numbers are inclusive. */
export interface Lagged {
  readonly type: 'gap';
  /** Events of the log between `from` and `to`, whether or not the client's filter would have shown them. */
  readonly missed: number | null;
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
  /** Cursor just before the oldest event that is still there: `after=oldest` reads all that is retained. */
  readonly oldest: string;
}

/** One event, or the notice that some are gone. A gap has `type: 'gap'`; no event type of the log is called that. */
export type Delivery = TocsinEvent | Lagged;

export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly cursor: string;
}

/** What an embedding program publishes. The log gives it its number and its time. */
export interface NewEvent {
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly args?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly pid?: number;
  readonly exitCode?: number;
  readonly scope?: string;
  readonly source?: string;
  readonly namespace?: string;
  /** The source's own time; kept as the event's time unless order or our clock forbid it. */
  readonly time?: Timestamp;
}

/** What an engine tells about a container, so that its events can be enriched. */
export interface ContainerSpec {
  readonly name?: string;
  readonly image?: string;
  readonly pid?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ContainerInfo extends ContainerSpec {
  readonly id: string;
  /** It has a pid, or was started and has not ended. */
  readonly running?: boolean;
  readonly paused?: boolean;
  readonly exitCode?: number;
  /** False when only events named it, true when an engine described it. */
  readonly known: boolean;
  readonly removed: boolean;
}
