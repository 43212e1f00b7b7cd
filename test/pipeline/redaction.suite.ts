import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Delivery, NewEvent } from '../../src/index.ts';
import { grpcClient, readAll } from '../e2e/support/grpc.ts';
import { call, waitFor } from '../support/daemon.ts';
import { writeHistory } from '../support/written-history.ts';
import { Fixture, type Threads } from './fixture.ts';

const SECRET = 'zQ9-s3cret';
const COMMAND = `mysql --password ${SECRET} -u root`;
const SHOWN = 'mysql --password *** -u root';
const EVENTS: readonly NewEvent[] = [
  {
    type: 'container',
    action: 'exec_create',
    args: COMMAND,
    id: 'c1',
    attributes: { image: 'bb:1', name: 'web', 'db.password': SECRET, url: `http://me:${SECRET}@host/`, tier: 'front' },
  },
  { type: 'container', action: 'start', id: 'c1', attributes: { image: 'bb:1', name: 'web' } },
];
const STREAMS: readonly (readonly [target: string, accept?: string])[] = [
  ['/v1/events?since=0&follow=false'],
  ['/v1/events?since=0&follow=false', 'text/event-stream'],
  ['/v1.24/events?until=0s'],
  ['/v1.47/events?until=0s&cursor=1'],
  ['/events?until=0s', 'application/json-seq'],
];

/** Filters that ask for the secret, each in another way. */
const PROBES: readonly Readonly<Record<string, readonly string[]>>[] = [
  { event: [`exec_create: ${COMMAND}`] },
  { label: [`db.password=${SECRET}`] },
  { label: [`url=http://me:${SECRET}@host/`] },
  { 'event~': ['password zQ9'] },
  { 'label~': ['db.password=zQ9'] },
];
/** The same for what is shown in its place. */
const SHOWN_PROBES: readonly Readonly<Record<string, readonly string[]>>[] = [
  { event: [`exec_create: ${SHOWN}`] },
  { label: ['db.password=***'] },
  { label: ['url=http://me:***@host/'] },
  { 'event~': ['password \\*\\*\\* -u'] },
  { 'label~': ['db.password=^[*]+$'] },
];

/** What a stream says up to this word. */
function upTo(socketPath: string, target: string, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path: target, agent: false }, (response) => {
      let text = '';
      response.on('error', () => {});
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (!text.includes(word)) return;
        resolve(text);
        request.destroy();
      });
    });
    request.once('error', reject);
  });
}

