import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  createPipeline,
  type Delivery,
  type PipelineOptions,
  sendContainerEvent,
  sendImageEvent,
  type TocsinEvent,
} from '../../src/index.ts';
import { call, temporaryFolder, waitFor } from '../support/daemon.ts';
import { monitorRecord } from '../support/records.ts';
import { grpcClient, readAll } from '../e2e/support/grpc.ts';
import { Fixture, type Threads } from './fixture.ts';

const isEvent = (delivery: Delivery): delivery is TocsinEvent => delivery.type !== 'gap';

/** What a pipeline promises, the same on threads and inline. */
export function describePipeline(threads: Threads): void {
  describe(`an embedded pipeline (${threads})`, () => {
    async function withPipeline(
      options: PipelineOptions,
      test: (pipeline: Awaited<ReturnType<typeof createPipeline>>) => Promise<void>,
    ): Promise<void> {
      const pipeline = await createPipeline({ threads, ...options });
      try {
        await test(pipeline);
      } finally {
        await pipeline.close();
      }
    }

    async function collect(source: AsyncIterable<Delivery>, count = Infinity): Promise<Delivery[]> {
      const taken: Delivery[] = [];
      if (count === 0) return taken;
      for await (const delivery of source) {
        taken.push(delivery);
        if (taken.length === count) break;
      }
      return taken;
    }

    const publishMany = async (
      pipeline: Awaited<ReturnType<typeof createPipeline>>,
      count: number,
      first = 1,
    ): Promise<void> => {
      for (let n = first; n < first + count; n += 1) {
        await waitFor(
          () =>
            pipeline.publish({ type: 'container', action: 'start', id: `c${n % 7}`, attributes: { n: String(n) } }) ===
            'accepted',
          'room',
        );
      }
      await waitFor(() => pipeline.stats().headSeq >= first + count - 1, 'the events');
    };

    it('delivers what is published, numbered densely, in order and with strictly increasing times', async () => {
      await withPipeline({}, async (pipeline) => {
        const subscriber = await pipeline.subscribe();
        const taking = collect(subscriber, 500);
        await publishMany(pipeline, 500);
        const events = (await taking).filter(isEvent);
        events.forEach((event, index) => {
          assert.equal(event.seq, index + 1);
          assert.equal(event.cursor, `${pipeline.epoch}-${index + 1}`);
          assert.equal(event.attributes['n'], String(index + 1));
          assert.ok(index === 0 || BigInt(event.timeNano) > BigInt(events[index - 1]!.timeNano));
        });
      });
    });

    it('keeps every field of a published event', async () => {
      await withPipeline({}, async (pipeline) => {
        const event = {
          type: 'volume',
          action: 'mount',
          id: 'v1',
          args: 'rw \u2028 "x"',
          attributes: { b: '2', a: '\u00e4\ud83d\ude00' },
          pid: 1,
          exitCode: 0,
          scope: 'local',
          source: 'test',
          namespace: 'ns',
          time: { sec: 1_600_000_000, nanos: 5 },
        };
        pipeline.publish(event);
        await waitFor(() => pipeline.stats().headSeq === 1, 'the event');
        const [got] = await collect(await pipeline.subscribe({ since: '0', follow: false }));
        const { time: _, ...fields } = event;
        assert.ok(got && isEvent(got));
        assert.deepEqual(
          { ...got, seq: 0, cursor: '', time: '', timeNano: '' },
          { ...fields, seq: 0, cursor: '', time: '', timeNano: '' },
        );
        assert.equal(got.timeNano, '1600000000000000005', 'a source time is kept while order allows it');
      });
    });

    it('resumes behind a cursor with neither gap nor repetition', async () => {
      await withPipeline({}, async (pipeline) => {
        await publishMany(pipeline, 300);
        const first = (await collect(await pipeline.subscribe({ since: '0' }), 123)).filter(isEvent);
        const taking = collect(await pipeline.subscribe({ after: first.at(-1)!.cursor }), 277);
        await publishMany(pipeline, 100, 301);
        const rest = (await taking).filter(isEvent);
        assert.deepEqual(
          rest.map(({ seq }) => seq),
          Array.from({ length: 277 }, (_, index) => 124 + index),
        );
      });
    });

    it('starts live without a position, and ends with the head when it is not to follow', async () => {
      await withPipeline({}, async (pipeline) => {
        await publishMany(pipeline, 10);
        assert.deepEqual(await collect(await pipeline.subscribe({ follow: false })), []);
        assert.equal((await collect(await pipeline.subscribe({ since: '0', follow: false }))).length, 10);
        const taking = collect(await pipeline.subscribe(), 1);
        await publishMany(pipeline, 1, 11);
        assert.equal(((await taking)[0] as TocsinEvent).seq, 11);
      });
    });

    it('holds events back until a since that lies in the future', async () => {
      await withPipeline({}, async (pipeline) => {
        const since = (Date.now() / 1000 + 0.3).toFixed(9);
        const taking = collect(await pipeline.subscribe({ since }), 1);
        await publishMany(pipeline, 5);
        const begun = Date.now();
        await waitFor(() => Date.now() - begun > 320, 'the future');
        await publishMany(pipeline, 1, 6);
        assert.equal(((await taking)[0] as TocsinEvent).seq, 6);
      });
    });

    it('filters by container, action, type, label and their negation', async () => {
      await withPipeline({}, async (pipeline) => {
        for (const [type, action, id, attributes] of [
          ['container', 'start', 'aa1', { name: 'web', tier: 'front' }],
          ['container', 'die', 'aa1', { name: 'web', tier: 'front' }],
          ['container', 'start', 'bb2', { name: 'db' }],
          ['image', 'pull', 'web', {}],
        ] as const) {
          pipeline.publish({ type, action, id, attributes });
        }
        await waitFor(() => pipeline.stats().headSeq === 4, 'the events');
        const seqs = async (...filter: string[]): Promise<number[]> =>
          (await collect(await pipeline.subscribe({ since: '0', follow: false, filter }))).map(
            (event) => (event as TocsinEvent).seq,
          );
        assert.deepEqual(await seqs('container=web'), [1, 2]);
        assert.deepEqual(await seqs('container=w*', 'event=start'), [1]);
        assert.deepEqual(await seqs('type=image', 'type=container'), [1, 2, 3, 4]);
        assert.deepEqual(await seqs('label=tier=front'), [1, 2]);
        assert.deepEqual(await seqs('label!=tier', 'type=container'), [3]);
        assert.deepEqual(await seqs('event~=^(die|pull)$'), [2, 4]);
        await assert.rejects(pipeline.subscribe({ filter: ['nokey=1'] }), { code: 'ERR_FILTER_INVALID' });
      });
    });

    it('tells a subscriber that was away for longer than history reaches exactly what it missed', async () => {
      await withPipeline({ historyEvents: 50, historyBytes: 256 * 1024 }, async (pipeline) => {
        // More than the shards remember by themselves for clients that are just a little behind.
        await publishMany(pipeline, 20_000);
        await waitFor(() => pipeline.stats().oldestSeq === 19_951, 'retention');
        const { epoch } = pipeline;
        const taken = await collect(await pipeline.subscribe({ after: `${epoch}-20` }), 51);
        assert.deepEqual(taken[0], {
          type: 'gap',
          missed: 19_930,
          from: 21,
          to: 19_950,
          reason: 'retention',
          oldest: `${epoch}-19950`,
        });
        assert.deepEqual(
          taken.slice(1).map((event) => (event as TocsinEvent).seq),
          Array.from({ length: 50 }, (_, index) => 19_951 + index),
        );
        const replay = await collect(await pipeline.subscribe({ since: '0', follow: false }));
        assert.equal(replay.length, 50, 'who asks for times only is not told about what was before');
      });
    });

    it('ends a subscriber that lags further than it allowed, with ERR_CLIENT_LAGGED', async () => {
      await withPipeline({}, async (pipeline) => {
        const subscriber = await pipeline.subscribe({ lagLimit: 100 });
        await publishMany(pipeline, 20_000);
        // Nothing has been taken: what was under way is still delivered, then the stream fails.
        let got = 0;
        const reading = (async () => {
          await waitFor(() => pipeline.stats().counters.lagBreaches === 1, 'the checker');
          for await (const delivery of subscriber) if (isEvent(delivery)) got += 1;
        })();
        await assert.rejects(reading, { code: 'ERR_CLIENT_LAGGED' });
        assert.ok(got < 20_000);
        assert.equal(pipeline.stats().counters.clientsCut, 1);
      });
    });

    it('ends a subscription by break, by return and by its signal, and forgets the client', async () => {
      await withPipeline({}, async (pipeline) => {
        const abort = new AbortController();
        const aborted = await pipeline.subscribe({ signal: abort.signal });
        const taken: unknown[] = [];
        const taking = (async () => {
          for await (const delivery of aborted) taken.push(delivery);
        })();
        const broken = await pipeline.subscribe();
        await publishMany(pipeline, 1);
        await collect(broken, 1);
        await waitFor(() => taken.length === 1, 'the event at the other one');
        abort.abort();
        await taking;
        assert.equal(taken.length, 1);
        await waitFor(async () => (await pipeline.clients()).length === 0, 'both clients to be forgotten');
        assert.equal(pipeline.stats().counters.clientsLeft, 2);
      });
    });

    it('calls the write function of a push client, one event at a time, and ends it when it is cancelled', async () => {
      await withPipeline({}, async (pipeline) => {
        const seqs: number[] = [];
        let running = 0;
        let isCancelled = false;
        const client = await pipeline.addClient({
          write: async (delivery) => {
            running += 1;
            assert.equal(running, 1);
            await new Promise((resolve) => setImmediate(resolve));
            if (isEvent(delivery)) seqs.push(delivery.seq);
            running -= 1;
          },
          isCancelled: () => isCancelled,
        });
        await publishMany(pipeline, 40);
        await waitFor(() => seqs.length === 40, 'all events');
        isCancelled = true;
        await client.done;
        await waitFor(async () => (await pipeline.clients()).length === 0, 'the client to be forgotten');
        assert.deepEqual(
          seqs,
          Array.from({ length: 40 }, (_, index) => index + 1),
        );
        assert.equal(pipeline.stats().counters.cancelsSeen, 1);
      });
    });

    it('ends a push client whose write throws, and only that one', async () => {
      await withPipeline({}, async (pipeline) => {
        const other = collect(await pipeline.subscribe(), 3);
        const client = await pipeline.addClient({
          write: () => {
            throw new Error('no more');
          },
        });
        await publishMany(pipeline, 3);
        await assert.rejects(client.done, { code: 'ERR_CLIENT_FAILED', message: 'no more' });
        assert.equal((await other).length, 3);
      });
    });

    it('ends a push client whose isCancelled throws, and nothing else', async () => {
      await withPipeline({}, async (pipeline) => {
        const client = await pipeline.addClient({
          write() {},
          isCancelled: () => {
            throw new Error('who knows');
          },
        });
        await assert.rejects(client.done, { code: 'ERR_CLIENT_FAILED', message: 'who knows' });
        await waitFor(async () => (await pipeline.clients()).length === 0, 'the client to be forgotten');
      });
    });

    it('answers several calls of next at once, each with an event of its own', async () => {
      await withPipeline({}, async (pipeline) => {
        const subscriber = await pipeline.subscribe();
        const taken = Promise.all([subscriber.next(), subscriber.next(), subscriber.next()]);
        await publishMany(pipeline, 3);
        const seqs = (await taken).map(({ value }) => (value && 'seq' in value ? value.seq : undefined));
        assert.deepEqual(seqs, [1, 2, 3]);
        const last = Promise.all([subscriber.next(), subscriber.next()]);
        subscriber.cancel();
        assert.deepEqual(
          (await last).map(({ done }) => done),
          [true, true],
        );
      });
    });

    it('ends a push client when its signal is aborted', async () => {
      await withPipeline({}, async (pipeline) => {
        const abort = new AbortController();
        const client = await pipeline.addClient({ write() {}, signal: abort.signal });
        abort.abort();
        await client.done;
        await waitFor(async () => (await pipeline.clients()).length === 0, 'the client to be forgotten');
      });
    });

    it('says which folder is missing when a socket has no place', async () => {
      const listen = '/tmp/tocsin-nowhere/events.sock';
      await assert.rejects(createPipeline({ threads, listen }), {
        code: 'ERR_SOCKET_UNUSABLE',
        message: /no folder .*nowhere$/,
      });
    });

    it('fails what is asked of it when it is destroyed meanwhile', async () => {
      const pipeline = await createPipeline({ threads });
      const asked = pipeline.subscribe({ since: '1h' });
      const refused = assert.rejects(asked, { code: 'ERR_PIPELINE_CLOSED' });
      await pipeline.destroy();
      await refused;
    });

    it('lets go of the signal of a subscription that has ended', async () => {
      await withPipeline({}, async (pipeline) => {
        const { signal } = new AbortController();
        for (let time = 0; time < 3; time += 1) (await pipeline.subscribe({ signal })).cancel();
        await collect(await pipeline.subscribe({ signal, follow: false }));
        assert.equal(getEventListeners(signal, 'abort').length, 0);
      });
    });

    it('ends a push client with a passed until when it has everything', async () => {
      await withPipeline({}, async (pipeline) => {
        await publishMany(pipeline, 5);
        const seqs: number[] = [];
        const client = await pipeline.addClient({
          since: '0',
          until: '0s',
          write: (delivery) => void seqs.push((delivery as TocsinEvent).seq),
        });
        await client.done;
        assert.deepEqual(seqs, [1, 2, 3, 4, 5]);
      });
    });

    it('answers "full" instead of waiting when the collector is behind, and loses nothing that it accepted', async () => {
      await withPipeline({ historyEvents: 100_000 }, async (pipeline) => {
        const outcomes = { accepted: 0, full: 0, closed: 0 };
        // In one go: inline, the collector cannot run meanwhile; on threads it may keep up.
        for (let n = 0; n < 30_000; n += 1)
          outcomes[
            pipeline.publish({ type: 'container', action: 'start', id: 'c', attributes: { pad: 'x'.repeat(100) } })
          ] += 1;
        if (threads === 'inline') assert.ok(outcomes.full > 0);
        assert.equal(outcomes.full, pipeline.stats().counters.publishFull);
        await waitFor(() => pipeline.stats().headSeq === outcomes.accepted, 'everything accepted');
      });
    });

    it('throws on a bad event and on bad options, with a code', async () => {
      await withPipeline({}, async (pipeline) => {
        assert.throws(() => pipeline.publish({ type: '', action: 'x', id: 'y' }), { code: 'ERR_EVENT_INVALID' });
        for (const type of ['gap', 'heartbeat']) {
          assert.throws(() => pipeline.publish({ type, action: 'x', id: 'y' }), { code: 'ERR_EVENT_INVALID' });
        }
        assert.throws(() => pipeline.publish({ type: 'a', action: 'x', id: 'y', pid: 1.5 }), {
          code: 'ERR_EVENT_INVALID',
        });
        assert.throws(() => pipeline.publish({ type: 'a', action: 'x', id: 'y'.repeat(70_000) }), {
          code: 'ERR_EVENT_TOO_LARGE',
        });
        await assert.rejects(pipeline.subscribe({ since: '20', until: '10' }), { code: 'ERR_SINCE_AFTER_UNTIL' });
        await assert.rejects(pipeline.subscribe({ name: 'nobody' }), { code: 'ERR_CONTAINER_UNKNOWN' });
        await assert.rejects(pipeline.subscribe({ lagLimit: -1 }), { code: 'ERR_OPTION_INVALID' });
      });
      await assert.rejects(createPipeline({ fanouts: 33 }), { code: 'ERR_OPTION_INVALID' });
      await assert.rejects(createPipeline({ fanouts: Number.NaN }), { code: 'ERR_OPTION_INVALID' });
      await assert.rejects(createPipeline({ colour: 'red' } as PipelineOptions), { code: 'ERR_OPTION_INVALID' });
    });

    it('delivers everything accepted before it closes, and answers "closed" afterwards', async () => {
      const pipeline = await createPipeline({ threads, historyEvents: 100_000 });
      const taking = collect(await pipeline.subscribe());
      for (let n = 0; n < 5_000; n += 1) pipeline.publish({ type: 'container', action: 'start', id: 'c' });
      await pipeline.close();
      assert.equal((await taking).length, 5_000);
      assert.equal(pipeline.publish({ type: 'container', action: 'start', id: 'c' }), 'closed');
      await assert.rejects(pipeline.subscribe(), { code: 'ERR_PIPELINE_CLOSED' });
      await pipeline.close();
      await pipeline.destroy();
      await pipeline.closed;
      assert.equal(pipeline.state, 'stopped');
    });

    it('stops at once on destroy: open subscriptions fail', async () => {
      const pipeline = await createPipeline({ threads });
      const taking = collect(await pipeline.subscribe());
      const failing = assert.rejects(taking, { code: 'ERR_PIPELINE_CLOSED' });
      await pipeline.destroy();
      await failing;
    });

    it('leaves no listener on process and no handle behind, and two run side by side', async () => {
      const listeners = (): string =>
        JSON.stringify(process.eventNames().map((name) => [String(name), process.listenerCount(name)]));
      const resources = (): string[] =>
        process
          .getActiveResourcesInfo()
          .filter((type) => type !== 'Timeout' && type !== 'Immediate')
          .sort();
      const [listenersBefore, resourcesBefore] = [listeners(), resources()];
      const [one, two] = await Promise.all([createPipeline({ threads }), createPipeline({ threads })]);
      assert.equal(listeners(), listenersBefore);
      const [a, b] = [collect(await one.subscribe(), 1), collect(await two.subscribe(), 1)];
      one.publish({ type: 'container', action: 'start', id: 'in-one' });
      two.publish({ type: 'container', action: 'start', id: 'in-two' });
      assert.equal(((await a)[0] as TocsinEvent).id, 'in-one');
      assert.equal(((await b)[0] as TocsinEvent).id, 'in-two');
      assert.notEqual(one.epoch, two.epoch);
      await Promise.all([one.close(), two.close()]);
      assert.equal(listeners(), listenersBefore);
      await waitFor(
        () => resources().length <= resourcesBefore.length,
        `the handles to go: ${resources().join()} against ${resourcesBefore.join()}`,
      );
    });

    it('rejects with the cause and leaves nothing behind when it cannot start', async () => {
      const root = temporaryFolder();
      const fifo = path.join(root, 'fifo');
      const listen = path.join(root, 'no', 'such', 'folder', 'x.sock');
      await assert.rejects(createPipeline({ threads, fifo, listen }), { code: 'ERR_SOCKET_UNUSABLE' });
      // The lock of the FIFO was given back.
      const pipeline = await createPipeline({ threads, fifo });
      await pipeline.close();
      fs.rmSync(root, { recursive: true });
    });
  });

  describe(`the doors of a pipeline (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(() => fixture.open({ fanouts: 2 }));
    after(() => fixture.close());

    it('formats what the library sends over the FIFO, enriched from the container table', async () => {
      await fixture.pipeline.containers.set('0123abcd', {
        name: 'web',
        image: 'busybox',
        pid: 77,
        labels: { tier: 'front' },
      });
      await sendContainerEvent(fixture.fifo, { id: '0123abcd', state: 'START' });
      await sendContainerEvent(fixture.fifo, { id: 'web', state: 'exec_create', args: 'ls -l', extra: 'k=v' });
      await sendContainerEvent(fixture.fifo, { id: '0123', state: 'STOPPED', pid: 77, exitCode: 3 });
      await sendContainerEvent(fixture.fifo, { id: 'web', state: 'RENAME' });
      await sendImageEvent(fixture.fifo, { ref: 'busybox:latest', state: 'REMOVE' });
      await fixture.head(5);
      const log = (await fixture.log()).map(({ type, action, args, id, attributes, pid, exitCode }) => ({
        type,
        action,
        args,
        id,
        attributes,
        pid,
        exitCode,
      }));
      const attributes = { image: 'busybox', name: 'web', tier: 'front' };
      assert.deepEqual(log, [
        {
          type: 'container',
          action: 'start',
          args: undefined,
          id: '0123abcd',
          attributes,
          pid: 77,
          exitCode: undefined,
        },
        {
          type: 'container',
          action: 'exec_create',
          args: 'ls -l',
          id: '0123abcd',
          attributes: { ...attributes, k: 'v' },
          pid: 77,
          exitCode: undefined,
        },
        { type: 'container', action: 'die', args: undefined, id: '0123abcd', attributes, pid: 77, exitCode: 3 },
        {
          type: 'container',
          action: 'rename',
          args: undefined,
          id: '0123abcd',
          attributes,
          pid: undefined,
          exitCode: 3,
        },
        {
          type: 'image',
          action: 'remove',
          args: undefined,
          id: 'busybox:latest',
          attributes: {},
          pid: undefined,
          exitCode: undefined,
        },
      ]);
    });

    it('shows the same to a stock gRPC client in iSulad\u2019s words', async () => {
      const client = grpcClient(fixture.events);
      const until = { seconds: String(Math.floor(Date.now() / 1000) - 1), nanos: 0 };
      await waitFor(() => Date.now() / 1000 > Number(until.seconds) + 2, 'a second to pass');
      const { events, status } = await readAll(
        client.Events({ until: { ...until, seconds: String(Number(until.seconds) + 2) } }),
      );
      client.close();
      assert.equal(status, 0);
      assert.deepEqual(
        events.map(({ opt }) => opt),
        ['container start', 'container exec_create: ls -l', 'container die', 'container reanme', 'image remove'],
      );
      assert.deepEqual(events[2]?.annotations, {
        pid: '77',
        exitCode: '3',
        image: 'busybox',
        name: 'web',
        tier: 'front',
      });
    });

    it('gives a gRPC client without since the newest 64 events, then live ones', async () => {
      const head = fixture.pipeline.stats().headSeq;
      fixture.write(
        Buffer.concat(Array.from({ length: 100 }, (_, index) => monitorRecord({ name: 'many', extra: `n=${index}` }))),
        596,
      );
      await fixture.head(head + 100);
      const client = grpcClient(fixture.events);
      const stream = client.Events({});
      const got: string[] = [];
      stream.on('error', () => {});
      stream.on('data', (event: { annotations: Record<string, string> }) => got.push(event.annotations['n']!));
      await waitFor(() => got.length === 64, 'the replay');
      fixture.write(monitorRecord({ name: 'many', extra: 'n=live' }));
      await waitFor(() => got.length === 65, 'the live event');
      stream.cancel();
      client.close();
      assert.deepEqual(got, [...Array.from({ length: 64 }, (_, index) => String(36 + index)), 'live']);
    });

    it('follows one container by id, name or unique prefix, whatever it is called later', async () => {
      const head = fixture.pipeline.stats().headSeq;
      await fixture.pipeline.containers.set('f00d01', { name: 'apple' });
      await fixture.pipeline.containers.set('f00d02', { name: 'pear' });
      fixture.write(
        Buffer.concat([
          monitorRecord({ name: 'f00d01' }),
          monitorRecord({ name: 'f00d02' }),
          monitorRecord({ name: 'f00d01', value: 13 }),
        ]),
      );
      await fixture.head(head + 3);
      for (const name of ['f00d01', 'apple', 'f00d01']) {
        assert.deepEqual(
          (await fixture.log(`since=0&follow=false&name=${name}`)).map(({ action }) => action),
          ['start', 'stop'],
        );
      }
      const ambiguous = await call(fixture.events, '/v1/events?name=f00d');
      assert.equal(ambiguous.status, 409);
      assert.match(ambiguous.body, /f00d01, f00d02/);
      assert.ok(await fixture.pipeline.containers.remove('f00d01'));
      await fixture.pipeline.containers.set('f00d03', { name: 'apple' });
      assert.equal(
        (await fixture.log('since=0&follow=false&name=apple')).length,
        0,
        'the current bearer of a name is meant',
      );
      await fixture.pipeline.containers.remove('f00d03');
      assert.equal(
        (await fixture.log('since=0&follow=false&name=f00d01')).length,
        2,
        'a removed container still has its history',
      );
    });

    it('writes one chunk per event, and the final chunk on a clean end', async () => {
      const text = await fixture.raw(
        'GET /v1/events?since=0&follow=false HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      );
      const [head = '', ...rest] = text.split('\r\n\r\n');
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(head, /Content-Type: application\/x-ndjson/);
      let body = rest.join('\r\n\r\n');
      let chunks = 0;
      for (;;) {
        const size = Number.parseInt(body, 16);
        const at = body.indexOf('\r\n') + 2;
        if (size === 0) break;
        const line = body.slice(at, at + size);
        assert.ok(line.endsWith('\n') && JSON.parse(line), 'a chunk is one line');
        body = body.slice(at + size + 2);
        chunks += 1;
      }
      assert.equal(chunks, fixture.pipeline.stats().headSeq);
    });

    it('speaks plain lines to HTTP/1.0', async () => {
      const text = await fixture.raw('GET /v1/events?since=0&follow=false HTTP/1.0\r\n\r\n');
      const lines = text
        .slice(text.indexOf('\r\n\r\n') + 4)
        .split('\n')
        .filter((line) => line !== '');
      assert.equal(lines.length, fixture.pipeline.stats().headSeq);
      for (const line of lines) JSON.parse(line);
    });

    it('sends heartbeats with the cursor while a filter hides everything', async () => {
      const filters = encodeURIComponent(JSON.stringify({ type: ['nothing'] }));
      const until = (Date.now() / 1000 + 2.5).toFixed(3);
      const beats = (await fixture.log(`heartbeat=1&filters=${filters}&until=${until}`)) as unknown as {
        type: string;
        cursor: string;
      }[];
      assert.ok(beats.length >= 1);
      for (const beat of beats) assert.deepEqual(beat, { type: 'heartbeat', cursor: fixture.pipeline.stats().cursor });
    });

    it('spreads clients over its shards and lists them', async () => {
      const subscribers = await Promise.all(Array.from({ length: 6 }, () => fixture.pipeline.subscribe()));
      const clients = JSON.parse((await call(fixture.admin, '/v1/clients')).body) as {
        shard: number;
        door: string;
        state: string;
        cursor: string;
      }[];
      assert.equal(clients.length, 6);
      assert.deepEqual(new Set(clients.map(({ shard }) => shard)), new Set([0, 1]));
      for (const { door, state, cursor } of clients)
        assert.deepEqual([door, state, cursor], ['subscribe', 'live', fixture.pipeline.stats().cursor]);
      for (const subscriber of subscribers) subscriber.cancel();
    });

    it('answers health and statistics', async () => {
      for (const socket of [fixture.events, fixture.admin]) {
        for (const requestPath of ['/_ping', '/healthz', '/readyz']) {
          const answer = await call(socket, requestPath);
          assert.deepEqual([answer.status, answer.body], [200, 'OK']);
        }
      }
      const { body } = await call(fixture.admin, '/v1/stats');
      const stats = JSON.parse(body) as { headSeq: number; state: string; counters: Record<string, number> };
      assert.equal(stats.state, 'running');
      assert.equal(stats.counters['events'], stats.headSeq);
    });

    it('changes the container table over the admin socket', async () => {
      const put = await call(fixture.admin, '/v1/containers/abc%2F1', {
        method: 'PUT',
        body: '{"name":"slash","labels":{"a":"b"}}',
      });
      assert.equal(put.status, 200);
      assert.deepEqual(JSON.parse(put.body), {
        id: 'abc/1',
        name: 'slash',
        labels: { a: 'b' },
        known: true,
        removed: false,
      });
      assert.equal((await call(fixture.admin, '/v1/containers/abc%2F1', { method: 'DELETE' })).status, 200);
      const list = JSON.parse((await call(fixture.admin, '/v1/containers')).body) as { id: string; removed: boolean }[];
      assert.ok(list.some(({ id, removed }) => id === 'abc/1' && removed));
    });
  });
}
