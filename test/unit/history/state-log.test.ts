import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readStateLog, StateLog, stateLogNumber } from '../../../src/history/state-log.ts';
import type { SavedState } from '../../../src/history/saved-state.ts';

const saved = (name: string, next: number): SavedState => ({ publisher: { name, next, seq: next } });

/** A table of publishers that is logged. */
class Bench {
  readonly memories: SharedArrayBuffer[] = [];
  readonly table = new Map<string, number>();
  readonly log: StateLog;

  constructor(before: Readonly<Record<string, number>> = {}) {
    for (const [name, next] of Object.entries(before)) this.table.set(name, next);
    this.log = new StateLog(5, {
      snapshot: () => [...this.table].map(([name, next]) => saved(name, next)),
      opened: (memory) => this.memories.push(memory),
    });
  }

  note(name: string, next: number, isAll = true): void {
    this.table.set(name, next);
    this.log.append([saved(name, next)], isAll);
  }

  /** What the log says together. */
  get read(): Record<string, number> {
    const memory = this.memories.find((candidate) => stateLogNumber(candidate) === this.log.number)!;
    const said = readStateLog(memory, this.log.end).flatMap((state) => ('publisher' in state ? [state.publisher] : []));
    return Object.fromEntries(said.map(({ name, next }) => [name, next]));
  }
}

describe('StateLog', () => {
  it('begins with what is known, and goes on with what changes', () => {
    const bench = new Bench({ a: 1, b: 2 });
    assert.equal(bench.log.number, 5);
    assert.deepEqual(bench.read, { a: 1, b: 2 });
    bench.note('b', 3);
    bench.note('c', 1);
    assert.deepEqual(bench.read, { a: 1, b: 3, c: 1 });
  });

  it('says at any position what was known there, also behind which more was written', () => {
    const bench = new Bench();
    bench.note('a', 1);
    const { end } = bench.log;
    bench.note('a', 2);
    assert.deepEqual(readStateLog(bench.memories[0]!, end), [saved('a', 1)]);
  });

  it('goes on in another one when it is full, and stays in proportion to what there is to know', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean()), { minLength: 2_500, maxLength: 3_000 }),
        (steps) => {
          const bench = new Bench();
          for (const [index, [name, isAll]] of steps.entries()) bench.note(name, index, isAll);
          assert.deepEqual(bench.read, Object.fromEntries(bench.table));
          assert.ok(bench.memories.length > 1);
          assert.deepEqual(
            bench.memories.map(stateLogNumber),
            bench.memories.map((_, index) => 5 + index),
          );
          bench.note('a', 0);
          const { byteLength } = bench.memories.at(-1)!;
          assert.ok(byteLength < 600_000, `${byteLength} bytes`);
        },
      ),
      { numRuns: 20, seed: 92 },
    );
  });
});
