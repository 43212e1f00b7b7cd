import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Lagged } from '../../src/index.ts';
import { call, waitFor } from '../support/daemon.ts';
import { EventSourceClient, EventSourceParser, type ServerSentEvent } from '../support/event-source.ts';
import { Fixture, type Threads } from './fixture.ts';

const SSE = { Accept: 'text/event-stream' } as const;
const ALL = '/v1/events?since=0&follow=false';
/** Ends what Docker's door would follow. */
const UNTIL_NOW = 'until=0s';

/** Clients that come back over HTTP/1.1 and go on where they were. */
export function describeResume(threads: Threads): void {
  const publish = async (fixture: Fixture, count: number, type = 'container'): Promise<void> => {
    const { pipeline } = fixture;
    const head = pipeline.stats().headSeq;
    for (let n = 1; n <= count; n += 1) {
      const event = { type, action: 'start', id: `c${head + n}`, attributes: { text: 'two\nlines' } };
      await waitFor(() => pipeline.publish(event) === 'accepted', 'room');
    }
    await fixture.head(head + count);
  };
  const seqOf = ({ data }: ServerSentEvent): number => (JSON.parse(data) as { seq: number }).seq;
  const range = (first: number, last: number): number[] =>
    Array.from({ length: last + 1 - first }, (_, index) => first + index);
  const shown = (events: readonly ServerSentEvent[]): ServerSentEvent[] =>
    events.filter(({ type }) => type !== 'heartbeat');
  const eventsOf = (body: string): ServerSentEvent[] => {
    const [first, ...rest] = new EventSourceParser().push(Buffer.from(body));
    assert.equal(first?.type, 'heartbeat', 'where the client begins comes first');
    return rest;
  };

  describe(`server-sent events (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(async () => {
      await fixture.open({ fanouts: 2 });
      await publish(fixture, 200);
    });
    after(() => fixture.close());

    it('are the native lines, each with its cursor as id', async () => {
      const lines = (await call(fixture.events, ALL)).body.trimEnd().split('\n');
      const answer = await call(fixture.events, ALL, { headers: SSE });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], 'text/event-stream');
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.ok(answer.complete, 'a clean end');
      assert.deepEqual(
        eventsOf(answer.body),
        lines.map((data) => ({
          type: 'message',
          data,
          lastEventId: (JSON.parse(data) as { cursor: string }).cursor,
        })),
      );
    });

    it('are one chunk each over HTTP/1.1, and bare over HTTP/1.0', async () => {
      const chunked = await fixture.raw(
        `GET ${ALL} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n`,
      );
      const frames: string[] = [];
      let rest = chunked.slice(chunked.indexOf('\r\n\r\n') + 4);
      for (let size = Number.parseInt(rest, 16); size > 0; size = Number.parseInt(rest, 16)) {
        const from = rest.indexOf('\r\n') + 2;
        frames.push(rest.slice(from, from + size));
        rest = rest.slice(from + size + 2);
      }
      assert.equal(rest, '0\r\n\r\n');
      assert.equal(frames.length, 1 + fixture.pipeline.stats().headSeq);
      for (const frame of frames) assert.equal(new EventSourceParser().push(Buffer.from(frame)).length, 1);
      const bare = await fixture.raw(`GET ${ALL} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n`);
      assert.equal(bare.slice(bare.indexOf('\r\n\r\n') + 4), frames.join(''));
    });

    it('are for those who ask for them: everybody else gets JSON lines', async () => {
      for (const Accept of ['*/*', 'application/x-ndjson', 'text/event-stream;q=0']) {
        const answer = await call(fixture.events, ALL, { headers: { Accept } });
        assert.equal(answer.headers['content-type'], 'application/x-ndjson', Accept);
        assert.equal(answer.headers['cache-control'], 'no-cache');
      }
    });

    it('reach a client that loses its connection again and again once each, whatever its URL says', async () => {
      const client = new EventSourceClient(fixture.events, '/v1/events?since=0');
      for (let round = 1; round <= 5; round += 1) {
        await client.connect();
        const publishing = publish(fixture, 200);
        await waitFor(() => shown(client.events).length >= 170 * round, 'some events');
        client.cut();
        await publishing;
        await publish(fixture, 20);
      }
      await client.connect();
      const head = fixture.pipeline.stats().headSeq;
      await waitFor(() => shown(client.events).length >= head, 'the rest');
      client.cut();
      assert.equal(client.headers['content-type'], 'text/event-stream');
      assert.deepEqual(shown(client.events).map(seqOf), range(1, head));
    });

    it('go on behind the last heartbeat, though a filter hid everything', async () => {
      const filters = encodeURIComponent(JSON.stringify({ type: ['rare'] }));
      const client = new EventSourceClient(fixture.events, `/v1/events?heartbeat=1&filters=${filters}`);
      await client.connect();
      await publish(fixture, 10);
      const { cursor } = fixture.pipeline.stats();
      await waitFor(() => client.events.at(-1)?.lastEventId === cursor, 'a heartbeat behind what was hidden');
      client.cut();
      for (const { type, data, lastEventId } of client.events) {
        assert.equal(type, 'heartbeat');
        assert.deepEqual(JSON.parse(data), { type, cursor: lastEventId });
      }
      await publish(fixture, 1, 'rare');
      await publish(fixture, 3);
      await client.connect();
      await waitFor(() => shown(client.events).length > 0, 'what came while it was away');
      client.cut();
      assert.equal(seqOf(shown(client.events)[0]!), fixture.pipeline.stats().headSeq - 3);
    });

    it('are refused for a last event id that is no cursor, of another log or of the future, on such requests only', async () => {
      const { epoch } = fixture.pipeline.stats();
      for (const [id, status, code] of [
        ['nonsense', 400, 'ERR_CURSOR_INVALID'],
        [`${epoch}-1, ${epoch}-2`, 400, 'ERR_CURSOR_INVALID'],
        ['aaaaaaaa-1', 409, 'ERR_CURSOR_FOREIGN'],
        [`${epoch}-999999999`, 400, 'ERR_CURSOR_FUTURE'],
      ] as const) {
        const answer = await call(fixture.events, ALL, { headers: { ...SSE, 'Last-Event-ID': id } });
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.deepEqual([answer.status, (JSON.parse(answer.body) as { code: string }).code], [status, code]);
        assert.equal((await call(fixture.events, ALL, { headers: { 'Last-Event-ID': id } })).status, 200);
      }
    });
  });

  describe(`Docker\u2019s door with after (${threads})`, () => {
    const fixture = new Fixture(threads);
    before(async () => {
      await fixture.open();
      await publish(fixture, 50);
    });
    after(() => fixture.close());

    it('begins behind that event, with the bytes that Docker\u2019s clients know', async () => {
      const { epoch } = fixture.pipeline.stats();
      for (const version of ['', '/v1.41', '/v1.54']) {
        const all = (await call(fixture.events, `${version}/events?since=0&${UNTIL_NOW}`)).body.split('\n');
        assert.equal(all.length, 51);
        for (const query of [`after=${epoch}-20`, `since=0&after=${epoch}-20`, `after=${epoch}-20&since=99999999999`]) {
          const answer = await call(fixture.events, `${version}/events?${query}&${UNTIL_NOW}`);
          assert.deepEqual([answer.status, answer.complete], [200, true]);
          assert.deepEqual(answer.body.split('\n'), all.slice(20), `${version} ${query}`);
        }
      }
    });

    it('refuses what is no cursor, of another log or of the future with a message', async () => {
      const { epoch } = fixture.pipeline.stats();
      for (const [cursor, status, message] of [
        ['nonsense', 400, /^not a cursor: "nonsense"$/],
        ['aaaaaaaa-1', 409, /^cursor aaaaaaaa-1 belongs to another log/],
        [`${epoch}-51`, 400, /is beyond the newest event/],
      ] as const) {
        const answer = await call(fixture.events, `/v1.41/events?after=${cursor}&${UNTIL_NOW}`);
        const body = JSON.parse(answer.body) as { message: string };
        assert.equal(answer.status, status);
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.deepEqual(Object.keys(body), ['message']);
        assert.match(body.message, message);
      }
    });
  });

  describe(`clients that come back too late (${threads})`, () => {
    const fixture = new Fixture(threads);
    let behind = '';
    before(async () => {
      await fixture.open({ historyEvents: 50, historyBytes: 256 * 1024 });
      // More than the shards remember by themselves for clients that are just a little behind.
      await publish(fixture, 20_000);
      await waitFor(() => fixture.pipeline.stats().oldestSeq === 19_951, 'retention');
      behind = `${fixture.pipeline.epoch}-20`;
    });
    after(() => fixture.close());

    it('hear of the gap once: its id lies behind it', async () => {
      const { epoch } = fixture.pipeline;
      const resume = async (id: string): Promise<ServerSentEvent[]> => {
        const headers = { ...SSE, 'Last-Event-ID': id };
        return eventsOf((await call(fixture.events, '/v1/events?follow=false', { headers })).body);
      };
      const [gap, ...events] = await resume(behind);
      assert.deepEqual(
        { ...gap, data: JSON.parse(gap!.data) as Lagged },
        {
          type: 'gap',
          lastEventId: `${epoch}-19950`,
          data: {
            type: 'gap',
            missed: 19_930,
            from: 21,
            to: 19_950,
            reason: 'retention',
            oldest: `${epoch}-19950`,
          },
        },
      );
      assert.deepEqual(events.map(seqOf), range(19_951, 20_000));
      assert.deepEqual(await resume(gap!.lastEventId), events);
    });

    it('are ended without the final chunk on Docker\u2019s door, which has no words for a gap', async () => {
      const answer = await call(fixture.events, `/events?after=${behind}&${UNTIL_NOW}`);
      assert.deepEqual([answer.status, answer.complete, answer.body], [200, false, '']);
    });

    it('hear of the gap on Docker\u2019s door where they have asked for cursors or heartbeats', async () => {
      for (const query of ['cursor=1', 'heartbeat=60']) {
        const answer = await call(fixture.events, `/events?after=${behind}&${UNTIL_NOW}&${query}`);
        const lines = answer.body.trimEnd().split('\n');
        const notices = lines.filter((line) => line.startsWith('{"type":"gap"'));
        assert.equal(answer.complete, true, query);
        assert.deepEqual(
          notices.map((line) => [(JSON.parse(line) as Lagged).from, (JSON.parse(line) as Lagged).to]),
          [[21, 19_950]],
        );
        assert.equal(lines.filter((line) => line.startsWith('{"Type":')).length, 50);
      }
    });
  });
}
