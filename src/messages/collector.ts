import type { Epoch } from '../event/cursor.ts';
import type { EpochSpan } from '../event/epochs.ts';
import type { ErrorData } from '../event/errors.ts';
import type { ContainerInfo, Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';

/** What the collector is told. */
export type CollectorCommand =
  /** Records wait in the intake ring or the publish ring, and the collector slept. */
  | { readonly type: 'records-available' }
  /** A client's `until` has passed: give a time mark if no event has done so. */
  | { readonly type: 'prompt-time-mark' }
  /** No intake writes any more: number what is in the rings, then seal the log. */
  | { readonly type: 'seal' };

/** What the collector is asked by a shard. */
export type CollectorRequest = ResolveContainer | ListContainers;

/** Which container does the client mean by `name`? Answered by `container-resolved`. */
export interface ResolveContainer {
  readonly type: 'resolve-container';
  readonly requestId: number;
  readonly name: string;
  /** Containers that this does not show are none. */
  readonly limit?: readonly Term[] | undefined;
}

/** Which containers does the log know? Answered by `containers-listed`. */
export interface ListContainers {
  readonly type: 'list-containers';
  readonly requestId: number;
  /** As of `ResolveContainer`. */
  readonly limit?: readonly Term[] | undefined;
}

export type CollectorReply = ContainerResolved | ContainersListed;

export interface ContainerResolved {
  readonly type: 'container-resolved';
  readonly requestId: number;
  readonly id?: string;
  readonly error?: ErrorData;
}

export interface ContainersListed {
  readonly type: 'containers-listed';
  readonly requestId: number;
  readonly containers: readonly ContainerInfo[];
}

/** What the collector tells the buffer and every shard, in this order. */
export type LogNotice =
  /** A new segment follows the previous one, which is complete. */
  | { readonly type: 'segment-opened'; readonly memory: SharedArrayBuffer }
  /** Records were committed while the reader slept. */
  | { readonly type: 'appended' }
  /** Every event with a time up to this one has a sequence number up to `seq`; all later events are later. */
  | { readonly type: 'time-mark'; readonly sec: number; readonly nanos: number; readonly seq: number }
  /** The disk failed: events from the span's first number on are of another epoch. */
  | { readonly type: 'epoch-began'; readonly span: EpochSpan }
  /** The log ends with `seq`: nothing will be appended any more. */
  | { readonly type: 'sealed'; readonly seq: number };

/** Memory of the log that main keeps, for actors that have to begin anew. Told before any reader hears of it. */
export type KeeperNotice =
  | { readonly type: 'segment-opened'; readonly memory: SharedArrayBuffer }
  | { readonly type: 'state-log-opened'; readonly memory: SharedArrayBuffer };

/** A history file, as its header describes it. */
export interface HistoryFileHead {
  readonly firstSeq: number;
  readonly epoch: Epoch;
  /** The epoch that this one continues. */
  readonly parent: Epoch | undefined;
  /** Time of the newest event before the file; seconds 0 = none. */
  readonly after: Timestamp;
  /** Our clock when it was begun. */
  readonly createdSec: number;
}

/** What the collector tells the buffer beside the log notices. */
export type HistoryFileNotice =
  | { readonly type: 'history-file-opened'; readonly file: HistoryFileHead }
  /** It would survive a loss of power, and what it says of the time before with it. */
  | { readonly type: 'history-file-secured'; readonly firstSeq: number };

/** What the collector tells main about the disk. */
export type HistoryNotice =
  /** Nothing can be written: under `sync` intake waits, under `async` the log goes on in memory. */
  | { readonly type: 'history-failed'; readonly error: ErrorData }
  | { readonly type: 'history-recovered' }
  /** A write kept everything waiting for so long. */
  | { readonly type: 'history-slow'; readonly ms: number };
