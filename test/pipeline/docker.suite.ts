import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NewEvent } from '../../src/index.ts';
import { type Answer, call, waitFor } from '../support/daemon.ts';
import { Fixture, type Threads } from './fixture.ts';

/** Ends what Docker's door would follow. */
const UNTIL_NOW = 'until=0s';

const EVENTS: readonly NewEvent[] = [
  { type: 'container', action: 'create', id: 'c1', attributes: { image: 'bb:1', name: 'web', tier: 'front' } },
  { type: 'image', action: 'create', id: 'bb:2' },
  { type: 'image', action: 'remove', id: 'bb:1' },
  { type: 'container', action: 'exec_create', args: '/bin/sh -c true', id: 'c1', attributes: { name: 'web' } },
  { type: 'volume', action: 'create', id: 'v1' },
];

/** What Docker's clients see of the Docker door, over HTTP/1.1. */
export function describeDocker(threads: Threads): void {
  describe(`the Docker door (${threads})`, () => {
    const fixture = new Fixture(threads);
    const get = (target: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
      call(fixture.events, target, { headers });
    const linesOf = ({ body }: Answer): string[] => body.split('\n').slice(0, -1);
    before(async () => {
      await fixture.open({ fanouts: 2 });
      for (const event of EVENTS) await waitFor(() => fixture.pipeline.publish(event) === 'accepted', 'room');
      await fixture.head(EVENTS.length);
    });
    after(() => fixture.close());

    it('tells the creation of an image from 1.46 on, and status, id and from below 1.52', async () => {
      for (const [path, lines, isLegacy] of [
        ['/v1.24/events', 4, true],
        ['/v1.45/events', 4, true],
        ['/v1.46/events', 5, true],
        ['/v1.51/events', 5, true],
        ['/v1.52/events', 5, false],
        ['/events', 5, false],
      ] as const) {
        const answer = await get(`${path}?${UNTIL_NOW}`);
        assert.equal(linesOf(answer).length, lines, path);
        assert.equal(answer.body.includes('"status":"create","id":"c1","from":"bb:1"'), isLegacy, path);
        assert.equal(answer.headers['content-type'], isLegacy ? 'application/json' : 'application/jsonl', path);
      }
    });

    it('writes the kind of lines that a client names, at any version', async () => {
      for (const path of ['/v1.41/events', '/events']) {
        const plain = linesOf(await get(`${path}?${UNTIL_NOW}`));
        for (const type of ['application/jsonl', 'application/x-ndjson']) {
          const answer = await get(`${path}?${UNTIL_NOW}`, { Accept: type });
          assert.deepEqual([answer.headers['content-type'], linesOf(answer)], [type, plain]);
        }
        const sequence = await get(`${path}?${UNTIL_NOW}`, { Accept: 'application/json-seq' });
        assert.equal(sequence.headers['content-type'], 'application/json-seq');
        assert.deepEqual(
          linesOf(sequence),
          plain.map((line) => `\u001e${line}`),
        );
      }
    });

    it('lists the containers that the log knows, as Traefik asks for them before it subscribes', async () => {
      const { containers } = fixture.pipeline;
      await containers.set('aaa1', { name: 'web', image: 'bb:1', pid: 9, labels: { team: 'web' } });
      await containers.set('aaa2', { name: 'db' });
      await containers.set('aaa3', { name: 'gone' });
      await containers.remove('aaa3');
      for (const version of ['', '/v1.24']) {
        assert.equal((await get(`${version}/version`)).status, 200);
        for (const [query, ids] of [
          ['', ['aaa1']],
          ['?all=0', ['aaa1']],
          ['?all=1', ['aaa1', 'aaa2']],
          ['?all=true', ['aaa1', 'aaa2']],
        ] as const) {
          const answer = await get(`${version}/containers/json${query}`);
          assert.equal(answer.headers['content-type'], 'application/json');
          const listed = JSON.parse(answer.body) as { readonly Id: string }[];
          assert.deepEqual(
            listed.map(({ Id }) => Id),
            ids,
            query,
          );
        }
        const found = await get(`${version}/containers/web/json`);
        assert.deepEqual([found.status, (JSON.parse(found.body) as { readonly Id: string }).Id], [200, 'aaa1']);
        const none = await get(`${version}/containers/gone/json`);
        assert.deepEqual([none.status, JSON.parse(none.body)], [404, { message: 'No such container: gone' }]);
        const info = JSON.parse((await get(`${version}/info`)).body) as Record<string, unknown>;
        assert.deepEqual([info['Containers'], info['ContainersRunning'], info['ContainersStopped']], [2, 1, 1]);
      }
    });

    it('adds the cursor of each event on request, which leads behind it, and nothing else', async () => {
      for (const [path, type] of [
        ['/v1.41/events', 'application/json'],
        ['/events', 'application/json-seq'],
      ] as const) {
        const headers = { Accept: type };
        const plain = linesOf(await get(`${path}?${UNTIL_NOW}`, headers));
        const own = linesOf(await get(`${path}?${UNTIL_NOW}&cursor=1`, headers));
        const cursors = own.map((line) => /,"cursor":"([a-z2-7]{8}-\d+)"\}$/.exec(line)?.[1] ?? '');
        assert.deepEqual(
          own.map((line, index) => line.replace(`,"cursor":"${cursors[index]!}"}`, '}')),
          plain,
        );
        assert.deepEqual(linesOf(await get(`${path}?after=${cursors[1]!}&${UNTIL_NOW}`, headers)), plain.slice(2));
        assert.deepEqual(linesOf(await get(`${path}?${UNTIL_NOW}&cursor=0`, headers)), plain);
      }
    });

    it('beats on request, with the cursor from which the client can go on', async () => {
      const answer = await get(`/events?after=${fixture.pipeline.epoch}-2&heartbeat=60&until=0s`);
      const [first, ...events] = linesOf(answer);
      assert.deepEqual(JSON.parse(first!), { type: 'heartbeat', cursor: `${fixture.pipeline.epoch}-2` });
      assert.deepEqual(events, linesOf(await get(`/events?${UNTIL_NOW}`)).slice(2));
      assert.equal((await get('/events?heartbeat=x')).status, 400);
    });

    it('filters by negation, globs and regular expressions on request', async () => {
      const shown = async (filters: unknown): Promise<number> =>
        linesOf(await get(`/events?${UNTIL_NOW}&filters=${encodeURIComponent(JSON.stringify(filters))}`)).length;
      assert.equal(await shown({ 'label!': ['tier=front'] }), 4);
      assert.equal(await shown({ 'event!': ['exec_*'] }), 4);
      assert.equal(await shown({ type: ['container'], 'event*': ['exec_*'] }), 1);
      assert.equal(await shown({ 'id~': ['^(bb:|v)\\d$'] }), 3);
      const refused = await get(`/events?filters=${encodeURIComponent('{"id~":["("]}')}`);
      assert.equal(refused.status, 400);
      assert.deepEqual(Object.keys(JSON.parse(refused.body) as object), ['message']);
    });

    it('leaves out on request what says nothing new: health checks, and a health that was told before', async () => {
      const check = (exec: string, command: string): NewEvent[] => [
        { type: 'container', action: 'exec_create', args: command, id: 'h1', attributes: { execID: exec } },
        { type: 'container', action: 'exec_start', args: command, id: 'h1', attributes: { execID: exec } },
        { type: 'container', action: 'exec_die', id: 'h1', exitCode: 0, attributes: { execID: exec } },
      ];
      const health = (status: string): NewEvent => ({
        type: 'container',
        action: 'health_status',
        args: status,
        id: 'h1',
      });
      const told = [...check('e1', 'check'), health('healthy')];
      const noise = [...check('e2', 'check'), health('healthy'), ...check('e3', 'check')];
      const more = [...check('e4', 'ls'), health('unhealthy')];
      const { headSeq, epoch } = fixture.pipeline.stats();
      const { cursor } = await fixture.pipeline.publishDurable([...told, ...noise, ...more]);
      assert.equal(cursor, `${epoch}-${headSeq + told.length + noise.length + more.length}`);
      const query = `after=${epoch}-${headSeq}`;
      const docker = linesOf(await get(`/events?${query}&${UNTIL_NOW}`));
      const quiet = [...docker.slice(0, told.length), ...docker.slice(told.length + noise.length)];
      assert.deepEqual(linesOf(await get(`/events?${query}&${UNTIL_NOW}&quiet=1`)), quiet);
      assert.deepEqual(linesOf(await get(`/events?${query}&${UNTIL_NOW}&quiet=0`)), docker);
      const native = linesOf(await get(`/v1/events?${query}&follow=false&quiet=1`));
      assert.equal(native.length, quiet.length);
      const filters = encodeURIComponent('{"event":["exec_die"]}');
      assert.equal(linesOf(await get(`/v1/events?${query}&follow=false&quiet=1&filters=${filters}`)).length, 2);
      assert.equal((await get('/v1/events?quiet=perhaps')).status, 400);
    });

    it('refuses what is no list of containers with Docker\u2019s words', async () => {
      assert.equal((await get('/containers/json?all=%zz')).status, 400);
      assert.equal((await get('/containers/a%2Fb/json')).status, 404);
      assert.equal((await call(fixture.events, '/containers/json', { method: 'POST' })).status, 404);
    });
  });
}
