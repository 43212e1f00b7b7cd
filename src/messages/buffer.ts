import type { Timestamp } from '../event/event.ts';

/** What the buffer is asked by a shard. Every request is answered once. */
export type BufferRequest =
  /** The retained records from `seq` on. Answered as soon as `seq` exists. */
  | { readonly type: 'read-page'; readonly requestId: number; readonly seq: number }
  /** Where reading must start to see every retained event from `time` on. */
  | { readonly type: 'locate-time'; readonly requestId: number; readonly time: Timestamp };

export type BufferReply =
  /** Records `firstSeq`.. of a segment, by reference. */
  | {
      readonly type: 'page-read';
      readonly requestId: number;
      readonly memory: SharedArrayBuffer;
      readonly from: number;
      readonly to: number;
      readonly firstSeq: number;
    }
  /** The record is no longer retained; `oldestSeq` is. */
  | { readonly type: 'page-gone'; readonly requestId: number; readonly oldestSeq: number }
  | { readonly type: 'time-located'; readonly requestId: number; readonly seq: number };
