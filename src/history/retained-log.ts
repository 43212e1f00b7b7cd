import type { Timestamp } from '../event/event.ts';
import type { Run, Segment } from './segment.ts';

export interface RetentionLimits {
  /** 0 = no limit. */
  readonly events: number;
  readonly bytes: number;
  /** 0 = no limit. */
  readonly ageMs: number;
}

/** One entry for this many records: a page begins at most that many records before the one that was asked for. */
const INDEX_STRIDE = 64;

interface Entry {
  readonly at: number;
  readonly seq: number;
  readonly sec: number;
  readonly nanos: number;
}

interface Retained {
  readonly segment: Segment;
  readonly index: Entry[];
  /** End of what has been taken in, and the sequence number that would come there. */
  end: number;
  nextSeq: number;
  /** When it was begun. */
  readonly openedSec: number;
}

/**
 * The log's past in memory: whole segments, a sparse index over each, and the bounds. `oldestSeq` honours the event bound
 * exactly; memory is given back a segment at a time.
 */
export class RetainedLog {
  readonly #limits: RetentionLimits;
  readonly #segments: Retained[] = [];
  #bytes = 0;
  #oldestSeq: number;
  #nextSeq: number;

  /** @param firstSeq number of the first event that will come */
  constructor(limits: RetentionLimits, firstSeq: number) {
    this.#limits = limits;
    this.#oldestSeq = firstSeq;
    this.#nextSeq = firstSeq;
  }

  get oldestSeq(): number {
    return this.#oldestSeq;
  }
  get headSeq(): number {
    return this.#nextSeq - 1;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest segment was begun: seconds since 1970. */
  get oldestSec(): number | undefined {
    return this.#segments[0]?.openedSec;
  }

  open(segment: Segment, now: Timestamp): void {
    this.#bytes += segment.byteLength;
    this.#segments.push({ segment, index: [], end: 0, nextSeq: segment.firstSeq, openedSec: now.sec });
  }

  /** Indexes newly committed records. They belong to the newest segments that were opened. */
  append(run: Run): void {
    const retained = this.#segments.find((candidate) => candidate.segment === run.segment);
    if (!retained) return;
    const { view } = run.segment;
    let seq = run.firstSeq;
    for (let at = run.from; at < run.to; seq += 1) {
      view.at = at;
      if ((seq - run.segment.firstSeq) % INDEX_STRIDE === 0) {
        retained.index.push({ at, seq, sec: view.timeSec, nanos: view.timeNanos });
      }
      at += view.byteLength;
    }
    retained.end = run.to;
    retained.nextSeq = seq;
    this.#nextSeq = seq;
  }

  /** Enforces the bounds. @returns how many segments went */
  retain(now: Timestamp): number {
    let segments = 0;
    if (this.#limits.events > 0) this.#oldestSeq = Math.max(this.#oldestSeq, this.#nextSeq - this.#limits.events);
    while (this.#segments.length > 1 && this.#mayGo(this.#segments[0]!, this.#segments[1]!, now)) {
      const gone = this.#segments.shift()!;
      this.#bytes -= gone.segment.byteLength;
      this.#oldestSeq = Math.max(this.#oldestSeq, gone.nextSeq);
      segments += 1;
    }
    return segments;
  }

  /** The records from `seq` to the end of its segment; undefined when `seq` has gone or has not come yet. */
  page(seq: number): Run | undefined {
    if (seq < this.#oldestSeq || seq >= this.#nextSeq) return undefined;
    const retained = this.#segments.find((candidate) => seq < candidate.nextSeq);
    if (!retained) return undefined;
    const entry = retained.index[Math.floor((seq - retained.segment.firstSeq) / INDEX_STRIDE)]!;
    let at = entry.at;
    for (let skip = seq - entry.seq; skip > 0; skip -= 1) at += retained.segment.recordBytes(at);
    return { segment: retained.segment, from: at, to: retained.end, firstSeq: seq };
  }

  /** The first retained event that is not older than `time`, to within an index entry; the position behind the head when all are. */
  locate(time: Timestamp): number {
    // Times increase with sequence numbers, so the last entry before `time` is a safe place to start reading.
    let found = this.#oldestSeq;
    for (const retained of this.#segments) {
      const first = retained.index[0];
      if (!first || !isBefore(first, time)) break;
      let low = 0;
      let high = retained.index.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (isBefore(retained.index[middle]!, time)) low = middle;
        else high = middle - 1;
      }
      found = Math.max(found, retained.index[low]!.seq);
    }
    return Math.max(found, this.#oldestSeq);
  }

  #mayGo(oldest: Retained, next: Retained, now: Timestamp): boolean {
    if (oldest.nextSeq <= this.#oldestSeq) return true;
    if (this.#bytes > this.#limits.bytes) return true;
    // Its newest event came before the next one was begun, whatever time it says.
    return this.#limits.ageMs > 0 && now.sec - next.openedSec > this.#limits.ageMs / 1000;
  }
}

function isBefore(entry: Entry, time: Timestamp): boolean {
  return entry.sec < time.sec || (entry.sec === time.sec && entry.nanos < time.nanos);
}
