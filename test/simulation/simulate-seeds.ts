import assert from 'node:assert/strict';
import { LEAST, simulate } from './simulation.ts';
import type { Tally } from './tally.ts';

/**
 * Runs each seed, twice unless `once` is set: then only every hundredth, which has to be the same run both times.
 * @param progress hears how many are done
 * @throws of the first seed that fails
 */
export async function simulateSeeds(
  from: number,
  to: number,
  tally: Tally,
  { progress = () => {}, once = false }: { progress?: (done: number) => void; once?: boolean } = {},
): Promise<void> {
  for (let seed = from; seed <= to; seed += 1) {
    const first = await simulate(seed);
    if (!once || seed % 100 === 0) {
      const second = await simulate(seed);
      assert.equal(second.hash, first.hash, `seed ${seed} is not the same run twice`);
    }
    assert.ok(first.tally.faults >= LEAST.faults, `seed ${seed} has too few faults`);
    tally.addAll(first.tally);
    progress(seed + 1 - from);
  }
}
