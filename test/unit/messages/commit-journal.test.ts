import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CommitJournal } from '../../../src/messages/commit-journal.ts';
import { RingProgress } from '../../../src/messages/ring-progress.ts';

const NOWHERE = new CommitJournal(CommitJournal.allocate({})).position;

/** Lets `run` do so many stores into these cells, and stops it there, as a thread's death does. */
function dyingAfter(
  stores: number,
  run: (mortal: <Cells extends Float64Array>(cells: Cells) => Cells) => void,
): boolean {
  let left = stores;
  const died = new Error('died');
  const mortal = <Cells extends Float64Array>(cells: Cells): Cells =>
    new Proxy(cells, {
      get: (_, key) => {
        const value: unknown = Reflect.get(cells, key, cells);
        return typeof value === 'function' ? (value.bind(cells) as unknown) : value;
      },
      set: (_, key, value) => {
        if (left === 0) throw died;
        left -= 1;
        return Reflect.set(cells, key, value, cells);
      },
    });
  try {
    run(mortal);
    return false;
  } catch (error) {
    assert.equal(error, died);
    return true;
  }
}

/** Float64Arrays that are made meanwhile are made mortal. */
function withMortalCells<Result>(
  mortal: <Cells extends Float64Array>(cells: Cells) => Cells,
  make: () => Result,
): Result {
  const original = globalThis.Float64Array;
  globalThis.Float64Array = new Proxy(original, {
    construct: (target, args: [SharedArrayBuffer, number, number]) => mortal(new target(...args)),
  });
  try {
    return make();
  } finally {
    globalThis.Float64Array = original;
  }
}

describe('CommitJournal', () => {
  it('says where the log begins before the first commit', () => {
    const journal = new CommitJournal(CommitJournal.allocate({ headSeq: 7, sec: 3 }));
    assert.equal(journal.number, 0);
    assert.deepEqual(journal.position, { ...NOWHERE, headSeq: 7, sec: 3 });
  });

  it('says where the log stands behind the last commit, whatever has been prepared for the next', () => {
    const journal = new CommitJournal(CommitJournal.allocate({}));
    for (let seq = 1; seq < 6; seq += 1) {
      assert.equal(journal.prepare({ ...NOWHERE, headSeq: seq * 10, segmentEnd: seq }), seq);
      assert.equal(journal.position.headSeq, (seq - 1) * 10);
      journal.commit();
      assert.deepEqual(journal.position, { ...NOWHERE, headSeq: seq * 10, segmentEnd: seq });
    }
  });
});

describe('a commit with the progress of two rings', () => {
  it('is there as a whole or not at all, after whichever store its thread dies', () => {
    const commits = fc.array(
      fc.record({ first: fc.boolean(), second: fc.boolean(), dies: fc.boolean(), after: fc.nat(24) }),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(commits, (steps) => {
        const memory = CommitJournal.allocate({});
        const rings = [new SharedArrayBuffer(32), new SharedArrayBuffer(32)];
        const open = (mortal: <Cells extends Float64Array>(cells: Cells) => Cells): [CommitJournal, RingProgress[]] =>
          withMortalCells(mortal, () => [new CommitJournal(memory), rings.map((ring) => new RingProgress(ring, 0, 2))]);
        const unchanged = <Cells extends Float64Array>(cells: Cells): Cells => cells;
        let [journal, progress] = open(unchanged);
        for (const each of progress) each.resume(0);
        /** What has to hold: of the log, and of each ring. */
        let truth = [0, 0, 0];
        let value = 0;
        for (const { first, second, dies, after } of steps) {
          value += 1;
          const wanted = [value, first ? value : truth[1]!, second ? value : truth[2]!];
          const commit = (log: CommitJournal, [left, right]: readonly RingProgress[]): void => {
            const number = log.prepare({ ...NOWHERE, headSeq: value });
            if (first) left!.prepare(number, [value]);
            if (second) right!.prepare(number, [value]);
            log.commit();
            if (first) left!.committed();
            if (second) right!.committed();
          };
          if (!dies) {
            commit(journal, progress);
            truth = wanted;
            continue;
          }
          const before = journal.number;
          dyingAfter(after, (mortal) => {
            const [log, own] = open(mortal);
            for (const each of own) each.resume(before);
            commit(log, own);
          });
          [journal, progress] = open(unchanged);
          if (journal.number > before) truth = wanted;
          const kept = [journal.position.headSeq, ...progress.map((each) => each.resume(journal.number)[0]!)];
          assert.deepEqual(kept, truth);
        }
      }),
      { numRuns: 300, seed: 91 },
    );
  });
});
