import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, ratioWithConfidence, spread } from '../../../bench/statistics.ts';

describe('the benchmark’s statistics', () => {
  it('take the middle run, and show the least and the most', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.ok(Number.isNaN(median([])));
    assert.equal(spread([3, 1, 2], 1), '2.0 (1.0-3.0)');
    assert.equal(spread([2], 2), '2.00');
  });

  it('are sure of a ratio that every run shows, and not of one that few do', () => {
    // The machine is quick in one round, slow in the next.
    const clear = ratioWithConfidence([20, 42, 19, 60, 22], [10, 20, 10, 30, 11]);
    assert.equal(clear.ratio, 2);
    assert.ok(clear.from >= 1.9 && clear.to <= 2.1, JSON.stringify(clear));
    const same = [10, 14, 9, 13, 11];
    const unclear = ratioWithConfidence(same, [...same].reverse());
    assert.equal(unclear.ratio, 1);
    assert.ok(unclear.from < 1 && unclear.to > 1, JSON.stringify(unclear));
    assert.deepEqual(ratioWithConfidence(same, same), ratioWithConfidence(same, same), 'the same every time');
  });
});
