import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TocsinError } from '../../../src/event/errors.ts';
import type { Timestamp } from '../../../src/event/event.ts';
import { engineLine } from '../../support/engine-memory.ts';
import { settled, SourceBench, timeOf } from '../../support/source-bench.ts';

const range = (first: number, last: number): number[] =>
  Array.from({ length: last + 1 - first }, (_, index) => first + index);

describe('EngineSource', () => {
  it('takes everything that the engine remembers at first, then what happens, in order', async () => {
    const bench = new SourceBench();
    for (const n of range(1, 10)) bench.emit(n, false);
    bench.open();
    for (const n of range(11, 20)) {
      bench.emit(n, true);
      await settled();
    }
    assert.deepEqual(bench.asked, [{ sec: 0, nanos: 0 }]);
    assert.deepEqual(bench.numbers, range(1, 20));
    assert.deepEqual(bench.gaps, []);
  });

  it('takes lines however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }), async (sizes) => {
        const bench = new SourceBench();
        bench.open();
        const text = range(1, 20).map(engineLine).join('');
        for (let at = 0, turn = 0; at < text.length; turn += 1) {
          const size = sizes[turn % sizes.length]!;
          bench.send(text.slice(at, at + size));
          at += size;
        }
        await settled();
        assert.deepEqual(bench.numbers, range(1, 20));
      }),
      { numRuns: 50, seed: 11 },
    );
  });

  it('begins a second before the newest event when it comes back, and brings nothing twice', async () => {
    const bench = new SourceBench();
    bench.open();
    for (const n of range(1, 1500)) bench.emit(n, true);
    await settled();
    bench.cut();
    for (const n of range(1501, 1550)) bench.emit(n, false);
    bench.pass();
    bench.open(true);
    await settled();
    const { sec, nanos } = timeOf(1500);
    assert.deepEqual(bench.asked[1], { sec: sec - 1, nanos });
    assert.deepEqual(bench.numbers, range(1, 1550));
    assert.deepEqual(bench.gaps, []);
    assert.equal(bench.counters.values.sourceReconnects, 1);
  });

  it('leaves out what the engine tells twice between its memory and what happens', async () => {
    const bench = new SourceBench();
    for (const n of range(1, 5)) bench.emit(n, false);
    bench.open(true);
    await settled();
    assert.deepEqual(bench.numbers, range(1, 5));
    assert.equal(bench.counters.values.sourceRepeated, 1);
  });

  it('tells of a gap before the first event behind it when the engine has forgotten the newest one that came', async () => {
    const bench = new SourceBench();
    bench.open();
    for (const n of range(1, 10)) bench.emit(n, true);
    bench.cut();
    for (const n of range(11, 400)) bench.emit(n, false);
    bench.pass();
    bench.open();
    await settled();
    const gap = { from: timeOf(10), to: timeOf(145) };
    assert.deepEqual(bench.log.slice(9, 12), [{ n: 10 }, gap, { n: 145 }]);
    assert.deepEqual(bench.numbers, [...range(1, 10), ...range(145, 400)]);
    assert.equal(bench.counters.values.sourceGaps, 1);
  });

  it('tells of a gap up to now when an engine that was started again has nothing to tell', async () => {
    const bench = new SourceBench();
    bench.open();
    bench.emit(1, true);
    bench.cut();
    bench.memory.forget();
    bench.clock.time = timeOf(5000);
    bench.pass(10_000);
    bench.open();
    bench.pass(10_000);
    await settled();
    assert.deepEqual(bench.log, [{ n: 1 }, { from: timeOf(1), to: timeOf(5000) }]);
    bench.emit(5001, true);
    await settled();
    assert.deepEqual([bench.numbers, bench.gaps.length], [[1, 5001], 1]);
  });

  it('loses and repeats nothing without saying so, whatever ends when', async () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 90 }) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'restart' as const), count: fc.nat(1) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('crash' as const), count: fc.nat(60) }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('open' as const), count: fc.nat(1) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), count: fc.nat(3) }) },
    );
    const seen = { gaps: 0, repeated: 0, crashes: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const bench = new SourceBench();
        bench.isQuick = false;
        let n = 0;
        let isOpen = false;
        const open = (again: boolean): void => {
          bench.pass(10_000);
          if (!isOpen) bench.open(again);
          isOpen = bench.isListening;
        };
        const act = async ({ do: what, count }: { readonly do: string; readonly count: number }): Promise<void> => {
          if (what === 'emit') for (let left = count; left > 0; left -= 1) bench.emit((n += 1), isOpen);
          if (what === 'restart') bench.memory.forget();
          if (what === 'cut' || what === 'restart') {
            bench.cut();
            isOpen = false;
          }
          if (what === 'crash') {
            bench.crash(count);
            isOpen = false;
            seen.crashes += 1;
          }
          if (what === 'open') open(count === 1);
          if (what === 'answer') for (let left = count; left > 0; left -= 1) await bench.answer();
        };
        for (const one of steps) await act(one);
        open(false);
        // It ends where the log has everything that has come.
        for (let turn = 0; turn < 20; turn += 1) await bench.answer();
        bench.emit((n += 1), isOpen);
        for (let turn = 0; turn < 3; turn += 1) await bench.answer();
        const { numbers, gaps } = bench;
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
          'in order, each once',
        );
        assert.equal(numbers.at(-1), n);
        const has = new Set(numbers);
        const first = numbers[0] ?? 0;
        for (const missing of range(first, n).filter((number) => !has.has(number))) {
          const isTold = gaps.some(({ from, to }) => before(from, timeOf(missing)) && before(timeOf(missing), to));
          assert.ok(isTold, `event ${missing} is missing, and no gap says so`);
        }
        seen.gaps += gaps.length;
        seen.repeated += bench.counters.values.sourceRepeated;
      }),
      { numRuns: 300, seed: 12 },
    );
    assert.ok(seen.gaps > 50 && seen.repeated > 1000 && seen.crashes > 300, JSON.stringify(seen));
  });

  it('passes over a line that is no event, and says so once in each connection', async () => {
    const bench = new SourceBench();
    bench.open();
    for (const bad of [
      '{',
      '[]',
      '{"type":"container","action":"start","id":"native"}',
      '{"Type":"x"}',
      'x'.repeat(2e6),
    ])
      bench.send(`${bad}\n${engineLine(1)}`);
    bench.send(engineLine(2).replace(/"time":\d+,"timeNano":\d+/, '"scope":"local"'));
    bench.send(`\n \n${engineLine(3)}`);
    await settled();
    assert.deepEqual(bench.numbers, [1, 3]);
    assert.equal(bench.counters.values.sourceRefused, 6);
    const said = bench.said.take().map(({ message }) => message);
    assert.equal(said.length, 1);
    assert.match(said[0]!, /^source docker: a line was passed over: /);
  });

  it('tries an engine again that does not answer, later each time, and says so once', () => {
    const bench = new SourceBench();
    bench.isUp = false;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      bench.open();
      waits.push(bench.timers[0]!.ms);
      bench.pass();
    }
    assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert.deepEqual(
      bench.said.take().map(({ message }) => message),
      ['source docker: the stream ended; it is tried again'],
    );
    bench.isUp = true;
    bench.open();
    bench.pass(10_000);
    assert.deepEqual(
      bench.said.take().map(({ message }) => message),
      ['source docker: it is listened to again'],
    );
    bench.cut();
    assert.equal(bench.timers.at(-1)!.ms, 50);
  });

  it('takes an engine for lost that says nothing and does not answer a ping, and goes on where it was', async () => {
    const bench = new SourceBench();
    bench.open();
    bench.emit(1, true);
    bench.pass(10_000);
    // It has said something meanwhile.
    bench.pass();
    await settled();
    assert.deepEqual([bench.timers.map(({ ms }) => ms), bench.pings.length], [[30_000], 0]);
    bench.pass();
    await settled();
    bench.pings.pop()!.resolve();
    await settled();
    assert.equal(bench.isListening, true);
    bench.pass();
    bench.pings.pop()!.reject(new Error('docker.sock did not answer'));
    await settled();
    assert.deepEqual(
      bench.said.take().map(({ message }) => message),
      ['source docker: docker.sock did not answer; it is tried again'],
    );
    assert.equal(bench.isListening, false);
    bench.emit(2, false);
    bench.pass();
    bench.open();
    await settled();
    assert.deepEqual([bench.numbers, bench.gaps], [[1, 2], []]);
  });

  it('goes on with an engine that says something while its ping is not answered', async () => {
    const bench = new SourceBench();
    bench.open();
    bench.pass(10_000);
    bench.pass();
    await settled();
    bench.emit(1, true);
    bench.pings.pop()!.reject(new Error('docker.sock did not answer'));
    await settled();
    assert.deepEqual([bench.isListening, bench.timers.map(({ ms }) => ms)], [true, [30_000]]);
  });

  it('tries a batch again that found no room', async () => {
    const bench = new SourceBench();
    bench.isQuick = false;
    bench.open();
    bench.send(engineLine(1));
    await bench.answer(new TocsinError('ERR_PUBLISH_FULL', 'later'));
    bench.send(engineLine(2));
    bench.pass(100);
    await bench.answer();
    await bench.answer();
    assert.deepEqual(bench.numbers, [1, 2]);
  });

  it('stops listening when the log is closed', async () => {
    const bench = new SourceBench();
    bench.isQuick = false;
    bench.open();
    bench.send(engineLine(1));
    await bench.answer(new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline is closed'));
    assert.equal(bench.isListening, false);
    assert.deepEqual(bench.said.take(), []);
  });

  it('keeps 64 MiB for a log that takes nothing, then lets go of the engine, and tells of what that forgot', async () => {
    const bench = new SourceBench();
    bench.isQuick = false;
    bench.open();
    const filler = 'x'.repeat(60_000);
    const bigLine = (n: number): string => engineLine(n).replace('bb:1', filler);
    let n = 0;
    while (bench.isListening) {
      n += 1;
      bench.memory.add(bigLine(n));
      bench.send(bigLine(n));
    }
    const kept = n;
    assert.ok(kept * 60_000 > 63 * 2 ** 20 && kept * 60_000 < 67 * 2 ** 20, `${kept} events`);
    for (; n < kept + 300; n += 1) bench.memory.add(bigLine(n + 1));
    for (let turn = 0; turn < kept && !bench.isListening; turn += 1) await bench.answer();
    assert.deepEqual(bench.numbers, range(1, kept));
    bench.open();
    for (let turn = 0; turn < 300; turn += 1) await bench.answer();
    assert.deepEqual(bench.numbers, [...range(1, kept), ...range(n - 255, n)]);
    assert.deepEqual(bench.gaps, [{ from: timeOf(kept), to: timeOf(n - 255) }]);
    assert.equal(bench.counters.values.sourceOverflows, 1);
  });
});

function before(a: Timestamp, b: Timestamp): boolean {
  return a.sec < b.sec || (a.sec === b.sec && a.nanos < b.nanos);
}
