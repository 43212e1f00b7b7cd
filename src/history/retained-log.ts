import type { Timestamp } from '../event/event.ts';
import { SEGMENT } from '../messages/layout.ts';
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
  /** Of its records up to `indexedTo`: made when somebody asks, which nobody does of most segments. */
  readonly index: Entry[];
  indexedTo: number;
  indexedSeq: number;
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
    const { firstSeq } = segment;
    const [end, nextSeq] = [SEGMENT.HEADER_BYTES, firstSeq];
    this.#segments.push({ segment, index: [], indexedTo: end, indexedSeq: firstSeq, end, nextSeq, openedSec: now.sec });
  }

  /** Newly committed records, up to the one before `nextSeq`. They belong to the newest segments that were opened. */
  append({ segment, to }: Run, nextSeq: number): void {
    const retained = this.#segments.find((candidate) => candidate.segment === segment);
    if (!retained) return;
    retained.end = to;
    retained.nextSeq = nextSeq;
    this.#nextSeq = nextSeq;
  }

  /** Enforces the bounds. @param headSeq newest event of the log, which may not have been taken in; @returns how many segments went */
  retain(now: Timestamp, headSeq: number): number {
    let segments = 0;
    const { events } = this.#limits;
    if (events > 0) this.#oldestSeq = Math.max(this.#oldestSeq, headSeq + 1 - events);
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
    const entry = this.#indexOf(retained)[Math.floor((seq - retained.segment.firstSeq) / INDEX_STRIDE)]!;
    let at = entry.at;
    for (let skip = seq - entry.seq; skip > 0; skip -= 1) at += retained.segment.recordBytes(at);
    return { segment: retained.segment, from: at, to: retained.end, firstSeq: seq };
  }

  /** The first retained event that is not older than `time`, to within an index entry; the position behind the head when all are. */
  locate(time: Timestamp): number {
    // Times increase with sequence numbers, so the last entry before `time` is a safe place to start reading.
    const retained = this.#segments.findLast((candidate) => startsBefore(candidate, time));
    if (!retained) return this.#oldestSeq;
    const index = this.#indexOf(retained);
    let low = 0;
    let high = index.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (isBefore(index[middle]!, time)) low = middle;
      else high = middle - 1;
    }
    return Math.max(index[low]!.seq, this.#oldestSeq);
  }

  /** As far as the segment has been taken in. */
  #indexOf(retained: Retained): readonly Entry[] {
    const { segment, index, end } = retained;
    const { view } = segment;
    for (; retained.indexedTo < end; retained.indexedSeq += 1) {
      const [at, seq] = [retained.indexedTo, retained.indexedSeq];
      view.at = at;
      if ((seq - segment.firstSeq) % INDEX_STRIDE === 0)
        index.push({ at, seq, sec: view.timeSec, nanos: view.timeNanos });
      retained.indexedTo = at + view.byteLength;
    }
    return index;
  }

  #mayGo(oldest: Retained, next: Retained, now: Timestamp): boolean {
    if (oldest.nextSeq <= this.#oldestSeq) return true;
    if (this.#bytes > this.#limits.bytes) return true;
    // Its newest event came before the next one was begun, whatever time it says.
    return this.#limits.ageMs > 0 && now.sec - next.openedSec > this.#limits.ageMs / 1000;
  }
}

/** Whether it has an event, and its first one is. */
function startsBefore({ segment, end }: Retained, time: Timestamp): boolean {
  const { view } = segment;
  view.at = SEGMENT.HEADER_BYTES;
  return end > SEGMENT.HEADER_BYTES && isBefore({ sec: view.timeSec, nanos: view.timeNanos }, time);
}

function isBefore(entry: Timestamp, time: Timestamp): boolean {
  return entry.sec < time.sec || (entry.sec === time.sec && entry.nanos < time.nanos);
}
