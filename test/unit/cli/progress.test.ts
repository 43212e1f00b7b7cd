import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { progressLine } from '../../../src/cli/progress.ts';

describe('a line of progress', () => {
  it('has the count, the rate and what else is to be said', () => {
    const line = progressLine({ count: 12_000, rest: ' checked', part: undefined, elapsedMs: 4_000 });
    assert.equal(line, '12,000 events, 3,000/s checked');
  });

  it('of a known whole has a bar, how much is done, and how long the rest takes', () => {
    const line = (part: number, elapsedMs: number): string => progressLine({ count: 1_000, rest: '', part, elapsedMs });
    assert.equal(line(0.25, 2_000), '[#####...............] 25 %, 1,000 events, 500/s, 6 s left');
    assert.equal(line(0, 1_000), '[....................] 0 %, 1,000 events, 1,000/s');
    assert.equal(line(1, 1_000), '[####################] 100 %, 1,000 events, 1,000/s, 0 s left');
    assert.match(line(0.1, 10_000), /, 1 min 30 s left$/);
    assert.match(line(0.1, 1_000_000), /, 2 h 30 min left$/);
  });
});
