import { EventView } from '../codec/event-record.ts';
import { EVENT, SEGMENT } from '../messages/layout.ts';

/** Consecutive records of one segment: what a cursor can be given to read. */
export interface Run {
  readonly segment: Segment;
  /** Byte offsets; `from` is the record of `firstSeq`. */
  readonly from: number;
  readonly to: number;
  readonly firstSeq: number;
  /**
   * Of a run that was picked for a filter: the event behind the range that was looked at. Its records are those of the range that the
   * filter may show; they tell their numbers themselves, and `from` is the first of them.
   */
  readonly nextSeq?: number;
}

/**
 * A stretch of the log in shared memory. One thread writes it (the collector), any number read it; nothing is copied and
 * nothing committed ever changes. The garbage collector frees it when the last reader lets go.
 */
export class Segment {
  readonly memory: SharedArrayBuffer;
  /** Kept: asking the memory is a call. */
  readonly byteLength: number;
  readonly firstSeq: number;
  /** Counts the segments of a log, from 1 on. */
  readonly number: number;
  /** A view of one's own; every reader on a thread may use it, one at a time. */
  readonly view: EventView;
  /** As 64-bit words: records are whole ones. */
  readonly longs: BigInt64Array;

  private constructor(memory: SharedArrayBuffer) {
    weigh(memory.byteLength);
    this.memory = memory;
    this.byteLength = memory.byteLength;
    this.view = new EventView(memory);
    this.longs = new BigInt64Array(memory, 0, memory.byteLength >> 3);
    const { words } = this.view;
    this.firstSeq = (words[SEGMENT.FIRST_SEQ_LOW >> 2]! >>> 0) + words[SEGMENT.FIRST_SEQ_HIGH >> 2]! * 0x100000000;
    this.number = words[SEGMENT.NUMBER >> 2]!;
  }

  /** A new, empty segment whose first record will be `firstSeq`. @param number 0 = none of the log itself, a copy of part of it */
  static create(byteLength: number, firstSeq: number, number = 0): Segment {
    const memory = new SharedArrayBuffer(byteLength);
    const words = new Int32Array(memory);
    words[SEGMENT.MAGIC >> 2] = SEGMENT.MAGIC_VALUE;
    words[SEGMENT.VERSION >> 2] = SEGMENT.VERSION_VALUE;
    words[SEGMENT.FIRST_SEQ_LOW >> 2] = firstSeq | 0;
    words[SEGMENT.FIRST_SEQ_HIGH >> 2] = Math.floor(firstSeq / 0x100000000);
    words[SEGMENT.NUMBER >> 2] = number;
    words[SEGMENT.COMMITTED >> 2] = SEGMENT.HEADER_BYTES;
    return new Segment(memory);
  }

  /** The segment behind memory that another thread announced. */
  static of(memory: SharedArrayBuffer): Segment {
    return new Segment(memory);
  }

  /** Everything before this offset can be read. */
  get committed(): number {
    return Atomics.load(this.view.words, SEGMENT.COMMITTED >> 2);
  }

  /** Makes all records before `end` visible, at once and to everyone. Writer only. */
  commit(end: number): void {
    Atomics.store(this.view.words, SEGMENT.COMMITTED >> 2, end);
  }

  recordBytes(at: number): number {
    return this.view.words[(at + EVENT.LENGTH) >> 2]!;
  }
}

const WEIGHT_BYTES = 32 * 1024 * 1024;
let unweighed = 0;

/**
 * V8 does not count memory that threads share, and sees no reason to collect what nobody refers to any more. For each so many
 * bytes it is shown as many that it does count; nobody touches them, so they are never there.
 */
function weigh(bytes: number): void {
  unweighed += bytes;
  if (unweighed < WEIGHT_BYTES) return;
  unweighed = 0;
  try {
    void new ArrayBuffer(WEIGHT_BYTES);
  } catch {
    // Where memory is that short, V8 knows.
  }
}

/** Where one reader is in one segment: moves over records as they are committed. */
export class SegmentCursor {
  readonly segment: Segment;
  at: number = SEGMENT.HEADER_BYTES;
  nextSeq: number;

  constructor(segment: Segment) {
    this.segment = segment;
    this.nextSeq = segment.firstSeq;
  }

  /**
   * The records committed since the last call, or undefined when there are none. Moves behind them.
   * @param successor the segment behind this one, when there is one: it tells how many they are
   */
  take(successor?: Segment): Run | undefined {
    const to = this.segment.committed;
    if (to === this.at) return undefined;
    const run: Run = { segment: this.segment, from: this.at, to, firstSeq: this.nextSeq };
    if (successor) this.nextSeq = successor.firstSeq;
    else for (let at = this.at; at < to; at += this.segment.recordBytes(at)) this.nextSeq += 1;
    this.at = to;
    return run;
  }
}
