import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { createPipeline } from '../../src/create-pipeline.ts';
import type { Kind } from '../kills/fault-plan.ts';
import { ACTORS, Killer } from '../kills/killer.ts';
import { Kills } from '../kills/kills.ts';
import { temporaryFolder, waitFor } from '../support/daemon.ts';
import { Random } from '../support/random.ts';
import { grpcClient } from './support/grpc.ts';

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

  it('fanout, while gRPC calls come in: the process goes on, and so do the calls', async (t) => {
    const random = new Random(7);
    const killer = new Killer(() => random.next());
    const root = temporaryFolder();
    const socket = path.join(root, 'tocsin.sock');
    const pipeline = await createPipeline({ listen: [socket], history: root, ...killer.options });
    for (let index = 0; index < 10; index += 1) pipeline.publish({ type: 'container', action: 'start', id: 'c1' });
    let isOver = false;
    let calls = 0;
    const callers = Array.from({ length: 8 }, async () => {
      const client = grpcClient(socket);
      while (!isOver) {
        const call = client.Events({ since: { seconds: '1', nanos: 0 } });
        let events = 0;
        call.on('data', () => {
          events += 1;
          if (events === 5) call.cancel();
        });
        call.on('error', () => {});
        await new Promise((resolve) => call.once('status', resolve));
        if (events === 5) calls += 1;
      }
      client.close();
    });
    try {
      await waitFor(() => calls > 0, 'the first call');
      // Memory that runs out ends the thread from within, where nobody comes in between: docs/supervision.md.
      for (const kind of ['loop', 'throw', 'exit'] as const) {
        await killer.kill('fanout', kind);
        const before = calls;
        await waitFor(() => calls > before + 8, 'calls to go on');
      }
    } finally {
      isOver = true;
      await Promise.all(callers);
      await pipeline.close();
      fs.rmSync(root, { recursive: true, force: true });
    }
    t.diagnostic(`${calls} calls`);
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
