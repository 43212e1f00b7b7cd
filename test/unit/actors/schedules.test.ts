import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type RunReport, runSchedule } from '../../support/scheduler.ts';

const SEEDS = 200;
const ACTIONS = 200;

describe('Pipeline under random schedules', () => {
  const reports: RunReport[] = [];

  it('gives every client an exact, ordered slice of the log without repetition, gaps announced', async () => {
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        reports.push(await runSchedule(seed, ACTIONS));
      } catch (error) {
        failures.push(`seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
    assert.equal(failures.length, 0, `${failures.length} of ${SEEDS} seeds failed; the first:\n${failures[0]}`);
  });

  it('is put to the test by these seeds: bursts, full clients and gaps occur', () => {
    const sum = (count: (report: RunReport) => number): number =>
      reports.reduce((total, report) => total + count(report), 0);
    assert.ok(sum(({ events }) => events) > 100 * SEEDS);
    assert.ok(sum(({ clients }) => clients) > 5 * SEEDS);
    assert.ok(sum(({ blocked }) => blocked) > 5 * SEEDS);
    assert.ok(sum(({ gaps }) => gaps) > SEEDS / 4);
  });

  it('happens the same way again with the same seed', async () => {
    assert.deepEqual(await runSchedule(7, 100), await runSchedule(7, 100));
  });
});