/** Events in which secrets stand, over every door. */
export function describeRedaction(threads: Threads): void {
  for (const redact of [true, false])
    describe(`secrets of events, ${redact ? 'redacted' : 'as they are'} (${threads})`, () => {
      const fixture = new Fixture(threads);
      const eventLog = path.join(fixture.root, 'events.log');
      const shown = redact ? '***' : SECRET;
      before(async () => {
        await fixture.open({ fanouts: 1, eventLog, ...(redact ? {} : { redact }) });
        await fixture.pipeline.containers.set('c1', { name: 'web', pid: 1, labels: { 'db.password': SECRET } });
        await fixture.pipeline.publishDurable(EVENTS);
      });
      after(() => fixture.close());

      const lines = async (target: string): Promise<number> =>
        (await call(fixture.events, target)).body.split('\n').length - 1;
      const found = async (filters: Readonly<Record<string, readonly string[]>>): Promise<readonly number[]> => {
        const query = encodeURIComponent(JSON.stringify(filters));
        return Promise.all(
          ['/v1/events?since=0&follow=false', '/v1.41/events?until=0s'].map((each) =>
            lines(`${each}&filters=${query}`),
          ),
        );
      };

      it('stand in no format of the native and the Docker door, unless it is told to show them', async () => {
        for (const [target, accept] of STREAMS) {
          const { body, status } = await call(fixture.events, target, accept ? { headers: { Accept: accept } } : {});
          assert.equal(status, 200);
          assert.equal(body.includes(SECRET), !redact, target);
          for (const part of [
            `--password ${shown} -u`,
            `"db.password":"${shown}"`,
            `me:${shown}@host/`,
            '"tier":"front"',
          ])
            assert.ok(body.includes(part), `${target}: ${part}`);
        }
      });

      it('stand in no label of a container on the Docker door, but for its owner', async () => {
        for (const target of ['/containers/json', '/containers/c1/json']) {
          const { body } = await call(fixture.events, target);
          assert.ok(body.includes(`"db.password":"${shown}"`), body);
        }
        assert.ok((await call(fixture.admin, '/v1/containers')).body.includes(SECRET));
      });

      it('stand in the event log as on these doors', async () => {
        await waitFor(() => fs.readFileSync(eventLog, 'utf8').includes('container start'), 'the lines');
        const text = fs.readFileSync(eventLog, 'utf8');
        assert.equal(text.includes(SECRET), !redact);
        assert.ok(text.includes(`exec_create: mysql --password ${shown} -u root`));
      });

      it('are shown to iSulad’s clients and to the embedding program, unless that asks not to see them', async () => {
        const client = grpcClient(fixture.events);
        const { events } = await readAll(
          client
            .Events({ until: { seconds: String(2 ** 32 - 2), nanos: 0 } })
            .on('data', function (this: { cancel(): void }) {
              this.cancel();
            }),
        );
        client.close();
        assert.ok(events[0]!.opt.includes(SECRET));
        for (const asks of [true, false]) {
          const seen: Delivery[] = [];
          const options = { since: '0', follow: false, ...(asks ? { redact: true } : {}) };
          for await (const event of await fixture.pipeline.subscribe(options)) seen.push(event);
          assert.equal(JSON.stringify(seen).includes(SECRET), !asks);
          assert.equal(seen.length, 2);
        }
      });

      it('are not confirmed by any filter, of history or live', async () => {
        for (const probe of PROBES)
          assert.deepEqual(await found(probe), redact ? [0, 0] : [1, 1], JSON.stringify(probe));
        if (redact)
          for (const probe of SHOWN_PROBES) assert.deepEqual(await found(probe), [1, 1], JSON.stringify(probe));
        const query = encodeURIComponent(JSON.stringify({ event: [...PROBES[0]!['event']!, 'pause'] }));
        const before = fixture.pipeline.stats().counters.clientsAttached;
        const streams = ['/v1/events', '/events'].map((each) =>
          upTo(fixture.events, `${each}?filters=${query}`, 'pause'),
        );
        await fixture.counter('clientsAttached', before + 2);
        await fixture.pipeline.publishDurable([...EVENTS, { type: 'container', action: 'pause', id: 'c1' }]);
        for (const text of await Promise.all(streams)) assert.equal(text.includes('exec_create'), !redact);
      });
    });

  for (const redact of [true, false])
    describe(`secrets on a listener that is told otherwise, where ${redact ? 'they are redacted' : 'they are shown'} (${threads})`, () => {
      const fixture = new Fixture(threads);
      const other = path.join(fixture.root, 'other.sock');
      before(async () => {
        await fixture.open({ listen: [fixture.events, `unix://${other}?redact=${redact ? 'off' : 'on'}`], redact });
        await fixture.pipeline.containers.set('c1', { name: 'web', pid: 1, labels: { 'db.password': SECRET } });
        await fixture.pipeline.publishDurable(EVENTS);
      });
      after(() => fixture.close());

      it('are shown on one and not on the other, in events and in labels', async () => {
        for (const [socket, shows] of [
          [fixture.events, !redact],
          [other, redact],
        ] as const)
          for (const target of [...STREAMS.map(([stream]) => stream), '/containers/json', '/containers/c1/json']) {
            const { body } = await call(socket, target);
            assert.equal(body.includes(SECRET), shows, `${socket} ${target}`);
            assert.equal(body.includes('***'), !shows, `${socket} ${target}`);
          }
      });
    });

  describe(`secrets in a history on disk (${threads})`, () => {
    const fixture = new Fixture(threads);
    const history = path.join(fixture.root, 'history');
    before(async () => {
      // As a version without redaction wrote it.
      fs.mkdirSync(history);
      const others = Array.from(
        { length: 2000 },
        (_, n): NewEvent => ({
          type: 'container',
          action: 'start',
          id: `d${n}`,
          attributes: { text: 'x'.repeat(300) },
        }),
      );
      await writeHistory(history, [...EVENTS, ...others], { perBatch: 100 });
      await fixture.open({ history, memoryBytes: 256 * 1024, redactNames: ['tier'] });
    });
    after(() => fixture.close());

    it('are hidden, also from before there was redaction, and by the names that count now', async () => {
      const [event] = await fixture.log();
      assert.equal(event?.args, SHOWN);
      assert.deepEqual(event.attributes, {
        image: 'bb:1',
        name: 'web',
        'db.password': '***',
        url: 'http://me:***@host/',
        tier: '***',
      });
    });

    it('are not found by filters that are looked for on other threads', async () => {
      const asked = async (filters: unknown): Promise<number> =>
        (await fixture.log(`since=0&follow=false&filters=${encodeURIComponent(JSON.stringify(filters))}`)).length;
      for (const probe of PROBES) assert.equal(await asked(probe), 0, JSON.stringify(probe));
      for (const probe of [...SHOWN_PROBES, { label: ['tier=***'] }])
        assert.equal(await asked(probe), 1, JSON.stringify(probe));
      assert.ok(fixture.pipeline.stats().counters.pagesScanned > 0);
      // The same words, asked by somebody who may see secrets: nothing is shared between the two.
      const filter = [`event=exec_create: ${COMMAND}`];
      const seen: Delivery[] = [];
      for await (const one of await fixture.pipeline.subscribe({ since: '0', follow: false, filter })) seen.push(one);
      assert.equal(seen.length, 1);
    });
  });
}
