import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { collectGarbage, Leisure } from '../../../src/runtime/leisure.ts';

/** What a thread does that has worked for so many milliseconds in each of the intervals. */
function collections(workedMs: readonly number[]): boolean[] {
  const leisure = new Leisure();
  let sumMs = 0;
  return workedMs.map((ms) => leisure.isTimeToCollect((sumMs += ms)));
}

describe('Leisure', () => {
  it('leaves a busy thread alone, and lets it collect once when it has become quiet', () => {
    assert.deepEqual(collections([5000, 3000, 1000, 10, 0, 10]), [false, false, false, true, false, false]);
  });

  it('lets a thread that does little collect once for as much work as is worth it', () => {
    const times = collections(Array.from({ length: 100 }, () => 50));
    assert.deepEqual(
      times.flatMap((isTime, index) => (isTime ? [index + 1] : [])),
      [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
    );
  });

  it('collects what nobody refers to any more, at once', async () => {
    const segment = new WeakRef(new SharedArrayBuffer(1024 * 1024));
    const kept = new SharedArrayBuffer(1024);
    const keptToo = new WeakRef(kept);
    // What has been looked at stays until the end of a turn.
    await turn();
    collectGarbage();
    assert.equal(segment.deref(), undefined);
    assert.equal(keptToo.deref(), kept);
  });
});
