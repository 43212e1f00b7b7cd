import type { Encoder } from '../codec/encoder.ts';
import type { EventView } from '../codec/event-record.ts';
import type { Run } from '../history/segment.ts';
import type { Client } from './client.ts';

/** Which events a lane shows. */
export interface Matcher {
  /** Part of the lane's identity: equal keys show equal events. */
  readonly key: string;
  matches(event: EventView): boolean;
}

/** Memory for encoded bytes, of the kind that the lane's clients can take. */
export type Allocate = (byteLength: number) => Uint8Array;

const MIN_SLAB_BYTES = 8 * 1024;
const MAX_SLAB_BYTES = 256 * 1024;
/** Bytes that a mark covers at most, give or take an event: the largest step of a client that is behind. */
const MARK_BYTES = 64 * 1024;

interface Slab {
  readonly bytes: Uint8Array;
  used: number;
}

/** A position in the lane: everything before it has been encoded. Clients only ever stand on marks. */
export interface Mark {
  readonly slab: Slab;
  readonly end: number;
  /** Sequence number of the next event of the log, shown or not. */
  readonly nextSeq: number;
  /** Events encoded so far. */
  readonly events: number;
  /** Time of the last event of the log before the mark. */
  readonly sec: number;
  readonly nanos: number;
}

export interface Step {
  readonly bytes: Uint8Array;
  readonly mark: Mark;
  readonly index: number;
}

/**
 * One wire format and one filter. Encodes each event once, framing included; all clients of the lane share the bytes, and a
 * client is no more than the number of the mark it stands on.
 *
 *   slabs  [.......m1...m2][m3........m4.m5]      head = m5
 *   a client on m1 is given the bytes m1..m2, then m2..m5: one write a slab
 */
export class Lane {
  readonly key: string;
  readonly encoder: Encoder;
  readonly matcher: Matcher;
  readonly clients = new Set<Client>();
  readonly #allocate: Allocate;
  readonly #marks: Mark[] = [];
  /** Number of the first mark that is still held. */
  #firstMark = 0;
  #slab: Slab;
  #events = 0;
  #recentBytes = 0;
  /** The step that was asked for last: nearly every client asks for the same one. */
  #lastStep: { readonly from: number; readonly step: Step } | undefined;

  constructor(key: string, encoder: Encoder, matcher: Matcher, allocate: Allocate, nextSeq: number) {
    this.key = key;
    this.encoder = encoder;
    this.matcher = matcher;
    this.#allocate = allocate;
    this.#slab = { bytes: new Uint8Array(0), used: 0 };
    this.#marks.push({ slab: this.#slab, end: 0, nextSeq, events: 0, sec: 0, nanos: 0 });
  }

  get headIndex(): number {
    return this.#firstMark + this.#marks.length - 1;
  }

  get head(): Mark {
    return this.#marks.at(-1)!;
  }

  mark(index: number): Mark | undefined {
    return this.#marks[index - this.#firstMark];
  }

  /** Encodes a run of the log. @returns how many events were shown */
  append(run: Run): number {
    const { view } = run.segment;
    const before = this.#events;
    let seq = run.firstSeq;
    let markFrom = this.#slab.used;
    let bytes = 0;
    for (let at = run.from; at < run.to; ) {
      view.at = at;
      const recordBytes = view.byteLength;
      if (this.matcher.matches(view)) {
        const need = this.encoder.maxBytes(recordBytes);
        if (this.#slab.used + need > this.#slab.bytes.length) {
          if (this.#slab.used > markFrom) this.#addMark(seq, view);
          this.#slab = { bytes: this.#allocate(this.#slabBytes(need)), used: 0 };
          markFrom = 0;
        }
        view.at = at;
        const end = this.encoder.encode(view, this.#slab.bytes, this.#slab.used);
        if (end !== this.#slab.used) this.#events += 1;
        bytes += end - this.#slab.used;
        this.#slab.used = end;
      }
      at += recordBytes;
      seq += 1;
      if (this.#slab.used - markFrom >= MARK_BYTES || at >= run.to) {
        this.#addMark(seq, view);
        markFrom = this.#slab.used;
      }
    }
    this.#recentBytes = bytes;
    return this.#events - before;
  }

  /** What a client on mark `index` is given next: all that is encoded, up to the end of a slab. */
  step(index: number): Step | undefined {
    if (this.#lastStep?.from === index) return this.#lastStep.step;
    const from = this.mark(index);
    const next = this.mark(index + 1);
    if (!from || !next) return undefined;
    const start = next.slab === from.slab ? from.end : 0;
    let last = index + 1;
    for (let after = this.mark(last + 1); after?.slab === next.slab; after = this.mark(last + 1)) last += 1;
    const mark = this.mark(last)!;
    const step = { bytes: next.slab.bytes.subarray(start, mark.end), mark, index: last };
    this.#lastStep = { from: index, step };
    return step;
  }

  /** Drops marks that no client stands on any more, and at least all but the newest `maxBytes`. */
  trim(maxBytes: number): void {
    let keep = this.headIndex;
    for (const client of this.clients) if (client.mark < keep) keep = client.mark;
    let bytes = 0;
    let slab: Slab | undefined;
    for (let index = this.#marks.length - 1; index >= 0 && this.#firstMark + index > keep; index -= 1) {
      const mark = this.#marks[index]!;
      if (mark.slab !== slab) bytes += mark.slab.bytes.length;
      slab = mark.slab;
      if (bytes > maxBytes) keep = this.#firstMark + index;
    }
    if (keep > this.#firstMark) {
      this.#marks.splice(0, keep - this.#firstMark);
      this.#firstMark = keep;
    }
  }

  /** The view stands on the last event before the mark, or on the one that did not fit: the mark's time is not before its own. */
  #addMark(nextSeq: number, view: EventView): void {
    this.#marks.push({
      slab: this.#slab,
      end: this.#slab.used,
      nextSeq,
      events: this.#events,
      sec: view.timeSec,
      nanos: view.timeNanos,
    });
    this.#lastStep = undefined;
  }

  /** As much as recent batches needed, so that a quiet lane is small and a busy one makes few allocations. */
  #slabBytes(need: number): number {
    return Math.max(need, Math.min(MAX_SLAB_BYTES, Math.max(MIN_SLAB_BYTES, 4 * this.#recentBytes)));
  }
}
