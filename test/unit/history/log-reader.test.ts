import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NewEvent } from '../../../src/event/event.ts';
import { claimWakeUp, LogReader } from '../../../src/history/log-reader.ts';
import { LogState } from '../../../src/messages/log-state.ts';
import { everyInterleaving } from '../../support/interleave.ts';
import { SegmentWriter, seqsOf } from '../../support/log.ts';

const EVENT: NewEvent = { type: 'container', action: 'start', id: 'c1' };
const INDEX = 3;

function makeReader(): { readonly reader: LogReader; readonly state: LogState } {
  const memory = LogState.allocate();
  return { reader: new LogReader(memory, INDEX, 0), state: new LogState(memory) };
}

function append(writer: SegmentWriter, count: number): void {
  for (let index = 0; index < count; index += 1) writer.append(EVENT);
  writer.commit();
}

function takeAll(reader: LogReader): number[] {
  const seqs: number[] = [];
  for (let run = reader.take(); run; run = reader.take()) {
    const taken = seqsOf(run);
    assert.equal(run.firstSeq, taken[0]);
    seqs.push(...taken);
    assert.equal(reader.takenSeq, seqs.at(-1));
  }
  return seqs;
}

function upTo(last: number, from = 1): number[] {
  return Array.from({ length: last + 1 - from }, (_, index) => from + index);
}

describe('LogReader', () => {
  it('has taken nothing while there is no segment', () => {
    const { reader } = makeReader();
    assert.equal(reader.take(), undefined);
    assert.equal(reader.takenSeq, 0);
    assert.equal(reader.sleep(), true);
  });

  it('takes every record once and in order, however late it opens segments and looks', () => {
    const step = fc.oneof(
      fc.nat(5).map((count) => ({ type: 'append', count }) as const),
      fc.constant({ type: 'roll' } as const),
      fc.constant({ type: 'announce' } as const),
      fc.constant({ type: 'take' } as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { reader } = makeReader();
        let writer = new SegmentWriter();
        // The collector announces a successor after the last commit; messages may lie around for as long as they like.
        const announced: SegmentWriter[] = [writer];
        const taken: number[] = [];
        for (const current of steps) {
          if (current.type === 'append') append(writer, current.count);
          else if (current.type === 'take') taken.push(...takeAll(reader));
          else if (current.type === 'roll') {
            writer = new SegmentWriter(4096, writer.nextSeq);
            announced.push(writer);
          } else {
            const next = announced.shift();
            if (next) reader.open(next.segment.memory);
          }
          assert.deepEqual(taken, upTo(taken.length));
        }
        for (const next of announced) reader.open(next.segment.memory);
        taken.push(...takeAll(reader));
        assert.deepEqual(taken, upTo(writer.nextSeq - 1));
      }),
      { numRuns: 200, seed: 72 },
    );
  });

  it('goes through segments that stayed empty', () => {
    const { reader } = makeReader();
    for (let empty = 0; empty < 3; empty += 1) reader.open(new SegmentWriter(4096).segment.memory);
    const writer = new SegmentWriter();
    reader.open(writer.segment.memory);
    append(writer, 2);
    assert.deepEqual(takeAll(reader), [1, 2]);
  });

  it('can begin in the middle of the log', () => {
    const { reader } = makeReader();
    const writer = new SegmentWriter(4096, 501);
    reader.open(writer.segment.memory);
    assert.equal(reader.take(), undefined);
    append(writer, 1);
    assert.deepEqual(takeAll(reader), [501]);
  });

  it('does not go to sleep on what was committed since it took everything', () => {
    const { reader, state } = makeReader();
    const writer = new SegmentWriter();
    reader.open(writer.segment.memory);
    takeAll(reader);
    append(writer, 1);
    assert.equal(reader.sleep(), false);
    assert.equal(claimWakeUp(state.asleep, INDEX), false, 'it is awake and needs no message');
    assert.deepEqual(takeAll(reader), [1]);
    assert.equal(reader.sleep(), true);
  });

  it('does not go to sleep on a segment that it has not begun', () => {
    const { reader } = makeReader();
    append(new SegmentWriter(), 1);
    takeAll(reader);
    reader.open(new SegmentWriter().segment.memory);
    assert.equal(reader.sleep(), false);
  });

  it('is sent one wake-up a sleep', () => {
    const { reader, state } = makeReader();
    assert.equal(claimWakeUp(state.asleep, INDEX), false);
    assert.equal(reader.sleep(), true);
    assert.equal(claimWakeUp(state.asleep, INDEX), true);
    assert.equal(claimWakeUp(state.asleep, INDEX), false);
  });

  it('sleeps for itself only', () => {
    const { reader, state } = makeReader();
    reader.sleep();
    assert.equal(claimWakeUp(state.asleep, INDEX - 1), false);
    assert.equal(claimWakeUp(state.asleep, INDEX + 1), false);
    assert.equal(claimWakeUp(state.asleep, INDEX), true);
  });

  it('loses no commit, in whatever order reader and collector do their steps', () => {
    const orders = everyInterleaving(() => {
      const state = new LogState(LogState.allocate());
      const writer = new SegmentWriter(4096);
      append(writer, 1);
      writer.append(EVENT);
      return {
        left: () => {
          writer.commit();
          return claimWakeUp(state.asleep, INDEX);
        },
        right: () => {
          const reader = new LogReader(state.memory, INDEX, 0);
          reader.open(writer.segment.memory);
          do while (reader.take());
          while (!reader.sleep());
          return reader.takenSeq;
        },
        check: (isWoken, takenSeq, schedule) => {
          assert.ok(takenSeq === 2 || isWoken, `an event waits, the reader sleeps: ${schedule}`);
        },
      };
    });
    assert.ok(orders > 20, `${orders} orders`);
  });
});

describe('LogState', () => {
  it('begins before the first event', () => {
    const state = new LogState(LogState.allocate());
    assert.equal(state.headSeq, 0);
    assert.equal(state.oldestSeq, 1);
  });

  it('is one state for everyone who holds its memory', () => {
    const one = new LogState(LogState.allocate());
    const other = new LogState(one.memory);
    one.headSeq = Number.MAX_SAFE_INTEGER;
    one.oldestSeq = 2 ** 33;
    assert.equal(other.headSeq, Number.MAX_SAFE_INTEGER);
    assert.equal(other.oldestSeq, 2 ** 33);
    Atomics.store(one.asleep, 63, 1);
    assert.equal(claimWakeUp(other.asleep, 63), true);
  });
});
