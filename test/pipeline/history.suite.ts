import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  createPipeline,
  type Delivery,
  type Lagged,
  type Pipeline,
  type PipelineOptions,
  type TocsinEvent,
} from '../../src/index.ts';
import { call, temporaryFolder, waitFor } from '../support/daemon.ts';
import { Fixture, type Threads } from './fixture.ts';

const isEvent = (delivery: Delivery): delivery is TocsinEvent => delivery.type !== 'gap';
const range = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last + 1 - first) }, (_, index) => first + index);

async function collect(source: AsyncIterable<Delivery>, count = Infinity): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  for await (const delivery of source) {
    taken.push(delivery);
    if (taken.length === count) break;
  }
  return taken;
}

function events(first: number, count: number) {
  return range(first, first + count - 1).map((n) => ({
    type: 'container',
    action: 'start',
    id: `c${n % 7}`,
    attributes: { n: String(n), text: 'x'.repeat(n % 300) },
  }));
}

const text = (delivery: Delivery): string => (isEvent(delivery) ? (delivery.attributes['n'] ?? '') : 'gap');

/** What outlives a pipeline. */
export function describeHistory(threads: Threads): void {
  describe(`a history on disk (${threads})`, () => {
    let root = '';
    before(() => (root = temporaryFolder()));
    after(() => fs.rmSync(root, { recursive: true, force: true }));
    let folders = 0;
    const folder = (): string => path.join(root, String((folders += 1)));

    async function within<T>(options: PipelineOptions, use: (pipeline: Pipeline) => Promise<T>): Promise<T> {
      const pipeline = await createPipeline({ threads, ...options });
      try {
        return await use(pipeline);
      } finally {
        await pipeline.close();
      }
    }

    for (const durability of ['async', 'sync'] as const) {
      it(`goes on after a restart with the same numbers and the same cursors (${durability})`, async () => {
        const history = folder();
        let cursor = '';
        let epoch = '';
        for (let run = 0; run < 3; run += 1) {
          await within({ history, durability }, async (pipeline) => {
            epoch ||= pipeline.epoch;
            assert.equal(pipeline.epoch, epoch, 'nothing was lost');
            assert.equal(pipeline.stats().headSeq, 500 * run);
            const taking = collect(await pipeline.subscribe(cursor ? { after: cursor } : { since: '0' }), 400);
            const { cursor: last } = await pipeline.publishDurable(events(500 * run + 1, 500));
            assert.equal(last, `${epoch}-${500 * (run + 1)}`);
            const taken = await taking;
            const first = cursor === '' ? 1 : Number(cursor.split('-')[1]) + 1;
            assert.deepEqual(taken.map(text), range(first, first + 399).map(String));
            cursor = (taken.at(-1) as TocsinEvent).cursor;
            const all = await collect(await pipeline.subscribe({ since: '0', follow: false }));
            assert.deepEqual(all.map(text), range(1, 500 * (run + 1)).map(String));
          });
        }
      });
    }

    it('serves what memory no longer holds, to the last event', async () => {
      await within({ history: folder(), memoryBytes: 256 * 1024, historyBytes: 64 * 1024 * 1024 }, async (pipeline) => {
        for (let first = 1; first < 20_000; first += 1000) await pipeline.publishDurable(events(first, 1000));
        const all = await collect(await pipeline.subscribe({ since: '0', follow: false }));
        assert.deepEqual(all.map(text), range(1, 20_000).map(String));
        const from = all[7_776] as TocsinEvent;
        const rest = await collect(await pipeline.subscribe({ since: from.time, follow: false }));
        assert.deepEqual(rest.map(text), range(7_777, 20_000).map(String));
        assert.ok(pipeline.stats().counters.segmentsDropped > 0);
        assert.equal(pipeline.stats().oldestSeq, 1);
      });
    });

    it('finds what a filter shows in what memory no longer holds, as if it had looked at every event', async () => {
      const history = folder();
      const options = { history, memoryBytes: 256 * 1024 };
      await within(options, async (pipeline) => {
        for (let first = 1; first <= 30_000; first += 1000) await pipeline.publishDurable(events(first, 1000));
        const all = (await collect(await pipeline.subscribe({ since: '0', follow: false }))).filter(isEvent);
        const filters: [string[], (event: TocsinEvent) => boolean][] = [
          [['label=n=29'], ({ attributes }) => attributes['n'] === '29'],
          [['container=c3'], ({ id }) => id === 'c3'],
          [['label!=n=1', 'id=c1'], ({ id, attributes }) => id === 'c1' && attributes['n'] !== '1'],
          [['type=network'], () => false],
          [
            ['id~=^c[46]$', 'label=n=10002', 'label=n=25'],
            ({ attributes }) => ['25', '10002'].includes(attributes['n'] ?? ''),
          ],
        ];
        for (const [filter, shows] of filters) {
          for (const from of [{ since: '0' }, { after: all[7_000]!.cursor }, { since: all[20_000]!.time }]) {
            const got = await collect(await pipeline.subscribe({ ...from, filter, follow: false }));
            const first = 'after' in from ? 7_002 : from.since === '0' ? 1 : 20_001;
            assert.deepEqual(
              got,
              all.filter((event) => event.seq >= first && shows(event)),
              `${filter.join()} ${first}`,
            );
          }
        }
        const until = all[9_999]!.time;
        const got = await collect(await pipeline.subscribe({ since: '0', until, filter: ['id=c1'] }));
        assert.deepEqual(
          got,
          all.slice(0, 10_000).filter(({ id }) => id === 'c1'),
        );
        const { pagesScanned, scansFailed } = pipeline.stats().counters;
        assert.ok(pagesScanned > 0);
        assert.equal(scansFailed, 0);
      });
      // A hole is told, whatever the filter.
      const [name] = fs
        .readdirSync(history)
        .filter((entry) => entry.endsWith('.log'))
        .sort() as [string];
      const fd = fs.openSync(path.join(history, name), 'r+');
      fs.writeSync(fd, Buffer.alloc(64, 0xee), 0, 64, 1_000_000);
      fs.closeSync(fd);
      await within(options, async (pipeline) => {
        const filter = range(1, 30).map((thousand) => `label=n=${thousand}000`);
        const got = await collect(await pipeline.subscribe({ since: '0', filter, follow: false }));
        const gaps = got.filter((delivery): delivery is Lagged => !isEvent(delivery));
        assert.equal(gaps.length, 1);
        const [{ from, to, reason }] = gaps as [Lagged];
        assert.equal(reason, 'corruption');
        const expected = range(1, 30_000).filter((n) => n % 1000 === 0 && (n < from || n > to));
        assert.deepEqual(got.filter(isEvent).map(text), expected.map(String));
      });
    });

    it('removes whole files beyond its bounds, and says what is gone', async () => {
      const options = { history: folder(), memoryBytes: 256 * 1024, historyBytes: 1024 * 1024 };
      await within(options, async (pipeline) => {
        const { cursor } = await pipeline.publishDurable(events(1, 1000));
        for (let first = 1001; first < 20_000; first += 1000) await pipeline.publishDurable(events(first, 1000));
        await waitFor(() => pipeline.stats().oldestSeq > 10_000, 'retention');
        const [gap, next] = await collect(await pipeline.subscribe({ after: cursor, follow: false }), 2);
        const oldest = (next as TocsinEvent).seq;
        assert.deepEqual(gap, {
          type: 'gap',
          missed: oldest - 1001,
          from: 1001,
          to: oldest - 1,
          reason: 'retention',
          oldest: `${pipeline.epoch}-${oldest - 1}`,
        });
        const { historyFilesRemoved, eventsExpired } = pipeline.stats().counters;
        assert.ok(historyFilesRemoved > 0 && eventsExpired >= oldest - 1);
        const bytes = (): number =>
          fs.readdirSync(options.history).reduce((sum, name) => {
            // It may go between the two calls.
            const stat = fs.statSync(path.join(options.history, name), { throwIfNoEntry: false });
            return sum + (stat?.size ?? 0);
          }, 0);
        // 64 KiB more than the bound: the file that is being written is counted when the next one begins. A file is not let go of
        // before the next one is safe, and the disk takes its time.
        await waitFor(() => bytes() <= 1024 * 1024 + 128 * 1024, 'the bound in bytes');
      });
    });

    it('honours the bound on the number of events exactly, over a restart too', async () => {
      const history = folder();
      const options = { history, historyEvents: 700 };
      await within(options, async (pipeline) => {
        await pipeline.publishDurable(events(1, 2000));
        await waitFor(() => pipeline.stats().oldestSeq === 1301, 'retention');
      });
      await within(options, async (pipeline) => {
        await waitFor(() => pipeline.stats().oldestSeq === 1301, 'retention');
        const all = await collect(await pipeline.subscribe({ since: '0', follow: false }));
        assert.deepEqual(all.map(text), range(1301, 2000).map(String));
      });
    });

    it('knows containers and publishers again', async () => {
      const history = folder();
      const origin = { publisher: 'backup', sequence: 1 };
      await within({ history }, async (pipeline) => {
        await pipeline.containers.set('f'.repeat(64), {
          name: 'web',
          image: 'nginx',
          pid: 7,
          labels: { tier: 'front' },
        });
        await pipeline.containers.set('e'.repeat(64), { name: 'old' });
        await pipeline.containers.remove('e'.repeat(64));
        assert.equal((await pipeline.publishDurable(events(1, 10), origin)).appended, 10);
      });
      await within({ history }, async (pipeline) => {
        const list = await pipeline.containers.list();
        const known = list.find(({ id }) => id.startsWith('f'));
        assert.deepEqual(known, {
          id: 'f'.repeat(64),
          name: 'web',
          image: 'nginx',
          labels: { tier: 'front' },
          pid: 7,
          running: true,
          known: true,
          removed: false,
        });
        assert.equal(list.find(({ id }) => id.startsWith('e'))?.removed, true);
        const again = await pipeline.publishDurable(events(1, 12), origin);
        assert.deepEqual([again.appended, again.repeated], [2, 10]);
        await assert.rejects(pipeline.publishDurable(events(20, 1), { ...origin, sequence: 20 }), {
          code: 'ERR_PUBLISHER_SEQUENCE',
        });
      });
    });

    it('is not for two at once', async () => {
      const history = folder();
      await within({ history }, async () => {
        await assert.rejects(createPipeline({ threads, history }), { code: 'ERR_HISTORY_UNUSABLE' });
      });
      await within({ history }, async (pipeline) => void (await pipeline.publishDurable(events(1, 1))));
    });

    it('tells a client that has seen what a crash took, and lets it go on', async () => {
      const history = folder();
      let epoch = '';
      await within({ history }, async (pipeline) => {
        ({ epoch } = pipeline);
        for (let n = 1; n <= 10; n += 1) await pipeline.publishDurable(events(n, 1));
      });
      // As after a loss of power: the last batches are garbage.
      const [name] = fs.readdirSync(history).filter((entry) => entry.endsWith('.log')) as [string];
      const file = path.join(history, name);
      const fd = fs.openSync(file, 'r+');
      fs.writeSync(fd, Buffer.alloc(700, 0xee), 0, 700, fs.statSync(file).size - 700);
      fs.closeSync(fd);
      const reports: string[] = [];
      await within({ history, report: (message) => reports.push(message) }, async (pipeline) => {
        assert.match(reports.join('\n'), /ended with \d+ bytes that were no whole batch/);
        assert.notEqual(pipeline.epoch, epoch);
        const head = pipeline.stats().headSeq;
        assert.ok(head > 0 && head < 10);
        await pipeline.publishDurable(events(101, 5));
        const [gap, ...rest] = await collect(await pipeline.subscribe({ after: `${epoch}-10`, follow: false }));
        assert.deepEqual(gap, {
          type: 'gap',
          missed: null,
          from: head + 1,
          to: 10,
          reason: 'crash',
          oldest: `${epoch}-${head}`,
        });
        assert.deepEqual(rest.map(text), range(101, 105).map(String));
      });
    });
  });

  describe(`limits of clients (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(() => fixture.open({ maxClients: 2, maxReplays: 1, fanouts: 2 }));
    after(() => fixture.close());

    it('refuse what is beyond them with 429 and the name of the limit, until a place is free', async () => {
      const { pipeline } = fixture;
      await pipeline.publishDurable(events(1, 10));
      const refusal = async (query: string): Promise<unknown> => {
        const { status, body } = await call(fixture.events, `/v1/events?${query}`);
        const { code, limit, maximum } = JSON.parse(body) as Record<string, unknown>;
        return { status, code, limit, maximum };
      };
      // It takes nothing, so it goes on reading history.
      const reading = await pipeline.subscribe({ since: '0' });
      await pipeline.publishDurable(events(11, 5000));
      const live = await pipeline.subscribe({});
      assert.deepEqual(await refusal('follow=false'), {
        status: 429,
        code: 'ERR_CLIENTS_EXHAUSTED',
        limit: 'max-clients',
        maximum: 2,
      });
      assert.equal((await call(fixture.events, '/events', { method: 'GET' })).status, 429, 'on every door');
      await live.return();
      await waitFor(async () => (await pipeline.clients()).length === 1, 'a free place');
      await reading.return();
      await waitFor(async () => (await pipeline.clients()).length === 0, 'free places');
      assert.equal((await fixture.log()).length, 5010);
    });

    it('move a client on that would rather miss events, and tell it', async () => {
      const { pipeline } = fixture;
      const subscriber = await pipeline.subscribe({ lagLimit: 100, lagPolicy: 'drop-oldest' });
      const { headSeq } = pipeline.stats();
      for (let first = 1; first < 60_000; first += 5000) await pipeline.publishDurable(events(first, 5000));
      let last = headSeq;
      let missed = 0;
      for await (const delivery of subscriber) {
        if (isEvent(delivery)) {
          assert.equal(delivery.seq, last + 1);
          last = delivery.seq;
        } else {
          assert.deepEqual([delivery.reason, delivery.from], ['policy', last + 1]);
          missed += delivery.missed ?? 0;
          last = delivery.to;
        }
        if (last === headSeq + 60_000) break;
      }
      assert.ok(missed > 10_000, `${missed} missed`);
    });
  });

  describe(`a disk that fails (${threads})`, () => {
    const fixture = new Fixture(threads);
    const history = path.join(fixture.root, 'history');
    const reports: string[] = [];
    const file = (seq: number): string => path.join(history, `${String(seq).padStart(16, '0')}.log`);
    after(() => fixture.close());

    it('stops nobody under async: the log goes on in memory under another epoch, and on disk when that works again', async () => {
      await fixture.open({ history, report: (message: string) => reports.push(message) });
      const { pipeline } = fixture;
      const { epoch } = pipeline;
      // Nothing has been written yet; what is first written goes where no room is.
      fs.symlinkSync('/dev/full', `${file(1)}.tmp`);
      const live = collect(await pipeline.subscribe({}), 30);
      await pipeline.publishDurable(events(1, 10));
      assert.equal((await call(fixture.events, '/readyz')).status, 503);
      assert.equal((await call(fixture.admin, '/readyz')).status, 503);
      assert.equal((await call(fixture.events, '/healthz')).status, 200);
      await waitFor(() => reports.some((report) => report.includes('cannot be written')), 'a word on it');
      await pipeline.publishDurable(events(11, 10));
      fs.rmSync(`${file(1)}.tmp`, { force: true });
      await waitFor(() => reports.includes('the history is written again'), 'recovery');
      assert.equal((await call(fixture.events, '/readyz')).status, 200);
      const { cursor } = await pipeline.publishDurable(events(21, 10));
      assert.deepEqual((await live).map(text), range(1, 30).map(String));
      assert.notEqual(pipeline.epoch, epoch);
      assert.equal(cursor, `${pipeline.epoch}-30`);
      const resumed = await collect(await pipeline.subscribe({ after: `${epoch}-5`, follow: false }));
      assert.deepEqual(resumed.map(text), range(6, 30).map(String), 'nothing was lost in this life');
      assert.ok(pipeline.stats().counters.historyErrors > 0);
    });
  });
}
