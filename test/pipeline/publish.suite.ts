import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Published } from '../../src/index.ts';
import { call, waitFor } from '../support/daemon.ts';
import { monitorRecord } from '../support/records.ts';
import { type Event, Fixture, type Threads } from './fixture.ts';

const INVALID_UTF8 = Buffer.from('{"type":"a","action":"b","id":"x\xe2y"}', 'latin1');

/** What a publisher is promised, by the library and over the admin socket. */
export function describePublish(threads: Threads): void {
  describe(`publishers (${threads})`, () => {
    const fixture = new Fixture(threads);
    let head = 0;

    before(() => fixture.open({ historyEvents: 200_000, historyBytes: 256 * 1024 ** 2 }));
    beforeEach(() => {
      head = fixture.pipeline.stats().headSeq;
    });
    after(() => fixture.close());

    const newEvents = async (): Promise<Event[]> => (await fixture.log()).filter(({ seq }) => seq > head);
    const newNumbers = async (): Promise<string[]> =>
      (await newEvents()).map(({ attributes }) => attributes['n'] ?? '');
    const cursorAt = (seq: number): string => `${fixture.pipeline.epoch}-${seq}`;

    it('are answered with the cursor of the last event once every event can be read', async () => {
      const published = await fixture.pipeline.publishDurable(numbered(1, 1_000));
      assert.deepEqual(published, { cursor: cursorAt(head + 1_000), appended: 1_000, repeated: 0 });
      assert.equal(fixture.pipeline.stats().headSeq, head + 1_000);
      assert.deepEqual(await newNumbers(), range(1, 1_000));
    });

    it('bring nothing in with a batch of which one event is none, and are told which', async () => {
      for (const [bad, code] of [
        [{ type: 'container', action: 'start' }, 'ERR_EVENT_INVALID'],
        [{ type: 'container', action: 'start', id: 'c', args: 'x'.repeat(70_000) }, 'ERR_EVENT_TOO_LARGE'],
      ] as const) {
        const batch = [...numbered(1, 5_000), bad as never, ...numbered(5_002, 5_010)];
        await assert.rejects(fixture.pipeline.publishDurable(batch), { code, message: /^event 5001: / });
      }
      await assert.rejects(fixture.pipeline.publishDurable([]), { code: 'ERR_EVENT_INVALID' });
      await assert.rejects(fixture.pipeline.publishDurable('no list' as never), { code: 'ERR_EVENT_INVALID' });
      // What comes next in the same ring is numbered behind them.
      await fixture.pipeline.publishDurable(numbered(1, 1));
      assert.deepEqual(await newNumbers(), ['1']);
    });

    it('may publish while one of their events is read', async () => {
      const { pipeline } = fixture;
      const [one, two] = numbered(1, 2);
      const reading = {
        type: 'container',
        action: 'start',
        get id() {
          assert.equal(pipeline.publish(one!), 'accepted');
          return 'c1';
        },
        attributes: { n: '3' },
      };
      await pipeline.publishDurable([two!, reading]);
      assert.equal(pipeline.publish(reading), 'accepted');
      await fixture.head(head + 5);
      assert.deepEqual(await newNumbers(), ['1', '2', '3', '1', '3']);
    });

    it('keep the order of 30,000 events, which take several parts and more than the ring holds', async () => {
      const batch = numbered(1, 30_000);
      const published = await fixture.pipeline.publishDurable(batch, { publisher: 'long', sequence: 1 });
      assert.deepEqual(published, { cursor: cursorAt(head + 30_000), appended: 30_000, repeated: 0 });
      assert.deepEqual(await newNumbers(), range(1, 30_000));
    });

    it('have their batches in the order in which they were handed over, none inside another', async () => {
      const sizes = [1, 3_000, 2, 700, 1];
      const batches = sizes.map((size, index) => numbered(1, size, `b${index}`));
      const published = await Promise.all(batches.map((batch) => fixture.pipeline.publishDurable(batch)));
      let end = head;
      for (const [index, size] of sizes.entries()) {
        end += size;
        assert.equal(published[index]!.cursor, cursorAt(end));
      }
      assert.deepEqual(
        (await newEvents()).map(({ id, attributes }) => `${id}:${attributes['n']}`),
        batches.flat().map(({ id, attributes }) => `${id}:${attributes.n}`),
      );
    });

    it('are refused numbers that do not follow, and told the one that would', async () => {
      const { pipeline } = fixture;
      await pipeline.publishDurable(numbered(1, 10), { publisher: 'hole', sequence: 1 });
      await assert.rejects(pipeline.publishDurable(numbered(12, 20), { publisher: 'hole', sequence: 12 }), {
        code: 'ERR_PUBLISHER_SEQUENCE',
        status: 409,
        detail: { expected: 11 },
      });
      // All parts of a longer one, too.
      await assert.rejects(pipeline.publishDurable(numbered(12, 20_000), { publisher: 'hole', sequence: 12 }), {
        code: 'ERR_PUBLISHER_SEQUENCE',
        detail: { expected: 11 },
      });
      const answer = await post('publisher=hole&sequence=12', lines(12, 12));
      assert.equal(answer.status, 409);
      assert.equal(answer.body['code'], 'ERR_PUBLISHER_SEQUENCE');
      assert.equal(answer.body['expected'], 11);
      await pipeline.publishDurable(numbered(11, 11), { publisher: 'hole', sequence: 11 });
      assert.deepEqual(await newNumbers(), range(1, 11));
    });

    it('may send again what overlaps: only what is new is appended', async () => {
      const { pipeline } = fixture;
      const send = (from: number, to: number): Promise<Published> =>
        pipeline.publishDurable(numbered(from, to), { publisher: 'retry', sequence: from });
      assert.deepEqual(await send(1, 5_000), { cursor: cursorAt(head + 5_000), appended: 5_000, repeated: 0 });
      assert.deepEqual(await send(2_500, 9_000), { cursor: cursorAt(head + 9_000), appended: 4_000, repeated: 2_501 });
      assert.deepEqual(await send(1, 9_000), { cursor: cursorAt(head + 9_000), appended: 0, repeated: 9_000 });
      // A retry of old events does not make the newer ones unknown.
      assert.deepEqual(await send(1, 10), { cursor: cursorAt(head + 9_000), appended: 0, repeated: 10 });
      assert.deepEqual(await send(9_000, 9_001), { cursor: cursorAt(head + 9_001), appended: 1, repeated: 1 });
      assert.deepEqual(await newNumbers(), range(1, 9_001));
    });

    it('are refused names and numbers that cannot be', async () => {
      for (const origin of [
        { publisher: '', sequence: 1 },
        { publisher: 'x'.repeat(129), sequence: 1 },
        { publisher: 7 as never, sequence: 1 },
        { publisher: 'p', sequence: 0 },
        { publisher: 'p', sequence: 1.5 },
        { publisher: 'p', sequence: Number.MAX_SAFE_INTEGER },
      ]) {
        await assert.rejects(fixture.pipeline.publishDurable(numbered(1, 1), origin), { code: 'ERR_OPTION_INVALID' });
      }
      assert.equal(fixture.pipeline.stats().headSeq, head);
    });

    it('may have numbers beyond 32 bits and names of any letters', async () => {
      const sequence = 2 ** 45 + 123;
      const publisher = '\u00e4\ud83d\ude00'.repeat(42);
      const send = (from: number, count: number): Promise<Published> =>
        fixture.pipeline.publishDurable(numbered(1, count), { publisher, sequence: from });
      assert.equal((await send(sequence, 3)).appended, 3);
      assert.deepEqual(await send(sequence, 3), { cursor: cursorAt(head + 3), appended: 0, repeated: 3 });
      await assert.rejects(send(sequence + 4, 1), { detail: { expected: sequence + 3 } });
    });

    describe('over the admin socket', () => {
      it('are answered with cursor, appended and repeated', async () => {
        const body = lines(1, 100);
        const first = await post('publisher=http&sequence=1', body);
        assert.deepEqual(first, {
          status: 200,
          body: { cursor: cursorAt(head + 100), appended: 100, repeated: 0 },
        });
        assert.deepEqual(await post('publisher=http&sequence=1', body), {
          status: 200,
          body: { cursor: cursorAt(head + 100), appended: 0, repeated: 100 },
        });
        assert.deepEqual(await post('', `\n${lines(101, 101)}\n\n`), {
          status: 200,
          body: { cursor: cursorAt(head + 101), appended: 1, repeated: 0 },
        });
        assert.deepEqual(await newNumbers(), range(1, 101));
      });

      it('are told the line that is no event, and nothing of the body is appended', async () => {
        for (const bad of ['{', '[]', '{"type":"a","action":"b","id":"c","nonsense":1}', '{"type":"a","action":"b"}']) {
          const { status, body } = await post('', `${lines(1, 40)}\n${bad}\n${lines(42, 50)}`);
          assert.equal(status, 400, bad);
          assert.equal(body['code'], 'ERR_EVENT_INVALID', bad);
          assert.match(String(body['message']), /^line 41: /, bad);
        }
        for (const nothing of ['', '\n\n', ' \r\n']) assert.equal((await post('', nothing)).status, 400);
        assert.equal(fixture.pipeline.stats().headSeq, head);
      });

      it('have what is no UTF-8 replaced and counted', async () => {
        const counted = (): number => fixture.pipeline.stats().counters.utf8Replaced ?? 0;
        const before = counted();
        const body = Buffer.concat([Buffer.from(`${lines(1, 1)}\n`), INVALID_UTF8, Buffer.from(`\n${lines(2, 2)}`)]);
        const { status } = await call(fixture.admin, '/v1/events', { method: 'POST', body });
        assert.equal(status, 200);
        const events = await newEvents();
        assert.deepEqual(
          events.map(({ id }) => id),
          ['c1', 'x\ufffdy', 'c1'],
        );
        assert.equal(counted(), before + 1);
      });

      it('are told by which limit a body is too long, however much of it is still to come', async () => {
        for (const bytes of [1024 * 1024 + 1, 1.5 * 1024 * 1024, 3 * 1024 * 1024, 16 * 1024 * 1024]) {
          for (let round = 0; round < 5; round += 1) {
            const { status, body } = await post('', 'x'.repeat(bytes));
            assert.equal(status, 413);
            assert.equal(body['code'], 'ERR_BODY_TOO_LARGE');
            assert.equal(body['limit'], 'publish-body-bytes');
            assert.equal(body['maximum'], 1024 * 1024);
          }
        }
        // A client that is slower than the daemon is still sending when it has long been too much.
        const { status: inPieces, text } = await postPieces(fixture.admin, '/v1/events', 'x'.repeat(10_000), 300);
        assert.equal(inPieces, 413);
        assert.match(text, /"publish-body-bytes"/);
        // What such a body took is given back: the limit of all bodies together is not reached.
        const { status } = await post('', lines(1, 5_000));
        assert.equal(status, 200);
        assert.deepEqual(await newNumbers(), range(1, 5_000));
      });

      it('are refused parameters that are unknown, that lack the other or that cannot be', async () => {
        for (const [query, code] of [
          ['nonsense=1', 'ERR_PARAMETER_UNKNOWN'],
          ['publisher=p&sequence=1&since=0', 'ERR_PARAMETER_UNKNOWN'],
          ['publisher=p', 'ERR_PARAMETER_INVALID'],
          ['sequence=1', 'ERR_PARAMETER_INVALID'],
          ['publisher=p&sequence=', 'ERR_PARAMETER_INVALID'],
          ['publisher=p&sequence=-1', 'ERR_PARAMETER_INVALID'],
          ['publisher=p&sequence=1e3', 'ERR_PARAMETER_INVALID'],
          ['publisher=p&sequence=12345678901234567', 'ERR_PARAMETER_INVALID'],
          ['publisher=&sequence=1', 'ERR_OPTION_INVALID'],
          ['publisher=p&sequence=0', 'ERR_OPTION_INVALID'],
        ] as const) {
          const { status, body } = await post(query, lines(1, 1));
          assert.deepEqual([query, status, body['code']], [query, 400, code]);
        }
        assert.equal(fixture.pipeline.stats().headSeq, head);
      });

      it('are answered with 405 for another method', async () => {
        for (const requestPath of ['/v1/events', '/v1/history']) {
          assert.equal((await call(fixture.admin, requestPath)).status, 405);
          assert.equal((await call(fixture.admin, requestPath, { method: 'DELETE' })).status, 405);
        }
      });

      it('cannot import history any more, also when there is much of it', async () => {
        for (const body of [lines(1, 1), lines(1, 100_000)]) {
          const answer = await call(fixture.admin, '/v1/history', { method: 'POST', body });
          assert.equal(answer.status, 409);
          assert.equal((JSON.parse(answer.body) as { code: string }).code, 'ERR_LOG_NOT_EMPTY');
        }
        await fixture.pipeline.publishDurable(numbered(1, 1));
        assert.deepEqual(await newNumbers(), ['1']);
      });
    });

    async function post(
      query: string,
      body: string,
    ): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
      const answer = await call(fixture.admin, `/v1/events?${query}`, { method: 'POST', body });
      assert.equal(answer.complete, true);
      assert.equal(answer.headers['content-type'], 'application/json');
      return { status: answer.status, body: JSON.parse(answer.body) as Readonly<Record<string, unknown>> };
    }
  });

  describe(`publishers of a pipeline that closes (${threads})`, () => {
    it('get their answers first; then everything is refused', async () => {
      const fixture = new Fixture(threads);
      await fixture.open();
      const { pipeline } = fixture;
      try {
        const inFlight = [
          pipeline.publishDurable(numbered(1, 20_000)),
          pipeline.publishDurable(numbered(20_001, 20_003)),
        ];
        let answered = 0;
        for (const answer of inFlight) void answer.then(() => (answered += 1));
        await pipeline.close();
        assert.equal(answered, 2);
        assert.equal((await inFlight[1])?.cursor, `${pipeline.epoch}-20003`);
        const [event] = numbered(1, 1);
        assert.equal(pipeline.publish(event!), 'closed');
        await assert.rejects(pipeline.publishDurable([event!]), { code: 'ERR_PIPELINE_CLOSED' });
        await assert.rejects(pipeline.importHistory([[event!]]), { code: 'ERR_PIPELINE_CLOSED' });
        assert.equal(pipeline.stats().headSeq, 20_003);
      } finally {
        await fixture.close();
      }
    });
  });

  describe(`an import (${threads})`, () => {
    const past = (
      n: number,
    ): ReturnType<typeof numbered>[number] & { readonly time: { sec: number; nanos: number } } => ({
      ...numbered(n, n, 'old')[0]!,
      time: { sec: 1_000_000_000 + n, nanos: n },
    });

    it('keeps everybody else waiting; what came meanwhile is there afterwards', async () => {
      const fixture = new Fixture(threads);
      await fixture.open();
      const { pipeline } = fixture;
      try {
        let release: () => void = () => {};
        const released = new Promise<void>((resolve) => (release = resolve));
        const importing = pipeline.importHistory(
          (async function* () {
            yield [past(1), past(2)];
            await released;
            yield [past(3)];
          })(),
        );
        await fixture.head(2);
        const [now] = numbered(1, 1, 'now');
        assert.equal(pipeline.publish(now!), 'full');
        await assert.rejects(pipeline.publishDurable([now!]), { code: 'ERR_IMPORT_RUNNING' });
        const refused = await call(fixture.admin, '/v1/events', { method: 'POST', body: lines(1, 1) });
        assert.equal(refused.status, 503);
        const second = await call(fixture.admin, '/v1/history', { method: 'POST', body: lines(1, 1) });
        assert.equal(second.status, 503);
        fixture.write(Buffer.concat([1, 2, 3].map((n) => monitorRecord({ name: `fifo${n}` }))));
        await fixture.counter('recordsRead', 3);
        assert.equal(pipeline.stats().headSeq, 2);
        release();
        assert.deepEqual(await importing, { cursor: `${pipeline.epoch}-3`, appended: 3, repeated: 0 });
        await fixture.head(6);
        assert.equal(pipeline.publish(now!), 'accepted');
        await fixture.head(7);
        const log = (await fixture.log()) as (Event & { readonly timeNano: string })[];
        assert.deepEqual(
          log.map(({ id }) => id),
          ['old', 'old', 'old', 'fifo1', 'fifo2', 'fifo3', 'now'],
        );
        assert.deepEqual(
          log.slice(0, 3).map(({ timeNano }) => timeNano),
          ['1000000001000000001', '1000000002000000002', '1000000003000000003'],
        );
      } finally {
        await fixture.close();
      }
    });

    it('that fails lets everybody go on', async () => {
      const fixture = new Fixture(threads);
      await fixture.open();
      const { pipeline } = fixture;
      try {
        // The client is still sending when the daemon has long met the bad line.
        const answer = await postPieces(fixture.admin, '/v1/history', 'no event\n'.repeat(1_000), 300);
        assert.equal(answer.status, 400);
        assert.match(answer.text, /line 1: /);
        // An import that brought nothing in has not begun the log either.
        const body = `${lines(1, 1_000)}\nno event\n${lines(1, 40_000)}`;
        const late = await call(fixture.admin, '/v1/history', { method: 'POST', body });
        assert.equal(late.status, 400);
        assert.match(late.body, /line 1001: /);
        assert.equal(pipeline.publish(numbered(1, 1, 'now')[0]!), 'accepted');
        fixture.write(monitorRecord({ name: 'fifo' }));
        await waitFor(async () => {
          const ids = (await fixture.log()).map(({ id }) => id);
          return ids.includes('now') && ids.includes('fifo');
        }, 'the others');
      } finally {
        await fixture.close();
      }
    });

    it('does not keep a pipeline from closing', async () => {
      const fixture = new Fixture(threads);
      await fixture.open();
      let release: () => void = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      const importing = fixture.pipeline.importHistory(
        (async function* () {
          yield [past(1)];
          await released;
          yield [past(2)];
        })(),
      );
      const refused = assert.rejects(importing, { code: 'ERR_PIPELINE_CLOSED' });
      await fixture.head(1);
      const closing = fixture.pipeline.close();
      release();
      await Promise.all([closing, refused]);
      assert.equal(fixture.pipeline.stats().headSeq, 1);
      await fixture.close();
    });
  });
}

function numbered(
  from: number,
  to: number,
  id = 'c1',
): { type: string; action: string; id: string; attributes: { readonly n: string } }[] {
  return range(from, to).map((n) => ({ type: 'container', action: 'start', id, attributes: { n } }));
}

function lines(from: number, to: number): string {
  return numbered(from, to)
    .map((event) => JSON.stringify(event))
    .join('\n');
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
}

/** A body that is sent piece by piece, however early the answer comes. */
function postPieces(
  socketPath: string,
  requestPath: string,
  piece: string,
  count: number,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path: requestPath, method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => (text += more));
      response.once('close', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.once('error', reject);
    let left = count;
    const next = (): void => {
      if (left === 0) return void request.end();
      left -= 1;
      request.write(piece);
      setImmediate(next);
    };
    next();
  });
}
