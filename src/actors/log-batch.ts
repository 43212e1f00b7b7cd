import type { NewBatch } from '../history/batch.ts';
import type { Segment } from '../history/segment.ts';
import { type IntakeProgress, joinProgress } from './intake-progress.ts';

/** Records of one segment, and everything that becomes true with them. */
export interface Batch extends NewBatch {
  readonly segment: Segment;
  readonly from: number;
  readonly to: number;
  /** What was taken for it. */
  readonly progress: readonly IntakeProgress[];
  readonly stateLog: number;
  readonly stateLogEnd: number;
  /** To be done once it is shown. */
  readonly effects: (() => void)[];
}

/** Two batches, one behind the other, as one. */
export function joined(left: Batch, right: Batch): Batch {
  const isOneStretch = left.segment === right.segment && left.to === right.from;
  return {
    // Of two segments it is to be written, not to be shown.
    segment: left.segment,
    from: left.from,
    to: right.to,
    events: isOneStretch
      ? left.segment.view.bytes.subarray(left.from, right.to)
      : concatenated(left.events, right.events),
    count: left.count + right.count,
    firstSeq: left.firstSeq,
    first: left.count > 0 ? left.first : right.first,
    last: right.last,
    state: [...left.state, ...right.state],
    progress: joinProgress(left.progress, right.progress),
    stateLog: right.stateLog,
    stateLogEnd: right.stateLogEnd,
    effects: [...left.effects, ...right.effects],
  };
}

function concatenated(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}
