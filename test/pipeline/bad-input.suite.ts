import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createPipeline, sendContainerEvent } from '../../src/index.ts';
import { call, temporaryFolder, waitFor } from '../support/daemon.ts';
import { Random } from '../support/random.ts';
import { monitorRecord } from '../support/records.ts';
import { grpcClient, readAll } from '../e2e/support/grpc.ts';
import { Fixture, type Threads } from './fixture.ts';

/** Each line of the list of bad input: a clear answer, and neither the log nor anybody else is touched. */
export function describeBadInput(threads: Threads): void {
  describe(`bad input (${threads})`, () => {
    const fixture = new Fixture(threads);
    /** A client that is there all the time: it must get every good event and nothing else. */
    const bystander: { readonly ids: string[]; gaps: number } = { ids: [], gaps: 0 };
    const sent: string[] = [];
    let head = 0;

    before(async () => {
      await fixture.open();
      const subscriber = await fixture.pipeline.subscribe();
      void (async () => {
        for await (const delivery of subscriber) {
          if (delivery.type === 'gap') bystander.gaps += 1;
          else if ('id' in delivery) bystander.ids.push(delivery.id);
        }
      })();
    });
    beforeEach(() => {
      head = fixture.pipeline.stats().headSeq;
    });
    after(async () => {
      await waitFor(() => bystander.ids.length === sent.length, 'the bystander to get everything');
      assert.deepEqual(bystander, { ids: sent, gaps: 0 });
      await fixture.close();
    });

    const good = (id: string, fields: Parameters<typeof monitorRecord>[0] = {}): Buffer => {
      sent.push(id);
      return Buffer.from(monitorRecord({ ...fields, name: id }));
    };
    const counters = (): Readonly<Record<string, number>> => fixture.pipeline.stats().counters;
    const refusal = async (query: string): Promise<{ readonly status: number; readonly code: string }> => {
      const { status, body, headers } = await call(fixture.events, `/v1/events?${query}`);
      assert.equal(headers['content-type'], 'application/json');
      const { code, message } = JSON.parse(body) as { code: string; message: string };
      assert.ok(message.length > 0);
      return { status, code };
    };

    for (const seed of [1, 2, 3, 4, 5]) {
      it(`skips and counts junk of 1 to 4,000 bytes between records (seed ${seed})`, async () => {
        const random = new Random(seed);
        const junkBefore = counters()['junkBytes'] ?? 0;
        let junk = 0;
        const pieces: Buffer[] = [];
        for (let index = 0; index < 40; index += 1) {
          if (random.chance(0.5)) {
            const length = 1 + random.below(4_000);
            junk += length;
            // Any byte but those that could begin a valid record's type field.
            pieces.push(Buffer.from(Array.from({ length }, () => 3 + random.below(253))));
          }
          pieces.push(good(`seed-${seed}-${index}`), good(`seed-${seed}-${index}-b`));
        }
        // A write of at most PIPE_BUF bytes arrives whole; who writes the pieces, and how many at once, is chance.
        for (const piece of pieces) fixture.write(piece);
        await fixture.head(head + 80);
        const log = await fixture.log();
        assert.deepEqual(
          log.slice(head).map(({ id }) => id),
          sent.slice(-80),
        );
        await fixture.counter('junkBytes', junkBefore + junk);
        assert.equal(counters()['junkBytes'], junkBefore + junk);
      });
    }

    it('drops the rest of a truncated write, and reads on with the next record', async () => {
      const before = counters()['junkBytes'] ?? 0;
      fixture.write(monitorRecord({ name: 'cut-short' }).subarray(0, 595));
      await fixture.counter('junkBytes', before + 595);
      fixture.write(good('after-truncation'));
      await fixture.head(head + 1);
      assert.equal((await fixture.log()).at(-1)?.id, 'after-truncation');
    });

    it('drops what an oversized write adds behind a record', async () => {
      const before = counters()['junkBytes'] ?? 0;
      fixture.write(Buffer.concat([good('oversized'), Buffer.alloc(768, 0xee)]));
      await fixture.head(head + 1);
      await fixture.counter('junkBytes', before + 768);
      fixture.write(good('after-oversized'));
      await fixture.head(head + 2);
    });

    for (const [what, fields] of [
      ['args without a NUL', { args: 'x'.repeat(255) }],
      ['extra without a NUL', { extra: 'x'.repeat(255) }],
      ['a name without a NUL', { name: 'x'.repeat(65) }],
      ['an empty name', { name: '' }],
      ['an unknown state', { value: 29 }],
      ['a negative state', { value: -1 }],
      ['an unknown image state', { eventType: 1, value: 7 }],
      ['an unknown type', { type: 3 }],
      ['an unknown event type', { eventType: 2 }],
    ] as const) {
      it(`takes a record with ${what} for junk`, async () => {
        const before = counters()['junkBytes'] ?? 0;
        fixture.write(Buffer.concat([good('before-bad'), monitorRecord(fields), good('behind-bad')]));
        await fixture.head(head + 2);
        assert.deepEqual(
          (await fixture.log()).slice(head).map(({ id }) => id),
          ['before-bad', 'behind-bad'],
        );
        assert.equal(counters()['junkBytes'], before + 596);
      });
    }

    it('counts and ignores records of the types PRIORITY and EXIT_CODE', async () => {
      const before = counters()['recordsIgnored'] ?? 0;
      fixture.write(Buffer.concat([monitorRecord({ type: 1 }), monitorRecord({ type: 2 }), good('after-ignored')]));
      await fixture.head(head + 1);
      assert.equal(counters()['recordsIgnored'], before + 2);
    });

    it('replaces invalid UTF-8 and says so', async () => {
      const before = counters()['utf8Replaced'] ?? 0;
      fixture.write(
        good('utf8', { args: Buffer.from([0x61, 0xff, 0xc3, 0x62]), extra: Buffer.from([0x6b, 0x3d, 0xe2, 0x82]) }),
      );
      await fixture.head(head + 1);
      const event = (await fixture.log()).at(-1);
      assert.equal(event?.args, 'a\ufffd\ufffdb');
      assert.deepEqual(event?.attributes, { k: '\ufffd' });
      assert.equal(counters()['utf8Replaced'], before + 1);
    });

    it('leaves out and counts an extra annotation without "="', async () => {
      const before = counters()['extraDropped'] ?? 0;
      fixture.write(good('no-equals', { extra: 'nonsense' }));
      await fixture.head(head + 1);
      assert.deepEqual((await fixture.log()).at(-1)?.attributes, {});
      assert.equal(counters()['extraDropped'], before + 1);
    });

    it('lets built-in attributes win over labels and extra annotations of their names', async () => {
      await fixture.pipeline.containers.set('shadow', {
        name: 'web',
        image: 'busybox',
        pid: 7,
        labels: { image: 'evil', pid: '1', ok: 'yes' },
      });
      fixture.write(good('shadow', { extra: 'name=evil' }));
      await fixture.head(head + 1);
      const event = (await fixture.log()).at(-1);
      assert.deepEqual(event?.attributes, { image: 'busybox', name: 'web', ok: 'yes' });
      assert.equal(event?.pid, 7);
    });

    it('shows an event of an unknown container with what the record says, and counts it', async () => {
      const before = counters()['unknownContainers'] ?? 0;
      fixture.write(good('nobody-described-me', { pid: 42, value: 1, exitCode: -1 }));
      await fixture.head(head + 1);
      const { id, attributes, pid, exitCode } = (await fixture.log()).at(-1)!;
      assert.deepEqual(
        { id, attributes, pid, exitCode },
        { id: 'nobody-described-me', attributes: {}, pid: 42, exitCode: 125 },
      );
      assert.equal(counters()['unknownContainers'], before + 1);
    });

    it('answers an unknown container with 404 on the native door and with iSulad\u2019s text on the gRPC door', async () => {
      assert.deepEqual(await refusal('name=no-such-container'), { status: 404, code: 'ERR_CONTAINER_UNKNOWN' });
      const client = grpcClient(fixture.events);
      const { status, details } = await readAll(client.Events({ id: 'no-such-container' }));
      client.close();
      assert.deepEqual({ status, details }, { status: 13, details: 'Failed to execute events callback' });
    });

    it('answers bad queries with 400 and a code', async () => {
      assert.deepEqual(await refusal('sinse=0'), { status: 400, code: 'ERR_PARAMETER_UNKNOWN' });
      assert.deepEqual(await refusal('since=0&since=1'), { status: 400, code: 'ERR_PARAMETER_INVALID' });
      assert.deepEqual(await refusal('follow=perhaps'), { status: 400, code: 'ERR_PARAMETER_INVALID' });
      assert.deepEqual(await refusal('heartbeat=-1'), { status: 400, code: 'ERR_PARAMETER_INVALID' });
      assert.deepEqual(await refusal('lag=drop'), { status: 400, code: 'ERR_PARAMETER_INVALID' });
      assert.deepEqual(await refusal('since=20&until=10'), { status: 400, code: 'ERR_SINCE_AFTER_UNTIL' });
      assert.deepEqual(await refusal('since=yesterday'), { status: 400, code: 'ERR_TIME_INVALID' });
      assert.deepEqual(await refusal('until=2026-13-01'), { status: 400, code: 'ERR_TIME_INVALID' });
      assert.deepEqual(await refusal('after=nonsense'), { status: 400, code: 'ERR_CURSOR_INVALID' });
      assert.deepEqual(await refusal('after=aaaaaaaa-1'), { status: 409, code: 'ERR_CURSOR_FOREIGN' });
      const { epoch } = fixture.pipeline.stats();
      assert.deepEqual(await refusal(`after=${epoch}-999999999`), { status: 400, code: 'ERR_CURSOR_FUTURE' });
      assert.deepEqual(await refusal('filters=%7B'), { status: 400, code: 'ERR_FILTER_INVALID' });
      assert.deepEqual(await refusal('filters=%7B%22event~%22%3A%5B%22(%22%5D%7D'), {
        status: 400,
        code: 'ERR_FILTER_INVALID',
      });
    });

    it('answers since after until and an undecodable request with INTERNAL on the gRPC door', async () => {
      const client = grpcClient(fixture.events);
      const late = await readAll(
        client.Events({ since: { seconds: '20', nanos: 0 }, until: { seconds: '10', nanos: 0 } }),
      );
      assert.deepEqual([late.status, late.details], [13, 'Failed to execute events callback']);
      const range = await readAll(client.Events({ since: { seconds: '99999999999', nanos: 0 } }));
      assert.deepEqual([range.status, range.details], [13, 'Failed to transform grpc request']);
      client.close();
    });

    it('refuses a gRPC message over 64 KiB', async () => {
      const client = grpcClient(fixture.events);
      const { status } = await readAll(client.Events({ id: 'x'.repeat(70_000) }));
      client.close();
      assert.equal(status, 8);
    });

    it('answers unknown paths with 404 and wrong methods with 405', async () => {
      for (const [requestPath, method, status] of [
        ['/', 'GET', 404],
        ['/v1/event', 'GET', 404],
        ['/v1/events', 'POST', 405],
        ['/readyz', 'DELETE', 405],
        ['/_ping', 'DELETE', 404],
      ] as const) {
        assert.equal((await call(fixture.events, requestPath, { method })).status, status, `${method} ${requestPath}`);
      }
    });

    it('answers what is not HTTP with 400 and ends the connection', async () => {
      const before = counters()['connectionsBroken'] ?? 0;
      for (const nonsense of [
        'hello\r\n\r\n',
        'GET\r\n\r\n',
        '\x16\x03\x01\x02\x00\x01',
        `GET /v1/events HTTP/1.1\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`,
      ]) {
        const answer = await fixture.raw(nonsense);
        assert.match(answer, /^HTTP\/1\.1 4\d\d /, nonsense.slice(0, 20));
        assert.match(answer, /"code":"ERR_/);
      }
      await fixture.raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame at all, and it is longer than one');
      await fixture.counter('connectionsBroken', before + 5);
    });

    it('forgets a gRPC client that broke the protocol and went', async () => {
      const [field, frame] = [
        (name: string, value: string): string => `${name}${String.fromCharCode(value.length)}${value}`,
        (type: number, flags: number, stream: number, payload: string): string =>
          String.fromCharCode(0, 0, payload.length, type, flags, 0, 0, 0, stream) + payload,
      ];
      const headers =
        field('\x02', 'POST') +
        field('\x06', 'http') +
        field('\x04', '/containers.ContainerService/Events') +
        field('\x01', 'x') +
        field('\x0f\x10', 'application/grpc');
      const socket = net.connect(fixture.events);
      const before = (await fixture.pipeline.clients()).length;
      socket.write(
        `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frame(4, 0, 0, '')}${frame(1, 4, 1, headers)}${frame(0, 1, 1, '\0'.repeat(5))}`,
      );
      await waitFor(async () => (await fixture.pipeline.clients()).length === before + 1, 'the client to be there');
      // A ping has eight bytes.
      socket.write(frame(6, 0, 0, 'four'));
      await waitFor(() => socket.bytesRead > 0, 'an answer');
      socket.destroy();
      await waitFor(async () => (await fixture.pipeline.clients()).length === before, 'the client to be forgotten');
    });

    it('says why on both sockets, also where no request of ours came of it', async () => {
      for (const socket of [fixture.events, fixture.admin]) {
        for (const [bytes, reason] of [
          ['hello\r\n\r\n', 'HPE_INVALID_METHOD'],
          ['GET /v1/events HTTP/1.1\r\nConnection: close\r\n\r\n', 'no Host'],
        ] as const) {
          const answer = await fixture.raw(bytes, { socket });
          assert.match(answer, /^HTTP\/1\.1 400 /);
          assert.match(answer, /\r\nContent-Type: application\/json\r\n/);
          const { message } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as { message: string };
          assert.equal(message, `not a valid HTTP request (${reason})`);
        }
      }
    });

    it('answers whatever a client expects beyond that', async () => {
      const answer = await fixture.raw(
        'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nConnection: close\r\n\r\n',
      );
      assert.match(answer, /^HTTP\/1\.1 200 /);
    });

    it('cuts a stream whose client goes on with what is no request, and writes nothing into it', async () => {
      const socket = net.connect(fixture.events);
      let text = '';
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('data', (piece: Buffer) => {
        const isFirst = text === '';
        text += piece.toString('latin1');
        if (isFirst) socket.write('nonsense\r\n\r\n');
      });
      socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n');
      await closed;
      const [answer = '', body] = text.split('\r\n\r\n');
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*Transfer-Encoding: chunked/);
      // Neither an answer nor the final chunk.
      assert.equal(body, '');
    });

    it('ends a connection that says nothing, or only the beginning of something, after 10 s', async () => {
      const begun = performance.now();
      const before = counters()['connectionsSilent'] ?? 0;
      const [nothing, preface, request] = await Promise.all([
        fixture.raw(''),
        fixture.raw('PRI * HTTP/2.0\r\n'),
        fixture.raw('GET /v1/events HTTP/1.1\r\nHost: x\r\n'),
      ]);
      assert.equal(nothing + preface, '');
      assert.match(request, /^HTTP\/1\.1 408 /);
      assert.ok(performance.now() - begun >= 9_900);
      assert.equal(counters()['connectionsSilent'], before + 2);
    });

    it('ends an HTTP/2 connection that asks for nothing, and a request that never ends, after 10 s', async () => {
      const connect = (): http2.ClientHttp2Session =>
        http2.connect('http://tocsin', { createConnection: () => net.connect(fixture.events) });
      const silent = connect();
      const asking = connect();
      const before = counters()['connectionsSilent'] ?? 0;
      const stream = asking.request({
        ':method': 'POST',
        ':path': '/containers.ContainerService/Events',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.write(Buffer.of(0, 0));
      const [headers] = (await Promise.all([
        new Promise((resolve) => stream.once('response', resolve)),
        new Promise<void>((resolve) => silent.once('close', () => resolve())),
      ])) as [http2.IncomingHttpHeaders, void];
      assert.equal(headers['grpc-status'], '13');
      assert.equal(counters()['connectionsSilent'], before + 1);
      asking.destroy();
    });

    it('refuses bad container descriptions on the admin socket', async () => {
      const put = async (id: string, body: string): Promise<number> =>
        (await call(fixture.admin, `/v1/containers/${id}`, { method: 'PUT', body })).status;
      assert.equal(await put('c', 'no json'), 400);
      assert.equal(await put('c', '[]'), 400);
      assert.equal(await put('c', '{"pid":"x"}'), 400);
      assert.equal(await put('c', '{"nmae":"x"}'), 400);
      assert.equal(await put('json', '{}'), 400);
      assert.equal(await put('c', JSON.stringify({ name: 'x'.repeat(70_000) })), 413);
      assert.equal((await call(fixture.admin, '/v1/containers/none', { method: 'DELETE' })).status, 404);
    });
  });

  describe(`a FIFO that cannot be used (${threads})`, () => {
    const root = temporaryFolder();
    after(() => fs.rmSync(root, { recursive: true, force: true }));

    it('is refused when the path is a file, a folder or a symbolic link, which stay as they are', async () => {
      const file = path.join(root, 'file');
      fs.writeFileSync(file, 'precious');
      fs.symlinkSync(file, path.join(root, 'link'));
      for (const fifo of [file, root, path.join(root, 'link')]) {
        await assert.rejects(createPipeline({ threads, fifo }), { code: 'ERR_FIFO_NOT_A_FIFO' });
      }
      assert.equal(fs.readFileSync(file, 'utf8'), 'precious');
    });

    it('is refused when it belongs to someone else', {
      skip: process.geteuid?.() === 0 ? false : 'needs root to make one',
    }, async () => {
      const fifo = path.join(root, 'foreign');
      const own = await createPipeline({ threads, fifo });
      await own.close();
      fs.chownSync(fifo, 65_534, 65_534);
      await assert.rejects(createPipeline({ threads, fifo }), { code: 'ERR_FIFO_FOREIGN' });
    });

    it('is refused to a second daemon, also after a send from this process, and the first one goes on', async () => {
      const fifo = path.join(root, 'shared');
      const first = await createPipeline({ threads, fifo });
      await assert.rejects(createPipeline({ threads, fifo }), { code: 'ERR_FIFO_LOCKED' });
      // Closing any descriptor of the FIFO in this process would drop a POSIX lock.
      await sendContainerEvent(fifo, { id: 'c1', state: 'START' });
      await assert.rejects(createPipeline({ threads, fifo }), { code: 'ERR_FIFO_LOCKED' });
      await sendContainerEvent(fifo, { id: 'c1', state: 'STOPPED' });
      await waitFor(() => first.stats().headSeq === 2, 'both events');
      await first.close();
      await assert.rejects(sendContainerEvent(fifo, { id: 'c1', state: 'START' }), { code: 'ERR_FIFO_NO_READER' });
    });
  });
}
