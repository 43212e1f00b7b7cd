import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NewEvent, Timestamp } from '../../../src/event/event.ts';
import { addNanos, compareTime } from '../../../src/event/time.ts';
import { RetainedLog, type RetentionLimits } from '../../../src/history/retained-log.ts';
import { SegmentCursor } from '../../../src/history/segment.ts';
import { BASE_SEC, SegmentWriter, seqsOf } from '../../support/log.ts';

const EVENT: NewEvent = { type: 'container', action: 'start', id: 'c1' };
const UNBOUNDED: RetentionLimits = { events: 1e9, bytes: 1e12, ageMs: 0 };
const SEGMENT_BYTES = 16 * 1024;
/** A page or a time is found to within this many records. */
const STRIDE = 64;
const START = { sec: BASE_SEC, nanos: 999_990_000 };

/** A log that is written, and beside it what a list of its events would say. */
class ModelledLog {
  readonly log: RetainedLog;
  /** Time of event n at index n - 1, also of those that have gone. */
  readonly times: Timestamp[] = [];
  readonly #limits: RetentionLimits;
  readonly #segments: { readonly byteLength: number; nextSeq: number; readonly openedSec: number }[] = [];
  #writer = new SegmentWriter(SEGMENT_BYTES);
  #cursor = new SegmentCursor(this.#writer.segment);
  #oldest = 1;
  #last = START;

