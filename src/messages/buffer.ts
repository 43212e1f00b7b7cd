import type { Term } from '../event/filter.ts';
import type { GapReason, Timestamp } from '../event/event.ts';

/** What a client wants of its past, so that the rest need not pass through its shard. */
export interface WantedEvents {
  readonly terms: readonly Term[];
  /** Id of the one container. */
  readonly container: string | undefined;
  /** A second filter, that must hold as well. */
  readonly limit?: readonly Term[] | undefined;
  /** The terms are about events without their secrets. */
  readonly redact: boolean;
  /** It comes back for what it missed; others have only just begun. */
  readonly isResume: boolean;
}

/** What the buffer is asked by a shard. Every request is answered once. */
export type BufferRequest =
  /**
   * The retained records from `seq` on, or from the oldest one if `seq` has gone. Answered as soon as `seq` exists. With `wanted`,
   * records that this does not show may be left out.
   */
  | {
      readonly type: 'read-page';
      readonly requestId: number;
      readonly seq: number;
      readonly wanted?: WantedEvents | undefined;
    }
  /** Where reading must start to see every retained event from `time` on. */
  | { readonly type: 'locate-time'; readonly requestId: number; readonly time: Timestamp };

export type BufferReply =
  /**
   * Records of a segment, by reference, so that they stay readable whatever retention does. A `firstSeq` beyond the one asked
   * for means that the records between are gone, and `reason` says why.
   */
  | {
      readonly type: 'page-read';
      readonly requestId: number;
      readonly memory: SharedArrayBuffer;
      readonly from: number;
      readonly to: number;
      readonly firstSeq: number;
      /** Cursor that leads to it: another epoch may have begun there of which the shard has not heard. */
      readonly oldest: string;
      /** Records were left out: behind the range that was looked at. */
      readonly nextSeq?: number;
      readonly reason: GapReason;
    }
  | { readonly type: 'time-located'; readonly requestId: number; readonly seq: number };
