import { EventView } from '../../src/codec/event-record.ts';
import { Epochs } from '../../src/event/epochs.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { type Run, Segment } from '../../src/history/segment.ts';
import { EVENT, SEGMENT } from '../../src/messages/layout.ts';
import { packEvent } from './packed.ts';

export const EPOCH = 'testlog2';

/** Of a log that has had one life. */
export const EPOCHS = new Epochs([{ epoch: EPOCH, firstSeq: 1 }]);

/** Second of the first event of a test's log. */
export const BASE_SEC = 1_700_000_000;

export function at(seq: number): Timestamp {
  return { sec: BASE_SEC, nanos: seq };
}

/** Gives a packed record its number and time, as the collector does. */
export function stamp(record: Uint8Array, seq: number, time: Timestamp): Uint8Array {
  const fields = new DataView(record.buffer, record.byteOffset, record.length);
  fields.setUint32(EVENT.SEQ_LOW, seq % 2 ** 32, true);
  fields.setUint32(EVENT.SEQ_HIGH, Math.floor(seq / 2 ** 32), true);
  fields.setUint32(EVENT.TIME_SEC, time.sec, true);
  fields.setUint32(EVENT.TIME_NANOS, time.nanos, true);
  return record;
}

/** A segment that a test fills by hand. Nothing is visible before `commit`. */
export class SegmentWriter {
  readonly segment: Segment;
  nextSeq: number;
  #pos: number = SEGMENT.HEADER_BYTES;
  static #segments = 0;

  constructor(byteLength = 64 * 1024, firstSeq = 1) {
    SegmentWriter.#segments += 1;
    this.segment = Segment.create(byteLength, firstSeq, SegmentWriter.#segments);
    this.nextSeq = firstSeq;
  }

  fits(event: NewEvent): boolean {
    return this.#pos + packEvent(event).length <= this.segment.byteLength;
  }

  append(event: NewEvent, time: Timestamp = at(this.nextSeq)): void {
    const record = stamp(packEvent(event), this.nextSeq, time);
    this.segment.view.bytes.set(record, this.#pos);
    this.#pos += record.length;
    this.nextSeq += 1;
  }

  commit(): void {
    this.segment.commit(this.#pos);
  }
}

/** A committed segment with these events. */
export function segmentOf(events: readonly NewEvent[], options: { firstSeq?: number; time?: Timestamp } = {}): Segment {
  const bytes = events.reduce((sum, event) => sum + packEvent(event).length, 0);
  const writer = new SegmentWriter(SEGMENT.HEADER_BYTES + bytes, options.firstSeq);
  for (const event of events) writer.append(event, options.time);
  writer.commit();
  return writer.segment;
}

/** A view of one event, as every encoder is handed it. */
export function viewOf(event: NewEvent, options: { seq?: number; time?: Timestamp } = {}): EventView {
  const { seq = 7, time } = options;
  const { memory } = segmentOf([event], { firstSeq: seq, ...(time ? { time } : {}) });
  const view = new EventView(memory);
  view.at = SEGMENT.HEADER_BYTES;
  return view;
}

/** The sequence numbers in a run, read from the records themselves. */
export function seqsOf(run: Run): number[] {
  const view = new EventView(run.segment.memory);
  const seqs: number[] = [];
  for (view.at = run.from; view.at < run.to; view.at += view.byteLength) seqs.push(view.seq);
  return seqs;
}
