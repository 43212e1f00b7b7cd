import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pacer } from '../../../src/actors/pacer.ts';

/** A clock that is moved by hand, and what is to be done later. */
class Bench {
  nowMs = 1000;
  readonly waits: number[] = [];
  flushes = 0;
  #due: (() => void) | undefined;
  readonly pacer: Pacer;

  constructor(maxDelayMs: number) {
    const clock = { elapsedMs: () => this.nowMs, now: () => ({ sec: 0, nanos: 0 }) };
    const later = (ms: number, run: () => void): void => {
      this.waits.push(ms);
      this.#due = run;
    };
    this.pacer = new Pacer({ clock, later, maxDelayMs }, () => (this.flushes += 1));
  }

  /** A flush that took so long and wrote so much is over. */
  flushed(tookMs: number, writes: number, bytes: number): void {
    const startedMs = this.nowMs;
    this.nowMs += tookMs;
    this.pacer.flushed(startedMs, writes, bytes);
  }

  timeOut(): void {
    const due = this.#due;
    this.#due = undefined;
    this.nowMs += this.waits.at(-1) ?? 0;
    due?.();
  }
}

describe('Pacer', () => {
  it('lets events leave at once while the shard is idle, and behind writes that were cheap or large', () => {
    const bench = new Bench(1);
    bench.pacer.arrived();
    assert.equal(bench.flushes, 1);
    for (const [tookMs, writes, bytes] of [
      [0.05, 10, 3_000],
      [5, 100, 100 * 64 * 1024],
      [3, 0, 0],
    ] as const) {
      bench.flushed(tookMs, writes, bytes);
      const before: number = bench.flushes;
      bench.pacer.arrived();
      assert.equal(bench.flushes, before + 1);
    }
    assert.deepEqual(bench.waits, []);
  });

  it('lets events wait for each other behind many small writes, once, twice as long as those took', () => {
    const bench = new Bench(1);
    bench.flushed(0.25, 100, 30_000);
    bench.nowMs += 0.25;
    for (let event = 0; event < 5; event += 1) bench.pacer.arrived();
    assert.equal(bench.flushes, 0);
    assert.deepEqual(bench.waits, [0.25]);
    bench.timeOut();
    assert.equal(bench.flushes, 1);
  });

  it('lets nothing wait longer than the delay', () => {
    const bench = new Bench(1);
    bench.flushed(4, 1000, 300_000);
    bench.nowMs += 0.25;
    bench.pacer.arrived();
    assert.deepEqual(bench.waits, [0.75]);
  });

  it('lets nothing wait any more once the delay has passed', () => {
    const bench = new Bench(1);
    bench.flushed(0.4, 100, 30_000);
    bench.nowMs += 1;
    bench.pacer.arrived();
    assert.equal(bench.flushes, 1);
  });

  it('never waits without a delay', () => {
    const bench = new Bench(0);
    bench.flushed(10, 100, 30_000);
    bench.pacer.arrived();
    assert.equal(bench.flushes, 1);
  });
});
