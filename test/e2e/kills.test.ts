import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import { ACTORS, kindAt, Kills } from '../kills/kills.ts';
import { Random } from '../support/random.ts';

/** One of each kind of death; the long form is `npm run kills`. */
const DEATHS = 5;

function descriptors(): number {
  return fs.readdirSync('/proc/self/fd').length;
}

describe('actors that die under load', () => {
  for (const actor of ACTORS)
    it(`${actor}: nothing is lost, repeated or out of order for clients that come back`, async (t) => {
      const random = new Random(actor.length);
      const bench = await Kills.start({
        clients: 20,
        perSecond: 1_000,
        burst: 5_000,
        burstEveryMs: 2_000,
        random: () => random.next(),
      });
      await bench.begun();
      const before = descriptors();
      for (let index = 0; index < DEATHS; index += 1) await bench.kill(actor, kindAt(index));
      const after = descriptors();
      const sent = await bench.finish(60_000);
      assert.deepEqual(bench.faults, []);
      assert.equal(bench.pipeline.stats().headSeq, sent);
      assert.ok(after <= before + 1, `${before} descriptors before, ${after} after`);
      const recoveries = bench.deaths.map(({ kind, window, recoveryMs }) => `${kind} at ${window} ${recoveryMs} ms`);
      t.diagnostic(`${sent} records; ${recoveries.join(', ')}`);
    });

  it('more of them than --max-restarts: the pipeline ends, says why, and the history is whole', async () => {
    const random = new Random(1);
    const bench = await Kills.start({
      clients: 2,
      perSecond: 500,
      burst: 0,
      burstEveryMs: 0,
      random: () => random.next(),
      pipeline: { maxRestarts: 2 },
    });
    await bench.kill('buffer', 'exit');
    await bench.kill('collector', 'exit');
    await assert.rejects(
      Promise.all([bench.kill('monitored', 'exit'), bench.pipeline.closed]).catch((error: unknown) => {
        throw error;
      }),
      { code: 'ERR_RESTARTS_EXHAUSTED' },
    );
    assert.equal(bench.pipeline.state, 'failed');
    await bench.verifyHistory();
  });
});
