import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hunt } from './mutants/hunt.ts';
import { MUTANTS } from './mutants/table.ts';
import { simulateSeeds } from './simulate-seeds.ts';
import { Tally } from './tally.ts';

const SEEDS = 150;
/** Tests of so many seeds each: a schedule that hangs is known by its fifty. */
const SEEDS_PER_TEST = 50;
/** Those that concern what is acknowledged, and who begins anew; `npm run simulate -- --mutants` hunts them all. */
const HUNTED = ['ack-before-sync', 'progress-apart', 'progress-uncommitted'];

describe('The service under crashes, losses of power, bad disks and slow clients', () => {
  const tally = new Tally();

  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    const to = from + SEEDS_PER_TEST - 1;
    it(`keeps every promise, and does the same again: schedules ${from} to ${to}`, async () => {
      await simulateSeeds(from, to, tally);
    });
  }

  it('has seen every fault and everything that it can lead to', (context) => {
    for (const line of tally.table().trimEnd().split('\n')) context.diagnostic(line);
    assert.deepEqual(tally.missing, []);
  });
});

describe('The simulation', () => {
  for (const mutant of MUTANTS.filter(({ id }) => HUNTED.includes(id))) {
    it(`finds a known bug: ${mutant.what}`, async () => {
      assert.ok(await hunt(mutant, 200), `${mutant.id} is not found`);
    });
  }
});
