import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { createPipeline, type Pipeline, type TocsinError, type TocsinEvent } from '../../src/index.ts';
import { projectRoot } from '../architecture/source.ts';
import { call, temporaryFolder, waitFor } from '../support/daemon.ts';
import { numberIn } from '../support/engine-memory.ts';
import { FakeEngine } from '../support/fake-engine.ts';
import type { Threads } from './fixture.ts';

const range = (first: number, last: number): number[] =>
  Array.from({ length: last + 1 - first }, (_, index) => first + index);

async function logOf(pipeline: Pipeline): Promise<TocsinEvent[]> {
  const events: TocsinEvent[] = [];
  for await (const event of await pipeline.subscribe({ since: '0', follow: false }))
    if (!('missed' in event)) events.push(event);
  return events;
}

/** Engines whose events are taken in. */
export function describeSources(threads: Threads): void {
  describe(`sources (${threads})`, () => {
    let root = '';
    let engine: FakeEngine;
    let pipeline: Pipeline | undefined;
    const said: string[] = [];
    before(() => (root = temporaryFolder()));
    after(() => fs.rmSync(root, { recursive: true, force: true }));
    beforeEach(async () => {
      said.length = 0;
      engine = new FakeEngine();
      await engine.start();
    });
    afterEach(async () => {
      await pipeline?.close();
      await engine.close();
    });
    let folders = 0;
    const open = async (source: readonly string[], history = path.join(root, String((folders += 1)))) => {
      const listen = path.join(root, 's');
      pipeline = await createPipeline({
        threads,
        source: [...source],
        history,
        listen,
        report: (text) => said.push(text),
      });
      return pipeline;
    };
    const docker = (): string => `docker=unix://${engine.socketPath}`;

    it('keep the engine\u2019s times and order, under their name', async () => {
      const running = await open([docker()]);
      await engine.listeners(1);
      engine.emit(300);
      await waitFor(() => running.stats().headSeq === 300, 'the events');
      const log = await logOf(running);
      assert.deepEqual(log.map(numberIn), range(1, 300));
      assert.deepEqual(new Set(log.map(({ source }) => source)), new Set(['docker']));
      assert.equal(log[6]!.timeNano, '1700000000007000001');
      assert.deepEqual(Object.keys(log[0]!.attributes), ['image', 'n']);
      assert.equal(running.stats().counters.timesBumped, 0);
    });

    it('are any number, and each is known by its name', async () => {
      const other = new FakeEngine();
      await other.start();
      try {
        const running = await open([docker(), `podman=unix://${other.socketPath}`]);
        engine.emit(50);
        other.emit(60);
        await waitFor(() => running.stats().headSeq === 110, 'the events');
        const log = await logOf(running);
        for (const [name, count] of [
          ['docker', 50],
          ['podman', 60],
        ] as const)
          assert.deepEqual(log.filter(({ source }) => source === name).map(numberIn), range(1, count));
      } finally {
        await pipeline?.close();
        await other.close();
      }
    });

    it('go on after a restart exactly where the log is', async () => {
      const history = path.join(root, String((folders += 1)));
      const first = await open([docker()], history);
      engine.emit(100);
      await waitFor(() => first.stats().headSeq === 100, 'the events');
      await first.close();
      engine.emit(100);
      const second = await open([docker()], history);
      await waitFor(() => second.stats().headSeq === 200, 'the rest');
      engine.emit(1);
      await waitFor(() => second.stats().headSeq === 201, 'one more');
      assert.deepEqual((await logOf(second)).map(numberIn), range(1, 201));
      assert.equal(second.stats().counters.sourceRepeated, 100);
      assert.equal(engine.targets[1], '/events?since=1699999999.100000001');
    });

    it('tell of the containers that their engine has, and of what became of those while nobody listened', async () => {
      const container = { Names: ['/web'], Image: 'bb:1', Labels: { tier: 'front' } };
      engine.containers = [
        { Id: 'w1', State: 'running', ...container },
        { Id: 's1', State: 'exited', ...container, Names: ['/old'] },
        { Id: 'c1', State: 'running' },
      ];
      const history = path.join(root, String((folders += 1)));
      const first = await open([docker()], history);
      await engine.listeners(1);
      engine.emit(1);
      await waitFor(() => first.stats().headSeq === 4, 'what is there');
      const log = await logOf(first);
      assert.deepEqual(
        log.map(({ action, id, synthetic = false }) => [action, id, synthetic]),
        [
          ['start', 'c1', false],
          ['create', 'w1', true],
          ['start', 'w1', true],
          ['create', 's1', true],
        ],
      );
      assert.deepEqual(log[1]?.attributes, { image: 'bb:1', name: 'web', tier: 'front' });
      const get = async (target: string): Promise<string[]> =>
        (await call(path.join(root, 's'), target)).body.split('\n').filter(Boolean);
      const native = await get('/v1/events?since=0&follow=false');
      assert.deepEqual(
        native.map((line) => line.endsWith(',"source":"docker","synthetic":true}')),
        [false, true, true, true],
      );
      const told = await get('/v1/events?since=0&follow=false&filters={"synthetic":["false"]}');
      assert.deepEqual(told, native.slice(0, 1));
      const now = Date.now() / 1000;
      const stock = await get(`/events?since=0&until=${now}`);
      assert.deepEqual([stock.length, stock[0]?.includes('synthetic')], [1, false]);
      const marked = await get(`/events?since=0&until=${now}&synthetic=1`);
      assert.deepEqual(
        marked.map((line) => line.endsWith(',"synthetic":true}')),
        [false, true, true, true],
      );
      const rows = JSON.parse((await get('/containers/json?all=1'))[0]!) as { readonly State: string }[];
      assert.deepEqual(rows.map(({ State }) => State).sort(), ['exited', 'running', 'running']);
      await first.close();

      // It takes seconds until a connection counts as one that works: once is enough.
      if (threads === 'workers') return;
      engine.containers = [
        { Id: 'w1', State: 'paused', ...container },
        { Id: 'c1', State: 'running' },
      ];
      const second = await open([docker()], history);
      await waitFor(() => second.stats().headSeq === 6, 'what has changed');
      assert.deepEqual(
        (await logOf(second)).slice(4).map(({ action, id }) => [action, id]),
        [
          ['pause', 'w1'],
          ['destroy', 's1'],
        ],
      );
      assert.equal(second.stats().counters.sourceSynthetic, 2);
    });

    it('may be somewhere else, behind TLS with certificates on both sides', async () => {
      const pem = (name: string): string => path.join(projectRoot(), 'test/vectors/tls', `${name}.pem`);
      const [ca, cert, key] = ['ca', 'engine', 'engine-key'].map((name) => fs.readFileSync(pem(name))) as [
        Buffer,
        Buffer,
        Buffer,
      ];
      const far = new FakeEngine({ tls: { ca, cert, key } });
      const near = new FakeEngine({});
      await far.start();
      await near.start();
      try {
        const files = `ca=${pem('ca')}&cert=${pem('client')}&key=${pem('client-key')}`;
        const running = await open([
          `far=https://127.0.0.1:${far.port}?${files}`,
          `near=tcp://127.0.0.1:${near.port}`,
          `wrong=https://localhost:${far.port}?ca=${pem('other-ca')}`,
        ]);
        far.emit(40);
        near.emit(30);
        await waitFor(() => running.stats().headSeq === 70, 'the events');
        const log = await logOf(running);
        assert.deepEqual(log.filter(({ source }) => source === 'far').map(numberIn), range(1, 40));
        assert.deepEqual(log.filter(({ source }) => source === 'near').map(numberIn), range(1, 30));
        await waitFor(() => said.length > 0, 'a word');
        assert.match(said[0]!, /^source wrong: https:\/\/localhost:\d+: .*certificate.*; it is tried again$/);
      } finally {
        await pipeline?.close();
        await far.close();
        await near.close();
      }
    });

    it('are refused at the start when the files of their connection are of no use', async () => {
      await assert.rejects(open(['far=https://127.0.0.1?ca=/nonexistent/ca.pem']), (error: TocsinError) => {
        assert.equal(error.code, 'ERR_ACTOR_START');
        assert.match(error.message, /source far: ENOENT.*\/nonexistent\/ca\.pem/);
        assert.equal((error.cause as TocsinError).code, 'ERR_SOURCE_TLS');
        return true;
      });
      pipeline = undefined;
    });

    it('that may have missed something say so in the log, on the native door and to the operator, and not to Docker\u2019s clients', async () => {
      const running = await open([docker()]);
      engine.emit(2);
      await waitFor(() => running.stats().headSeq === 2, 'the events');
      await engine.stop();
      engine.emit(1);
      await engine.start();
      await engine.listeners(1);
      engine.emit(1);
      await waitFor(() => running.stats().headSeq >= 5, 'the rest');
      const { seq, type, action, id, attributes, source, reason } = (await logOf(running))[2]!;
      assert.deepEqual(
        { seq, type, action, id, attributes, source, reason },
        {
          seq: 3,
          type: 'source',
          action: 'gap',
          id: 'docker',
          attributes: { from: '2023-11-14T22:13:20.002000001Z', to: '2023-11-14T22:13:20.003000001Z' },
          source: 'docker',
          reason: 'source',
        },
      );
      assert.equal(running.stats().counters.timesBumped, 0);
      const socket = path.join(root, 's');
      const native = (await call(socket, '/v1/events?since=0&follow=false')).body.split('\n');
      assert.ok(native[2]!.startsWith('{"seq":3,') && native[2]!.endsWith(',"source":"docker","reason":"source"}'));
      const stock = (await call(socket, '/events?since=0&until=1700000100')).body.split('\n').filter(Boolean);
      assert.deepEqual(
        stock.map((line) => (JSON.parse(line) as { Type: string }).Type),
        Array(4).fill('container'),
      );
      assert.ok(
        said.some((text) => /^source docker: events from 2023.* to 2023.* may be missing$/.test(text)),
        said.join(),
      );
    });

    it('that are not there harm nobody, and are listened to once they are', async () => {
      await engine.stop();
      const running = await open([docker()]);
      assert.equal(running.publish({ type: 'container', action: 'start', id: 'c1' }), 'accepted');
      await waitFor(() => said.length > 0, 'a word');
      assert.match(said[0]!, /^source docker: .*docker\.sock: connect ENOENT .*; it is tried again$/);
      await engine.start();
      engine.emit(3);
      await waitFor(() => running.stats().headSeq === 4, 'the events');
    });
  });
}
