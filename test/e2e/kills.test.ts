import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import type { Kind } from '../kills/fault-plan.ts';
import { ACTORS } from '../kills/killer.ts';
import { Kills } from '../kills/kills.ts';
import { Random } from '../support/random.ts';

/** The long form is `npm run kills`. */
const DEATHS: Readonly<Record<string, readonly Kind[]>> = {
  collector: ['exit', 'loop', 'terminate'],
  fanout: ['throw', 'heap'],
  buffer: ['terminate', 'throw'],
  monitored: ['exit', 'terminate'],
  'clients-checker': ['loop'],
};

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
      for (const kind of DEATHS[actor]!) await bench.killer.kill(actor, kind);
      const after = descriptors();
      const sent = await bench.finish(60_000);
      assert.deepEqual(bench.faults, []);
      assert.equal(bench.pipeline.stats().headSeq, sent);
      assert.ok(after <= before + 1, `${before} descriptors before, ${after} after`);
      const recoveries = bench.killer.deaths.map(
        ({ kind, window, recoveryMs }) => `${kind} at ${window} ${recoveryMs} ms`,
      );
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
    await bench.killer.kill('buffer', 'exit');
    await bench.killer.kill('collector', 'exit');
    await assert.rejects(
      Promise.all([bench.killer.kill('monitored', 'exit'), bench.pipeline.closed]).catch((error: unknown) => {
        throw error;
      }),
      { code: 'ERR_RESTARTS_EXHAUSTED' },
    );
    assert.equal(bench.pipeline.state, 'failed');
    await bench.verifyHistory();
  });
});