  constructor(limits: Partial<RetentionLimits>) {
    this.#limits = { ...UNBOUNDED, ...limits };
    this.log = new RetainedLog(this.#limits, 1);
    this.#open();
  }

  append(count: number, stepNanos: number, argsBytes = 0): void {
    const event = { ...EVENT, args: 'x'.repeat(argsBytes) };
    for (let index = 0; index < count; index += 1) {
      if (!this.#writer.fits(event)) this.#roll();
      this.#last = addNanos(this.#last, stepNanos);
      this.times.push(this.#last);
      this.#writer.append(event, this.#last);
    }
    this.#take();
  }

  retain(now: Timestamp): void {
    const { events, bytes, ageMs } = this.#limits;
    let oldest = Math.max(this.#oldest, this.times.length + 1 - events);
    let segments = 0;
    const isDue = (first: { nextSeq: number }, second: { openedSec: number }): boolean =>
      first.nextSeq <= oldest || this.#bytes > bytes || (ageMs > 0 && now.sec - second.openedSec > ageMs / 1000);
    while (this.#segments.length > 1 && isDue(this.#segments[0]!, this.#segments[1]!)) {
      oldest = Math.max(oldest, this.#segments.shift()!.nextSeq);
      segments += 1;
    }
    this.#oldest = oldest;
    assert.equal(this.log.retain(now, this.times.length), segments);
  }

  check(): void {
    const { log } = this;
    assert.equal(log.headSeq, this.times.length);
    assert.equal(log.oldestSeq, this.#oldest);
    assert.equal(log.bytes, this.#bytes);
  }

  checkPage(seq: number): void {
    const page = this.log.page(seq);
    if (seq < this.#oldest || seq > this.times.length) return assert.equal(page, undefined);
    assert.ok(page, `no page for ${seq} of ${this.#oldest}..${this.times.length}`);
    const seqs = seqsOf(page);
    const end = this.#segments.find(({ nextSeq }) => seq < nextSeq)?.nextSeq ?? 0;
    assert.equal(page.firstSeq, seq);
    assert.deepEqual([seqs[0], seqs.at(-1), seqs.length], [seq, end - 1, end - seq]);
  }

  checkTime(time: Timestamp): void {
    const index = this.times.findIndex((own, place) => place >= this.#oldest - 1 && compareTime(own, time) >= 0);
    const first = index < 0 ? this.times.length + 1 : index + 1;
    const located = this.log.locate(time);
    assert.ok(located <= first, `${located} is behind ${first}`);
    assert.ok(located >= this.#oldest, `${located} is before the oldest, ${this.#oldest}`);
    assert.ok(first - located <= STRIDE, `${located} is far before ${first}`);
  }

  get #bytes(): number {
    return this.#segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  #roll(): void {
    this.#take();
    this.#writer = new SegmentWriter(SEGMENT_BYTES, this.#writer.nextSeq);
    this.#cursor = new SegmentCursor(this.#writer.segment);
    this.#open();
  }

  #open(): void {
    const { segment } = this.#writer;
    this.log.open(segment, this.#last);
    this.#segments.push({ byteLength: segment.byteLength, nextSeq: segment.firstSeq, openedSec: this.#last.sec });
  }

  #take(): void {
    this.#writer.commit();
    const run = this.#cursor.take();
    if (!run) return;
    this.log.append(run, this.#cursor.nextSeq);
    const newest = this.#segments.at(-1)!;
    newest.nextSeq = this.#writer.nextSeq;
  }
}

describe('RetainedLog', () => {
  it('is empty at first', () => {
    const log = new RetainedLog(UNBOUNDED, 1);
    assert.equal(log.oldestSeq, 1);
    assert.equal(log.headSeq, 0);
    assert.equal(log.page(1), undefined);
    assert.equal(log.locate(START), 1);
  });

  it('does what a list of events would do, whatever is appended, let go and asked for', () => {
    const limits = fc.record({
      events: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(1e9)),
      bytes: fc.oneof(fc.integer({ min: 1, max: 5 * SEGMENT_BYTES }), fc.constant(1e12)),
      ageMs: fc.oneof(fc.constant(0), fc.integer({ min: 1000, max: 5000 })),
    });
    const step = fc.record({
      append: fc.nat(200),
      stepNanos: fc.constantFrom(1, 1000, 50_000_000),
      argsBytes: fc.constantFrom(0, 0, 300, 5000),
      retain: fc.boolean(),
      ask: fc.double({ min: 0, max: 1.1, noNaN: true }),
    });
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 15 }), (bounds, steps) => {
        const model = new ModelledLog(bounds);
        for (const { append, stepNanos, argsBytes, retain, ask } of steps) {
          model.append(append, stepNanos, argsBytes);
          if (retain) model.retain(model.times.at(-1) ?? START);
          model.check();
          const seq = Math.floor(ask * (model.times.length + 1));
          for (const near of [seq, seq + 1, 1, model.log.oldestSeq, model.log.headSeq, model.log.headSeq + 1]) {
            model.checkPage(near);
          }
          const time = model.times[seq] ?? START;
          for (const near of [time, addNanos(time, 1), { sec: time.sec, nanos: 0 }, { sec: 0, nanos: 1 }]) {
            model.checkTime(near);
          }
        }
      }),
      { numRuns: 80, seed: 73 },
    );
  });

  it('begins every page exactly where it was asked for, over several segments', () => {
    const model = new ModelledLog({});
    model.append(700, 10, 40);
    for (let seq = 0; seq <= 702; seq += 1) model.checkPage(seq);
  });

  it('finds every time exactly enough, over several segments', () => {
    const model = new ModelledLog({ events: 500 });
    model.append(700, 1000, 40);
    model.retain(START);
    for (const time of model.times) for (const delta of [0, 1, 999]) model.checkTime(addNanos(time, delta));
    model.checkTime({ sec: 0xffffffff, nanos: 0 });
  });

  it('holds exactly as many events as it may, also within one segment', () => {
    const model = new ModelledLog({ events: 10 });
    model.append(25, 1);
    model.retain(START);
    assert.equal(model.log.oldestSeq, 16);
    model.checkPage(15);
    model.checkPage(16);
    model.append(1, 1);
    model.retain(START);
    assert.equal(model.log.oldestSeq, 17);
  });

  it('lets whole segments go until its bytes fit, but never the one that is being written', () => {
    const model = new ModelledLog({ bytes: 2 * SEGMENT_BYTES });
    model.append(1000, 1, 100);
    model.retain(START);
    assert.equal(model.log.bytes, 2 * SEGMENT_BYTES);
    const tiny = new ModelledLog({ bytes: 1 });
    tiny.append(1000, 1, 100);
    tiny.retain(START);
    assert.equal(tiny.log.bytes, SEGMENT_BYTES);
    tiny.checkPage(1000);
  });

  it('lets segments go once their newest event is too old, but never the one that is being written', () => {
    const model = new ModelledLog({ ageMs: 10_000 });
    model.append(300, 1, 100);
    const { oldestSeq } = model.log;
    model.retain({ sec: START.sec + 10, nanos: 0 });
    assert.equal(model.log.oldestSeq, oldestSeq);
    model.retain({ sec: START.sec + 3600, nanos: 0 });
    assert.ok(model.log.oldestSeq > 1);
    assert.equal(model.log.bytes, SEGMENT_BYTES);
    model.checkPage(300);
    model.checkTime(START);
  });

  it('never takes a limit back: what was let go stays gone', () => {
    const model = new ModelledLog({ events: 5 });
    model.append(20, 1);
    model.retain(START);
    model.retain(START);
    assert.equal(model.log.oldestSeq, 16);
  });
});
