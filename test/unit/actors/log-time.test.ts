import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LogTime } from '../../../src/actors/log-time.ts';
import type { Timestamp } from '../../../src/event/event.ts';
import { addNanos, compareTime } from '../../../src/event/time.ts';
import { CounterTable, ManualClock } from '../../support/actors.ts';

const NOW = { sec: 1_700_000_000, nanos: 500 };

function makeTime(now: Timestamp = NOW) {
  const clock = new ManualClock();
  clock.time = now;
  const counters = new CounterTable();
  const time = new LogTime(clock, counters.writer);
  time.beginBatch();
  const next = (wanted?: Timestamp): Timestamp => {
    time.next(wanted);
    return { sec: time.sec, nanos: time.nanos };
  };
  return { clock, counters, time, next };
}

describe('LogTime', () => {
  it('gives the first event of a batch our time and each further one a nanosecond more', () => {
    const { next, counters } = makeTime();
    assert.deepEqual(next(), NOW);
    assert.deepEqual(next(), { sec: NOW.sec, nanos: 501 });
    assert.deepEqual(next(), { sec: NOW.sec, nanos: 502 });
    assert.equal(counters.values.timesBumped, 0, 'nobody wanted another time');
  });

  it('carries into the next second', () => {
    const { next } = makeTime({ sec: NOW.sec, nanos: 999_999_999 });
    next();
    assert.deepEqual(next(), { sec: NOW.sec + 1, nanos: 0 });
  });

  it('reads the clock once a batch', () => {
    const { clock, next, time } = makeTime();
    clock.advance(1_000_000);
    assert.deepEqual(next(), NOW);
    time.beginBatch();
    assert.deepEqual(next(), addNanos(NOW, 1_000_000));
  });

  it('gives an event the time that its source says, in the past too', () => {
    const { next, time, counters } = makeTime();
    assert.deepEqual(next({ sec: 5, nanos: 7 }), { sec: 5, nanos: 7 });
    assert.equal(time.next({ sec: 5, nanos: 8 }), true);
    assert.equal(counters.values.timesBumped, 0);
  });

  it('moves a source\u2019s time that would break the order, says so and counts it', () => {
    const { time, counters } = makeTime();
    time.next();
    assert.equal(time.next({ sec: 5, nanos: 7 }), false);
    assert.deepEqual([time.sec, time.nanos], [NOW.sec, 501]);
    assert.equal(time.next(NOW), false);
    assert.equal(counters.values.timesBumped, 2);
  });

  it('takes seconds 0 for no time at all', () => {
    const { time, next, counters } = makeTime();
    assert.equal(time.next({ sec: 0, nanos: 0 }), true);
    assert.deepEqual(next({ sec: 0, nanos: 9 }), addNanos(NOW, 1));
    assert.equal(counters.values.timesBumped, 0);
  });

  it('believes a source up to 5 s ahead of our clock, to the nanosecond', () => {
    const limit = { sec: NOW.sec + 5, nanos: NOW.nanos };
    assert.deepEqual(makeTime().next(limit), limit);
    const { next, counters } = makeTime();
    assert.deepEqual(next(addNanos(limit, 1)), NOW);
    assert.equal(counters.values.timesBumped, 1);
    assert.deepEqual(makeTime().next({ sec: 0xffffffff, nanos: 0 }), NOW);
  });

  it('goes on a nanosecond an event while our clock is behind, and notices it once', () => {
    const { clock, time, next, counters } = makeTime();
    next();
    clock.time = { sec: NOW.sec - 100, nanos: 0 };
    for (let batch = 1; batch <= 3; batch += 1) {
      time.beginBatch();
      assert.deepEqual(next(), addNanos(NOW, batch));
    }
    assert.equal(counters.values.clockSteps, 1);
    clock.time = { sec: NOW.sec + 1, nanos: 0 };
    time.beginBatch();
    assert.deepEqual(next(), { sec: NOW.sec + 1, nanos: 0 });
    clock.time = NOW;
    time.beginBatch();
    assert.equal(counters.values.clockSteps, 2);
  });

  it('marks a moment that every later event is later than', () => {
    const { clock, time, next } = makeTime();
    next();
    assert.deepEqual(time.mark(), NOW, 'the clock stands still');
    assert.deepEqual(next(), addNanos(NOW, 1));
    clock.advance(1000);
    assert.deepEqual(time.mark(), addNanos(NOW, 1000));
    assert.deepEqual(next(), addNanos(NOW, 1001), 'in the same batch, which began before the mark');
    clock.time = { sec: 1, nanos: 0 };
    assert.deepEqual(time.mark(), addNanos(NOW, 1001), 'the clock has stepped back');
  });

  it('is strictly increasing and never further ahead than it may be, whatever clock and sources say', () => {
    const near = fc.record(
      { sec: fc.integer({ min: NOW.sec - 20, max: NOW.sec + 20 }), nanos: fc.constantFrom(0, 1, 500, 999_999_999) },
      { noNullPrototype: true },
    );
    const step = fc.oneof(
      fc.option(near, { nil: undefined }).map((wanted) => ({ type: 'event', wanted }) as const),
      near.map((clock) => ({ type: 'batch', clock }) as const),
      fc.constant({ type: 'mark' } as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, time, next } = makeTime();
        let last: Timestamp = { sec: 0, nanos: 0 };
        let events = 0;
        let ceiling = addNanos(NOW, 5_999_999_999);
        for (const current of steps) {
          if (current.type === 'batch') {
            clock.time = current.clock;
            time.beginBatch();
            const highest = addNanos(current.clock, 5_999_999_999);
            if (compareTime(highest, ceiling) > 0) ceiling = highest;
          } else if (current.type === 'mark') {
            const mark = time.mark();
            assert.ok(compareTime(mark, last) >= 0);
            last = mark;
          } else {
            const given = next(current.wanted);
            events += 1;
            assert.ok(compareTime(given, last) > 0);
            assert.ok(compareTime(given, addNanos(ceiling, events)) <= 0);
            last = given;
          }
        }
      }),
      { numRuns: 500, seed: 81 },
    );
  });
});
