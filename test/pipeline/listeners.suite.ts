import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClientInfo, NewEvent } from '../../src/index.ts';
import { type Answer, call, waitFor } from '../support/daemon.ts';
import { grpcClient, readAll } from '../e2e/support/grpc.ts';
import { type Event, Fixture, type Threads } from './fixture.ts';

interface Shown extends Event {
  readonly namespace?: string;
}

const LABELS = { team: 'web', tier: 'front' };
const AS_LABELLED = { image: 'nginx', name: 'shop', ...LABELS };

/** What a client of each socket may see, in so many words. */
const LIMITS: Readonly<Record<string, readonly [query: string, shows: (event: Shown) => boolean]>> = {
  web: [
    'types=container,image&label=team=web&label=team=ops',
    ({ type, attributes }) =>
      ['container', 'image'].includes(type) && ['web', 'ops'].includes(attributes['team'] ?? ''),
  ],
  net: ['types=network', ({ type }) => type === 'network'],
  prod: ['namespace=prod', ({ namespace }) => namespace === 'prod'],
};
const NAMES = Object.keys(LIMITS);

/** Events of which each limit shows some and hides others; `n` tells them apart on every door. */
function someEvents(count: number, first = 1): NewEvent[] {
  return Array.from({ length: count }, (_, index): NewEvent => {
    const n = first + index;
    const type = ['container', 'container', 'image', 'network'][n % 4]!;
    const team = ['web', 'db', 'ops', undefined][(n >> 2) % 4];
    return {
      type,
      action: ['start', 'die', 'create'][n % 3]!,
      id: `${type[0]!}${n % 5}`,
      attributes: { n: String(n), name: `name${n % 3}`, ...(team === undefined ? {} : { team }) },
      ...(n % 3 === 0 ? { namespace: 'prod' } : {}),
    };
  });
}

