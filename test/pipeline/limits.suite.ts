import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { grpcClient, readAll } from '../e2e/support/grpc.ts';
import { call, waitFor } from '../support/daemon.ts';
import { Fixture, type Threads } from './fixture.ts';

const HEAD = 'GET /healthz HTTP/1.1\r\nHost: x\r\n';

/** What connections may do, on event sockets: the same wherever the actors run. */
export function describeLimits(threads: Threads): void {
  describe(`limits of connections (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(() => fixture.open({ maxConnectionsPerUser: 2, maxRequests: 5, maxStreams: 3 }));
    after(() => fixture.close());
    const counter = (id: string): number =>
      (fixture.pipeline.stats().counters as Readonly<Record<string, number>>)[id] ?? 0;

    it('are told to who is one too many, on each door as it can, until there is a place again', async () => {
      const before = counter('connectionsRefused');
      const connections = counter('connections');
      const there = [net.connect(fixture.events), net.connect(fixture.events)];
      await fixture.counter('connections', connections + 2);
      const { status, body } = await call(fixture.events, '/v1/events');
      const { code, limit, maximum } = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual(
        { status, code, limit, maximum },
        { status: 429, code: 'ERR_CONNECTIONS_EXHAUSTED', limit: 'max-connections-per-user', maximum: 2 },
      );
      const client = grpcClient(fixture.events);
      assert.equal((await readAll(client.Events({}))).status, 8);
      client.close();
      await fixture.counter('connectionsRefused', before + 2);
      for (const socket of there) socket.destroy();
      await waitFor(async () => (await call(fixture.events, '/healthz')).status === 200, 'a free place');
    });

    it('let a connection bring so many requests, and say at the last that it is', async () => {
      const before = counter('connectionsSpent');
      const answer = await fixture.raw(`${HEAD}\r\n`.repeat(5));
      const heads = answer.split('HTTP/1.1 200 OK').slice(1);
      assert.equal(heads.length, 5);
      assert.deepEqual(
        heads.map((head) => head.includes('Connection: close')),
        [false, false, false, false, true],
      );
      assert.equal(counter('connectionsSpent'), before + 1);
    });

    it('let a gRPC connection bring so many calls, and let those end that run', async () => {
      const before = counter('connectionsSpent');
      const client = grpcClient(fixture.events);
      const statuses = [];
      for (let index = 0; index < 12; index += 1) {
        const past = { seconds: String(1_000 + index), nanos: 0 };
        statuses.push((await readAll(client.Events({ since: past, until: past }))).status);
      }
      assert.deepEqual(new Set(statuses), new Set([0]), 'a stock client goes on over another connection');
      assert.equal(counter('connectionsSpent'), before + 2);
      client.close();
    });
  });

  describe(`a gRPC client that has stopped reading (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(() => fixture.open({ maxLagBytes: 1024 * 1024 }));
    after(() => fixture.close());

    it('is let go of five seconds after it was ended for being too far behind', async () => {
      const { pipeline, events } = fixture;
      const session = http2.connect('http://tocsin', {
        createConnection: () => net.connect(events),
        settings: { initialWindowSize: 0 },
      });
      session.on('error', () => {});
      const stream = session.request({
        ':method': 'POST',
        ':path': '/containers.ContainerService/Events',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => {});
      const closed = new Promise((resolve) => stream.once('close', resolve));
      // One message, which is empty.
      stream.end(Buffer.alloc(5));
      await waitFor(async () => (await pipeline.clients()).length === 1, 'the client');
      const event = { type: 'container', action: 'start', id: 'c1', attributes: { note: 'x'.repeat(1000) } };
      for (let batch = 0; batch < 10; batch += 1)
        await pipeline.publishDurable(Array.from({ length: 512 }, () => event));
      await fixture.counter('clientsCut', 1);
      assert.deepEqual(await pipeline.clients(), []);
      assert.equal(stream.closed, false, 'it may still read what it has');
      await closed;
      assert.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL);
      session.destroy();
    });
  });

  describe(`requests that nobody waits for the answers of (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(() => fixture.open());
    after(() => fixture.close());

    it('end the connection, on both sockets', async () => {
      for (const socket of [fixture.events, fixture.admin]) {
        const answer = await fixture.raw(`${HEAD}\r\n`.repeat(500), { socket });
        assert.ok(answer.split('HTTP/1.1').length <= 33, 'no more than 32 are answered');
        assert.equal((await call(socket, '/healthz')).status, 200);
      }
      await fixture.counter('connectionsBroken', 1);
    });
  });
}
