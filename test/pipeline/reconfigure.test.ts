import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { NewEvent, Pipeline } from '../../src/index.ts';
import { grpcClient, type GrpcEvent } from '../e2e/support/grpc.ts';
import { startDaemon, tocsin, waitFor } from '../support/daemon.ts';
import { Fixture, type Threads } from './fixture.ts';

const events = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, n) => ({ type: 'container', action: 'start', id: `c${n}` }));

for (const threads of ['workers', 'inline'] satisfies Threads[]) {
  describe(`options that change while a pipeline runs (${threads})`, () => {
    const fixture = new Fixture(threads);
    const base = (): Record<string, unknown> => {
      const { fifo, events: listen, admin, root } = fixture;
      return { threads, fifo, listen, admin, history: path.join(root, 'history'), fanouts: 1 };
    };
    const change = (options: Record<string, unknown>): ReturnType<Pipeline['reconfigure']> =>
      fixture.pipeline.reconfigure({ ...base(), ...options });

    before(async () => {
      await fixture.open(base());
      await fixture.pipeline.publishDurable(events(200));
    });
    after(() => fixture.close());

    it('count at once for whoever comes next', async () => {
      assert.deepEqual(change({ maxClients: 1 }), { applied: ['maxClients'], pending: [] });
      const first = await fixture.pipeline.subscribe();
      await assert.rejects(fixture.pipeline.subscribe(), { code: 'ERR_CLIENTS_EXHAUSTED' });
      change({ maxClients: 2 });
      const second = await fixture.pipeline.subscribe();
      change({});
      const third = await fixture.pipeline.subscribe();
      for (const subscriber of [first, second, third]) subscriber.cancel();
    });

    it('let older events go', async () => {
      assert.deepEqual(change({ historyEvents: 50 }).applied, ['historyEvents']);
      await waitFor(() => fixture.pipeline.stats().oldestSeq === 151, 'all but 50 events to go');
      change({});
      assert.equal((await fixture.log()).length, 50);
    });

    it('say how many events an iSulad client gets first', async () => {
      for (const isuladReplay of [3, 5]) {
        change({ isuladReplay });
        const marker = `marker-${isuladReplay}`;
        const client = grpcClient(fixture.events);
        const call = client.Events({});
        const ids: string[] = [];
        call.on('data', ({ id }: GrpcEvent) => ids.push(id)).on('error', () => {});
        await waitFor(() => ids.length >= isuladReplay, 'what was there before');
        await fixture.pipeline.publishDurable([{ type: 'container', action: 'die', id: marker }]);
        await waitFor(() => ids.includes(marker), 'the marker');
        assert.equal(ids.indexOf(marker), isuladReplay);
        call.cancel();
        client.close();
      }
      change({});
    });

    it('wait for the next start where they have to, and are told of until then', () => {
      const changed = { durability: 'sync', memoryBytes: 1024 * 1024, drainTimeout: 1234 };
      for (let again = 0; again < 2; again += 1) {
        const { applied, pending } = change(changed);
        assert.deepEqual(applied, again === 0 ? ['drainTimeout'] : []);
        assert.deepEqual(pending, ['durability', 'memoryBytes']);
      }
      assert.deepEqual(change({}), { applied: ['drainTimeout'], pending: [] });
    });

    it('change together or not at all', () => {
      assert.throws(() => change({ maxClients: 7, fanouts: 99 }), { code: 'ERR_OPTION_INVALID' });
      assert.throws(() => change({ maxClients: 7, nonsense: 1 }), { code: 'ERR_OPTION_INVALID' });
      assert.deepEqual(change({ maxClients: 7 }).applied, ['maxClients']);
      change({});
    });
  });
}

describe('a daemon’s configuration', () => {
  it('is read at the start, again on SIGHUP, and stays as it was when it has become invalid', async () => {
    const { root } = new Fixture('workers');
    const file = path.join(root, 'config.toml');
    fs.writeFileSync(file, 'max-clients = 3\nfanouts = 1\n');
    const daemon = await startDaemon([], root);
    const told = async (what: string): Promise<void> => {
      process.kill(daemon.pid, 'SIGHUP');
      await waitFor(() => daemon.log().includes(what), what);
    };
    const print = async (): Promise<string> => (await tocsin(['config', 'print', '--root', root])).stdout;
    assert.match(await print(), new RegExp(`^max-clients = 3 +# ${file}$`, 'm'));
    await told('SIGHUP: no option has changed');
    fs.writeFileSync(file, 'max-clients = 4\nfanouts = 2\nhistory-age = "2h"\n');
    await told('SIGHUP: max-clients is 4 now');
    assert.ok(daemon.log().includes('SIGHUP: history-age is "7200000ms" now'), daemon.log());
    assert.ok(daemon.log().includes('SIGHUP: fanouts has changed, and will from the next start on'), daemon.log());
    fs.writeFileSync(file, 'max-client = 5\n');
    await told('unknown key "max-client"; did you mean max-clients? (ERR_CONFIG_INVALID)');
    const check = await tocsin(['config', 'check', '--root', root]);
    assert.deepEqual([check.code, check.stdout], [78, '']);
    assert.equal(await daemon.stop(), 0);
  });

  it('keeps a daemon from starting that it is wrong for', async () => {
    const { root } = new Fixture('workers');
    fs.mkdirSync(path.join(root, 'conf.d'));
    fs.writeFileSync(path.join(root, 'conf.d/a.toml'), 'durability = "often"\n');
    const { code, stderr } = await tocsin(['serve', '--root', root]);
    assert.equal(code, 78);
    assert.match(stderr, /conf\.d\/a\.toml: durability: expected .*async.*\(ERR_CONFIG_INVALID\)/);
    assert.deepEqual(fs.readdirSync(root), ['conf.d']);
    fs.rmSync(root, { recursive: true });
  });
});