/** Several sockets of one pipeline, all but one of them limited. */
export function describeListeners(threads: Threads): void {
  describe(`listeners with a limit (${threads})`, () => {
    const fixture = new Fixture(threads);
    const socketOf = (name: string): string => path.join(fixture.root, `${name}.sock`);
    const limitedSocket = (name: string): string => `unix://${socketOf(name)}?${LIMITS[name]![0]}&mode=0600`;
    const linesOf = <Line>({ status, body, complete }: Answer): Line[] => {
      assert.ok(status === 200 && complete, `${status}: ${body}`);
      return body
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line);
    };
    const native = async (socket: string, query: string): Promise<Shown[]> =>
      linesOf<Shown>(await call(socket, `/v1/events?follow=false&${query}`));
    const docker = async (socket: string, query: string, version = ''): Promise<readonly string[]> => {
      const lines = linesOf<{ readonly cursor: string }>(
        await call(socket, `${version}/events?until=0s&cursor=1&${query}`),
      );
      return lines.map(({ cursor }) => cursor);
    };
    const ns = (events: readonly Shown[]): string[] => events.map(({ attributes }) => attributes['n'] ?? '');
    const publish = (events: readonly NewEvent[]) => fixture.pipeline.publishDurable(events);

    before(async () => {
      await fixture.open({
        fanouts: 2,
        listen: [fixture.events, ...NAMES.map(limitedSocket)],
        history: path.join(fixture.root, 'history'),
        memoryBytes: 256 * 1024,
      });
      const { containers } = fixture.pipeline;
      await containers.set('aaa1', { name: 'shop', image: 'nginx', pid: 7, labels: LABELS });
      await containers.set('aaa2', { name: 'vault', image: 'secret', pid: 8, labels: { team: 'db' } });
      await containers.set('aab3', { name: 'idle', labels: { team: 'ops' } });
      await publish(someEvents(200));
      const container = { type: 'container', action: 'start' };
      await publish([
        { ...container, id: 'aaa1', attributes: AS_LABELLED },
        { ...container, id: 'aaa2', attributes: { name: 'vault', team: 'db' } },
      ]);
    });
    after(() => fixture.close());

    it('have the mode that their address says, 0660 where it says none', () => {
      const modeOf = (file: string): number => fs.statSync(file).mode & 0o7777;
      assert.equal(modeOf(fixture.events), 0o660);
      assert.equal(modeOf(fixture.admin), 0o600);
      for (const name of NAMES) assert.equal(modeOf(socketOf(name)), 0o600);
    });

    it('show of the history what their limit shows, from wherever it is read, on the native door', async () => {
      const { epoch, headSeq } = fixture.pipeline.stats();
      const all = await native(fixture.events, 'since=0');
      assert.equal(all.length, headSeq);
      for (const name of NAMES) {
        const [, shows] = LIMITS[name]!;
        const shown = all.filter(shows);
        assert.ok(shown.length > 10 && shown.length < all.length / 2);
        for (const [from, first] of [
          ['since=0', 1],
          [`after=${epoch}-0`, 1],
          [`after=${epoch}-100`, 101],
          [`since=${(all[60] as Shown & { readonly time: string }).time}`, 61],
        ] as const)
          assert.deepEqual(
            await native(socketOf(name), from),
            shown.filter(({ seq }) => seq >= first),
            `${name} ${from}`,
          );
      }
    });

    it('show the same as server-sent events, and on every dialect of the Docker door', async () => {
      const all = await native(fixture.events, 'since=0');
      for (const name of NAMES) {
        const [, shows] = LIMITS[name]!;
        const shown = all.filter(shows);
        const cursors = shown.map((event) => (event as Shown & { readonly cursor: string }).cursor);
        const sse = await call(socketOf(name), '/v1/events?since=0&follow=false&heartbeat=0', {
          headers: { Accept: 'text/event-stream' },
        });
        assert.deepEqual(
          [...sse.body.matchAll(/^id: (.+)$/gm)].map(([, id]) => id),
          cursors,
        );
        for (const version of ['', '/v1.52', '/v1.46'])
          assert.deepEqual(await docker(socketOf(name), '', version), cursors, `${name} ${version}`);
        const old = shown.filter(({ type, action }) => !(type === 'image' && action === 'create'));
        assert.equal((await docker(socketOf(name), '', '/v1.41')).length, old.length);
      }
    });

    it('show the same to gRPC clients', async () => {
      const seconds = String(Math.floor(Date.now() / 1000) + 1);
      const read = async (socket: string) => {
        const client = grpcClient(socket);
        const times = { since: { seconds: '1', nanos: 0 }, until: { seconds, nanos: 0 } };
        const { events, status } = await readAll(client.Events(times));
        client.close();
        assert.equal(status, 0);
        return events;
      };
      const timeOf = ({ seconds: sec, nanos }: { seconds: string; nanos: number }): string =>
        sec + String(nanos).padStart(9, '0');
      const [all, ...limited] = await Promise.all([fixture.events, ...NAMES.map(socketOf)].map(read));
      const log = (await native(fixture.events, 'since=0')) as (Shown & { readonly timeNano: string })[];
      for (const [index, name] of NAMES.entries()) {
        const within = new Set(log.filter(LIMITS[name]![1]).map(({ timeNano }) => timeNano));
        const shown = all!.filter(({ timestamp }) => within.has(timeOf(timestamp)));
        assert.deepEqual(limited[index], shown);
        // iSulad has no word for networks.
        assert.equal(shown.length > 10, name !== 'net');
      }
    });

    it('show live what their limit shows, with no word of the rest but in cursors', async () => {
      const head = fixture.pipeline.stats().headSeq;
      const following = NAMES.map((name) => follow(socketOf(name), '/v1/events?heartbeat=1'));
      await Promise.all(following.map(({ ready }) => ready));
      const { cursor } = await publish(someEvents(400, 1001));
      const all = await native(fixture.events, `after=${fixture.pipeline.epoch}-${head}`);
      for (const [index, name] of NAMES.entries()) {
        const { lines, end } = following[index]!;
        const [, shows] = LIMITS[name]!;
        const shown = all.filter(shows);
        await waitFor(() => lines().filter(({ seq }) => seq).length >= shown.length, `live events on ${name}`);
        await waitFor(() => lines().at(-1)?.cursor === cursor, 'a heartbeat with the position in the whole log');
        end();
        assert.deepEqual(
          lines().filter(({ type }) => type !== 'heartbeat'),
          shown,
        );
      }
    });

    it('know no containers but those that they show events of', async () => {
      const ids = async (name: string): Promise<unknown> => {
        const listed = JSON.parse((await call(name, '/containers/json?all=1')).body) as { readonly Id: string }[];
        return listed.map(({ Id }) => Id);
      };
      const counts = async (name: string): Promise<unknown> => {
        const info = JSON.parse((await call(name, '/v1.41/info')).body) as Record<string, unknown>;
        return [info['Containers'], info['ContainersRunning'], info['ContainersStopped']];
      };
      assert.deepEqual(await ids(fixture.events), ['aaa1', 'aaa2', 'aab3']);
      assert.deepEqual(await ids(socketOf('web')), ['aaa1', 'aab3']);
      assert.deepEqual([await ids(socketOf('net')), await ids(socketOf('prod'))], [[], []]);
      assert.deepEqual(await counts(fixture.events), [3, 2, 1]);
      assert.deepEqual(await counts(socketOf('web')), [2, 1, 1]);
      assert.deepEqual(await counts(socketOf('net')), [0, 0, 0]);
      for (const wanted of ['aaa1', 'shop', 'aaa', 'idle'])
        assert.equal((await call(socketOf('web'), `/containers/${wanted}/json`)).status, 200, wanted);
      for (const wanted of ['aaa2', 'vault', 'nobody']) {
        const answer = await call(socketOf('web'), `/containers/${wanted}/json`);
        assert.deepEqual([answer.status, answer.body], [404, `{"message":"No such container: ${wanted}"}\n`]);
      }
    });

    it('answer for a container that they do not show as for one that is not there', async () => {
      const web = socketOf('web');
      assert.equal((await call(fixture.events, '/v1/events?follow=false&name=aaa')).status, 409);
      assert.deepEqual(
        (await native(web, 'since=0&name=aaa')).map(({ id }) => id),
        ['aaa1'],
        'the only one of them that it shows',
      );
      for (const socket of [web, socketOf('net')])
        for (const wanted of ['aaa2', 'vault', 'nobody']) {
          const answer = await call(socket, `/v1/events?follow=false&name=${wanted}`);
          const message = `{"message":"No such container: ${wanted}","code":"ERR_CONTAINER_UNKNOWN"}\n`;
          assert.deepEqual([answer.status, answer.body], [404, message]);
        }
      const client = grpcClient(web);
      try {
        for (const id of ['vault', 'nobody']) {
          const { events, status, details } = await readAll(client.Events({ id }));
          assert.deepEqual([events, status, details], [[], 13, 'Failed to execute events callback']);
        }
      } finally {
        client.close();
      }
      for (const filter of [
        '{"container":["aaa2"]}',
        '{"container":["vault"]}',
        '{"label!":["team=web"],"id":["aaa2"]}',
      ])
        assert.deepEqual(await native(web, `since=0&filters=${encodeURIComponent(filter)}`), []);
    });

    it('show of what any client asks for exactly the part within the limit', async () => {
      const keys = ['type', 'event', 'container', 'image', 'id', 'name', 'label', 'source', 'namespace'];
      const texts = ['container', 'network', 'start', 'die', 'c1', 'c', 'n2', 'name1', 'prod', '', '*', 'team', 'n=7'];
      const values = fc.constantFrom(...texts, 'team=web', 'team=db', 'team=*', '[cn]1', 'image=nginx');
      const withMark = (mark: string): string[] => keys.map((key) => key + mark);
      const filters = fc.dictionary(
        fc.constantFrom(...keys, ...withMark('!'), ...withMark('*'), ...withMark('~')),
        fc.array(values, { minLength: 1, maxLength: 3 }),
        { maxKeys: 3 },
      );
      const all = await native(fixture.events, 'since=0');
      const seqsWithin = (name: string): Set<number> => new Set(all.filter(LIMITS[name]![1]).map(({ seq }) => seq));
      const within = new Map(NAMES.map((name) => [name, seqsWithin(name)]));
      const begins = fc.constantFrom('since=0', `after=${fixture.pipeline.epoch}-150`, 'since=1h&quiet=1');
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...NAMES), filters, begins, async (name, asked, begin) => {
          const [, shows] = LIMITS[name]!;
          const query = `${begin}&filters=${encodeURIComponent(JSON.stringify(asked))}`;
          const open = await call(fixture.events, `/v1/events?follow=false&${query}`);
          const limited = await call(socketOf(name), `/v1/events?follow=false&${query}`);
          assert.equal(limited.status, open.status);
          if (open.status === 200) assert.deepEqual(linesOf<Shown>(limited), linesOf<Shown>(open).filter(shows));
          else assert.equal(limited.body, open.body);

          const target = `/events?until=0s&cursor=1&${query}`;
          const [openDocker, limitedDocker] = [await call(fixture.events, target), await call(socketOf(name), target)];
          assert.equal(limitedDocker.status, openDocker.status);
          if (openDocker.status !== 200) return;
          const seqOf = ({ cursor }: { readonly cursor: string }): number => Number(cursor.split('-')[1]);
          assert.deepEqual(
            linesOf(limitedDocker),
            linesOf<{ cursor: string }>(openDocker).filter((line) => within.get(name)!.has(seqOf(line))),
          );
        }),
        { numRuns: 80 },
      );
    });

    it('are told apart in the list of clients', async () => {
      const following = [fixture.events, socketOf('web')].map((socket) => follow(socket, '/v1/events?heartbeat=1'));
      await Promise.all(following.map(({ ready }) => ready));
      const list = JSON.parse((await call(fixture.admin, '/v1/clients')).body) as ClientInfo[];
      for (const { end } of following) end();
      const filters = new Map(list.map(({ listener = '', filter }) => [listener, filter]));
      assert.deepEqual(new Set(filters.keys()), new Set([fixture.events, socketOf('web')]));
      const limit = 'limit=["label=team=ops","label=team=web","type=container","type=image"]';
      assert.ok(filters.get(socketOf('web'))?.endsWith(limit), filters.get(socketOf('web')));
      assert.doesNotMatch(filters.get(fixture.events) ?? '', /limit/);
      assert.equal((await call(socketOf('web'), '/v1/clients')).status, 404);
    });

    it('find what they show in what memory no longer holds, each its own', async () => {
      const head = fixture.pipeline.stats().headSeq;
      const rare: NewEvent = { type: 'container', action: 'start', id: 'r', attributes: { team: 'ops', n: 'rare' } };
      for (let batch = 0; batch < 20; batch += 1) {
        const noise = someEvents(1000).map((event) => ({ ...event, type: 'volume', namespace: 'other' }));
        await publish([...noise, rare, { ...rare, type: 'network' }]);
      }
      const { counters } = fixture.pipeline.stats();
      assert.ok(counters.segmentsDropped > 0, 'not all of it is in memory');
      const behind = `after=${fixture.pipeline.epoch}-${head}`;
      // At the same time, with the same question: a page that is read ahead for one is none for the other.
      const answers = await Promise.all(NAMES.map((name) => native(socketOf(name), behind)));
      assert.deepEqual(
        answers.map((events) => events.map(({ type }) => type)),
        [Array.from({ length: 20 }, () => 'container'), Array.from({ length: 20 }, () => 'network'), []],
      );
      assert.equal((await docker(socketOf('web'), behind)).length, 20);
      const filters = encodeURIComponent('{"type":["container","volume","network"]}');
      assert.deepEqual(ns(await native(socketOf('net'), `${behind}&filters=${filters}`)), Array(20).fill('rare'));
    });

    it('count nothing as missed that they do not show', async () => {
      const { counters } = fixture.pipeline.stats();
      assert.deepEqual([counters.eventsMissed, counters.gaps], [0, 0]);
    });
  });

  it(`leaves no socket behind when one of several cannot be bound (${threads})`, async () => {
    const fixture = new Fixture(threads);
    try {
      const listen = [fixture.events, `unix://${fixture.root}/web.sock?group=no-such-group`];
      await assert.rejects(fixture.open({ listen }), { code: 'ERR_OPTION_INVALID', message: /no-such-group/ });
      assert.deepEqual(fs.readdirSync(fixture.root), ['monitord_fifo']);
    } finally {
      fs.rmSync(fixture.root, { recursive: true, force: true });
    }
  });
}

/** A client that stays, until it is ended. */
function follow(socketPath: string, target: string) {
  let text = '';
  let ready = (): void => {};
  const begun = new Promise<void>((resolve) => (ready = resolve));
  const request = http.get({ socketPath, path: target, agent: false }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      text += piece;
      ready();
    });
    response.on('error', () => {});
  });
  request.on('error', () => {});
  return {
    /** The first heartbeat is there: whatever is accepted now is for the client. */
    ready: begun,
    lines: () =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Shown & { readonly cursor: string }),
    end: () => request.destroy(),
  };
}
