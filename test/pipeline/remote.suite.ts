import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { TocsinClient } from '../../src/client/index.ts';
import type { ClientInfo, NewEvent } from '../../src/index.ts';
import { grpcClient, metadataOf, readAll, secureGrpcClient } from '../e2e/support/grpc.ts';
import { type Answer, call, waitFor } from '../support/daemon.ts';
import { callOver, freePort, shows, vector } from '../support/remote.ts';
import { SequenceCheck } from '../support/sequence.ts';
import { Fixture, type Threads } from './fixture.ts';

/** Each says which one it is. */
const someEvents = (count: number, first = 1, args = ''): NewEvent[] =>
  Array.from({ length: count }, (_, n) => ({
    type: 'container',
    action: 'exec_create',
    args,
    id: `c${n % 7}`,
    attributes: { seq: String(first + n) },
  }));

/** Sockets of one pipeline that can be reached from elsewhere: with the client's name, with its certificate, and in the clear. */
export function describeRemote(threads: Threads): void {
  describe(`listeners over TCP (${threads})`, () => {
    const fixture = new Fixture(threads);
    const CERTIFICATES = `cert=${vector('engine')}&key=${vector('engine-key')}`;
    let [named, others, anybody, clear] = [0, 0, 0, 0];
    const clients = async (): Promise<ClientInfo[]> =>
      JSON.parse((await call(fixture.admin, '/v1/clients')).body) as ClientInfo[];
    const clearly = (target: string, headers: Record<string, string> = {}): Promise<Answer> =>
      new Promise((resolve, reject) => {
        http
          .get({ host: '127.0.0.1', port: clear, path: target, headers, agent: false }, (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (text: string) => (body += text));
            response.once('close', () =>
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body,
                complete: response.complete,
              }),
            );
          })
          .once('error', reject);
      });

    before(async () => {
      const ports: number[] = [];
      while (ports.length < 4) ports.push(await freePort());
      [named, others, anybody, clear] = ports as [number, number, number, number];
      await fixture.open({
        fanouts: 2,
        listen: [
          fixture.events,
          `tcp://127.0.0.1:${named}?${CERTIFICATES}&ca=${vector('ca')}&allow=cn:client`,
          `tcp://127.0.0.1:${others}?${CERTIFICATES}&ca=${vector('ca')}&allow=cn:clien,cn:Client,san:dns:client`,
          `tcp://127.0.0.1:${anybody}?${CERTIFICATES}`,
          `tcp://127.0.0.1:${clear}?tls=off&types=image`,
        ],
      });
      await fixture.pipeline.publishDurable([
        ...someEvents(50),
        { type: 'image', action: 'pull', id: 'nginx', attributes: {} },
      ]);
    });
    after(() => fixture.close());

    it('serve every door over TLS as over a unix socket', async () => {
      for (const target of [
        '/v1/events?since=0&follow=false',
        '/events?until=0s',
        '/v1.41/events?until=0s',
        '/containers/json',
        '/v1/events?nonsense',
        '/v1.41/nonsense',
        '/readyz',
      ]) {
        const local = await call(fixture.events, target);
        for (const [port, context] of [
          [named, shows('client')],
          [anybody, shows()],
        ] as const) {
          const remote = await callOver(port, target, context);
          assert.deepEqual([remote.status, remote.body, remote.complete], [local.status, local.body, local.complete]);
        }
      }
      const range = {
        since: { seconds: '1', nanos: 0 },
        until: { seconds: String(Math.floor(Date.now() / 1000) + 1), nanos: 0 },
      };
      const local = grpcClient(fixture.events);
      const remote = secureGrpcClient(named, shows('client'));
      const [there, here] = await Promise.all([local, remote].map((client) => readAll(client.Events(range))));
      assert.equal(here?.events.length, 51);
      assert.deepEqual(here, there);
      local.close();
      remote.close();
    });

    it('are read by the client of the package', async () => {
      const { ca, cert, key } = shows('client') as Record<'ca' | 'cert' | 'key', Buffer>;
      for (const host of [`tcp://127.0.0.1:${named}`, `https://localhost:${named}`]) {
        const ids: string[] = [];
        const client = new TocsinClient({ host, tls: { ca, cert, key } });
        for await (const event of client.events({ since: '0', follow: false })) if ('id' in event) ids.push(event.id);
        assert.equal(ids.length, 51);
      }
      const first = (options: { ca?: Buffer; cert?: Buffer; key?: Buffer }): Promise<unknown> =>
        new TocsinClient({ host: `tcp://127.0.0.1:${named}`, tls: options })
          .events({ since: '0', follow: false })
          .next();
      await assert.rejects(first({ ca }), { code: 'ERR_DAEMON_UNAVAILABLE' });
      await assert.rejects(first({ ca: fs.readFileSync(vector('other-ca')) }), { code: 'ERR_DAEMON_UNAVAILABLE' });
      await assert.rejects(first({ ca, cert, key: Buffer.from('no key') }), { code: 'ERR_OPTION_INVALID' });
    });

    it('speak HTTP/1.1 with a client that speaks both, HTTP/2 with one that speaks nothing else', async () => {
      const chosen = (ALPNProtocols: string[]): Promise<string | false | null> =>
        new Promise((resolve, reject) => {
          const socket = tls.connect({ ...shows(), host: '127.0.0.1', port: anybody, ALPNProtocols }, () => {
            resolve(socket.alpnProtocol);
            socket.destroy();
          });
          socket.once('error', reject);
        });
      assert.equal(await chosen(['h2', 'http/1.1']), 'http/1.1');
      assert.equal(await chosen(['h2']), 'h2');
      await assert.rejects(chosen(['spdy/3']), /no application protocol/);
      const said = (text: string): Promise<string> =>
        new Promise((resolve) => {
          const socket = tls.connect({ ...shows(), host: '127.0.0.1', port: anybody }, () => socket.write(text));
          let answer = '';
          socket.on('data', (bytes) => (answer += bytes.toString('latin1')));
          socket.once('error', () => {}).once('close', () => resolve(answer));
        });
      assert.match(await said('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
      assert.equal(await said('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), '', 'HTTP/2 over TLS has to be agreed on');
    });

    it('are closed in the handshake to who shows no certificate, a wrong one, or an old version of TLS, and count it', async () => {
      const failed = (): number => fixture.pipeline.stats().counters.handshakesFailed;
      const attached = fixture.pipeline.stats().counters.clientsAttached;
      const refused = async (port: number, context: tls.SecureContextOptions): Promise<void> => {
        const before = failed();
        await assert.rejects(
          callOver(port, '/v1/events?since=0&follow=false', context),
          /alert|reset|hang up|disconnected|EPIPE|EPROTO/,
        );
        await waitFor(() => failed() === before + 1, 'the refusal to be counted');
      };
      await refused(named, shows());
      // It is the engine's to be one, not to come as a client.
      await refused(named, shows('engine'));
      await refused(anybody, {
        ...shows(),
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT:@SECLEVEL=0',
      });
      const before = failed();
      const plain = new Promise<string>((resolve) => {
        const socket = net.connect(anybody, '127.0.0.1', () =>
          socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n'),
        );
        let text = '';
        socket.on('data', (bytes) => (text += bytes.toString('latin1')));
        socket.once('error', () => {}).once('close', () => resolve(text));
      });
      assert.doesNotMatch(await plain, /HTTP|seq/);
      await waitFor(() => failed() === before + 1, 'the refusal to be counted');
      assert.equal(fixture.pipeline.stats().counters.clientsAttached, attached);
    });

    it('give events to those whom allow names, and health to everybody who can connect', async () => {
      for (const target of ['/v1/events?since=0&follow=false', '/events?until=0s', '/containers/json', '/info']) {
        assert.equal((await callOver(named, target, shows('client'))).status, 200);
        const denied = await callOver(others, target, shows('client'));
        assert.equal(denied.status, 403, denied.body);
        assert.match(denied.body, /not allowed to 127\.0\.0\.1:\d+ CN client on this socket/);
      }
      assert.equal((await callOver(others, '/healthz', shows('client'))).status, 200);
    });

    it('answer iSulad’s clients as it does: by its name for what they ask, and when one does not say who it is', async () => {
      const ask = async (port: number, metadata: Readonly<Record<string, string>>) => {
        const client = secureGrpcClient(port, shows('client'));
        const { status, details, events } = await readAll(
          client.Events({ until: { seconds: '1', nanos: 0 } }, metadataOf(metadata)),
        );
        client.close();
        assert.deepEqual(events, []);
        return [status, details];
      };
      const [status, details] = await ask(others, { tls_mode: '1', username: 'clien' });
      assert.equal(status, 7);
      assert.match(String(details), /^docker_events is not allowed to 127\.0\.0\.1:\d+ CN client on this socket$/);
      assert.equal(
        (await ask(others, { tls_mode: '0', username: 'clien' }))[0],
        7,
        'it cannot say that it does not matter',
      );
      assert.deepEqual(await ask(named, { tls_mode: '1' }), [2, 'unknown error']);
      for (const metadata of [
        {},
        { tls_mode: '0' },
        { tls_mode: '1', username: '' },
        { tls_mode: '1', username: 'root' },
      ])
        assert.equal((await ask(named, metadata))[0], 0);
      assert.equal((await ask(anybody, { tls_mode: '1' }))[0], 0, 'nobody asks there');
    });

    it('tell who a client is: its address, and the name in its certificate', async () => {
      const requests = [
        https.get({ ...shows('client'), host: '127.0.0.1', port: named, path: '/v1/events', agent: false }),
        https.get({ ...shows('client'), host: '127.0.0.1', port: anybody, path: '/v1/events', agent: false }),
        http.get({ host: '127.0.0.1', port: clear, path: '/v1/events', agent: false }),
      ];
      const grpc = secureGrpcClient(named, shows('client'));
      const stream = grpc.Events({}).on('error', () => {});
      const closed = requests.map(
        (request) => new Promise((resolve) => request.on('error', () => {}).once('close', resolve)),
      );
      await waitFor(async () => (await clients()).length === 4, 'the clients');
      const peers = (await clients()).map(({ door, peer, listener }) =>
        [door, listener, peer.replace(/\d+( |$)/, 'PORT$1')].join(' '),
      );
      assert.deepEqual(
        new Set(peers),
        new Set([
          `native tcp://127.0.0.1:${named} 127.0.0.1:PORT CN client`,
          `isulad tcp://127.0.0.1:${named} 127.0.0.1:PORT CN client`,
          `native tcp://127.0.0.1:${anybody} 127.0.0.1:PORT`,
          `native tcp://127.0.0.1:${clear} 127.0.0.1:PORT`,
        ]),
      );
      for (const request of requests) request.destroy();
      stream.cancel();
      grpc.close();
      await Promise.all(closed);
      await waitFor(async () => (await clients()).length === 0, 'the clients to be gone');
    });

    it('in the clear are for programs on this machine, not for pages in a browser, and have their limit', async () => {
      const { status, body } = await clearly('/v1/events?since=0&follow=false');
      assert.equal(status, 200);
      assert.deepEqual(body.match(/"type":"\w+"/g), ['"type":"image"']);
      assert.equal((await clearly('/healthz', { host: `localhost:${clear}` })).status, 200);
      for (const target of ['/v1/events?since=0&follow=false', '/events?until=0s', '/healthz'])
        assert.equal((await clearly(target, { host: `far.example:${clear}` })).status, 404, target);
    });

    it('keep a client that does not read where it is, and nobody waits for it', async () => {
      const paused = await followed(() =>
        https.get({
          ...shows('client'),
          host: '127.0.0.1',
          port: named,
          path: `/v1/events?after=${fixture.pipeline.epoch}-51`,
          agent: false,
        }),
      );
      paused.response.pause();
      const reading = await followed(() =>
        https.get({
          ...shows(),
          host: '127.0.0.1',
          port: anybody,
          path: `/v1/events?after=${fixture.pipeline.epoch}-51`,
          agent: false,
        }),
      );
      const { headSeq } = fixture.pipeline.stats();
      const check = (): SequenceCheck => new SequenceCheck();
      const [slow, fast] = [check(), check()];
      reading.response.on('data', (bytes: Buffer) => fast.push(bytes));
      const args = 'x'.repeat(500);
      for (let batch = 0; batch < 20; batch += 1)
        await fixture.pipeline.publishDurable(someEvents(1_000, headSeq + 1 + 1_000 * batch, args));
      const last = headSeq + 20_000;
      await waitFor(() => fast.last === last, 'the client that reads to have everything');
      await waitFor(
        async () => (await clients()).some(({ state }) => state === 'blocked'),
        'the other to be waited for',
      );
      const [blocked] = (await clients()).filter(({ state }) => state === 'blocked');
      assert.ok(blocked!.lagEvents > 5_000, `${blocked!.lagEvents}`);
      paused.response.on('data', (bytes: Buffer) => slow.push(bytes));
      paused.response.resume();
      await waitFor(() => slow.last === last, 'the other to catch up');
      for (const { result } of [slow, fast]) assert.deepEqual(result, { count: last - 51, first: 52, last, breaks: 0 });
      paused.request.destroy();
      reading.request.destroy();
      await waitFor(async () => (await clients()).length === 0, 'the clients to be gone');
    });

    it('end a handshake that takes longer than 10 s, and a connection that says nothing behind it', async () => {
      const before = fixture.pipeline.stats().counters;
      const closed = (socket: net.Socket): Promise<unknown> =>
        new Promise((resolve) =>
          socket
            .on('error', () => {})
            .resume()
            .once('close', resolve),
        );
      const halfDone = net.connect(named, '127.0.0.1', () => halfDone.write(Buffer.from([0x16, 3, 1])));
      // Now and then a byte does not keep it alive.
      const drip = setInterval(() => halfDone.write(Buffer.from([2])), 4_000);
      const silent = tls.connect({ ...shows(), host: '127.0.0.1', port: anybody });
      await Promise.all([closed(halfDone), closed(silent)]);
      clearInterval(drip);
      const { handshakesFailed, connectionsSilent } = fixture.pipeline.stats().counters;
      assert.equal(handshakesFailed, before.handshakesFailed + 1);
      assert.equal(connectionsSilent, before.connectionsSilent + 1);
    });

    it('end cleanly with the pipeline, and do not wait for those who have said nothing', async () => {
      const complete: boolean[] = [];
      const ends = [named, anybody].map(async (port) => {
        const { response } = await followed(() =>
          https.get({ ...shows('client'), host: '127.0.0.1', port, path: '/v1/events', agent: false }),
        );
        response.resume();
        await new Promise((resolve) => response.once('close', resolve));
        complete.push(response.complete);
      });
      const grpc = secureGrpcClient(named, shows('client'));
      const ended = readAll(grpc.Events({}));
      const halfDone = net.connect(named, '127.0.0.1', () => halfDone.write(Buffer.from([0x16, 3, 1])));
      const silent = tls.connect({ ...shows(), host: '127.0.0.1', port: anybody });
      for (const socket of [halfDone, silent]) socket.on('error', () => {});
      await waitFor(async () => (await clients()).length === 3 && silent.authorized, 'the clients');
      const began = performance.now();
      await fixture.pipeline.close();
      assert.ok(performance.now() - began < 4_000, 'nobody is waited for');
      await Promise.all(ends);
      assert.deepEqual(complete, [true, true]);
      assert.equal((await ended).status, 0);
      grpc.close();
      await assert.rejects(callOver(named, '/healthz', shows('client')), { code: 'ECONNREFUSED' });
    });
  });

  it(`does not begin to listen with certificates that are of no use, or where something listens (${threads})`, async () => {
    const port = await freePort();
    const refused = async (query: string, code: string, message: RegExp): Promise<void> => {
      const fixture = new Fixture(threads);
      try {
        const listen = [fixture.events, `tcp://127.0.0.1:${port}?${query}`];
        await assert.rejects(fixture.open({ listen }), { code, message });
        assert.deepEqual(fs.readdirSync(fixture.root), ['monitord_fifo']);
      } finally {
        fs.rmSync(fixture.root, { recursive: true, force: true });
      }
    };
    const [cert, key, ca] = [vector('engine'), vector('engine-key'), vector('ca')];
    await refused(`cert=${cert}.none&key=${key}`, 'ERR_LISTENER_TLS', /ENOENT.*engine\.pem\.none/);
    await refused(`cert=${cert}&key=${vector('client-key')}`, 'ERR_LISTENER_TLS', /engine\.pem.*mismatch/);
    await refused(
      `cert=${cert}&key=${key}&ca=${vector('README').replace('.pem', '.md')}`,
      'ERR_LISTENER_TLS',
      /no PEM/,
    );
    const server = net.createServer().listen(port, '127.0.0.1');
    await waitFor(() => server.listening, 'the server');
    await refused(`cert=${cert}&key=${key}&ca=${ca}`, 'ERR_SOCKET_UNUSABLE', /EADDRINUSE/);
    server.close();
  });
}

/** A stream whose head has come. */
async function followed(
  get: () => http.ClientRequest,
): Promise<{ readonly request: http.ClientRequest; readonly response: http.IncomingMessage }> {
  const request = get();
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  request.on('error', () => {});
  response.on('error', () => {});
  return { request, response };
}
