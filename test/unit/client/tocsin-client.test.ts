import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { type ConnectionState, type Delivery, type EventsOptions, TocsinClient } from '../../../src/client/index.ts';
import { waitFor } from '../../support/daemon.ts';
import { FakeEnvironment } from '../../support/fake-environment.ts';
import {
  type Answer,
  bytes,
  chunk,
  cursor,
  eventLine,
  FaultyServer,
  FINAL,
  gapLine,
  HEAD,
  heartbeatLine,
  refusal,
  stream,
} from '../../support/faulty-server.ts';

let server: FaultyServer;
let environment: FakeEnvironment;

async function clientOf(...answers: readonly Answer[]): Promise<TocsinClient> {
  server = await FaultyServer.open(...answers);
  environment = new FakeEnvironment();
  return new TocsinClient({ host: server.host }, environment);
}

afterEach(() => server?.close());

/** The first deliveries, as numbers; a gap is the text of its bounds. */
async function take(source: AsyncIterable<Delivery>, count: number): Promise<(number | string)[]> {
  const taken: (number | string)[] = [];
  for await (const delivery of source) {
    taken.push('missed' in delivery ? `${delivery.from}..${delivery.to}` : delivery.seq);
    if (taken.length === count) break;
  }
  return taken;
}

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to + 1 - from }, (_, index) => eventLine(from + index));
const seqs = (from: number, to: number): number[] => Array.from({ length: to + 1 - from }, (_, index) => from + index);
const codeOf = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

describe('TocsinClient', () => {
  it('gives events and gaps in order, and where it is after each of them', async () => {
    const all = [heartbeatLine(4), eventLine(5, { args: 'ls “x”\n' }), gapLine(6, 8), eventLine(9), heartbeatLine(12)];
    const client = await clientOf(stream(all));
    const events = client.events({ after: cursor(4), follow: false, filter: ['type=container', 'label!=a=b'] });
    assert.equal(events.cursor, cursor(4));
    const seen: unknown[] = [];
    for await (const delivery of events) seen.push([delivery, events.cursor]);
    assert.deepEqual(seen, [
      [JSON.parse(all[1]!), cursor(5)],
      [JSON.parse(all[2]!), cursor(8)],
      [JSON.parse(all[3]!), cursor(9)],
    ]);
    assert.equal(events.cursor, cursor(12), 'the heartbeat says that nothing else was for it');
    const { pathname, searchParams } = server.requests[0]!;
    assert.deepEqual(
      [pathname, Object.fromEntries(searchParams)],
      [
        '/v1/events',
        {
          after: cursor(4),
          follow: 'false',
          filters: '{"type":["container"],"label!":["a=b"]}',
          heartbeat: '10',
        },
      ],
    );
    assert.equal(server.requests.length, 1);
  });

  it('speaks to a port as well', async () => {
    await clientOf(stream(lines(1, 2)));
    const other = await FaultyServer.open(stream(lines(1, 2)));
    await other.closeListener();
    const port = await other.listen(0);
    const client = new TocsinClient({ host: `http://127.0.0.1:${port}` }, environment);
    assert.deepEqual(await take(client.events({ follow: false }), 9), [1, 2]);
    await other.close();
  });

  it('refuses what it cannot do before it connects', async () => {
    const client = await clientOf(stream([]));
    const cases: (readonly [options: object, code: string])[] = [
      [{ color: 'red' }, 'ERR_OPTION_INVALID'],
      [{ heartbeatMs: 0.5 }, 'ERR_OPTION_INVALID'],
      [{ heartbeatMs: Number.NaN }, 'ERR_OPTION_INVALID'],
      [{ heartbeatMs: 3_600_001 }, 'ERR_OPTION_INVALID'],
      [{ filter: 'type=image' }, 'ERR_OPTION_INVALID'],
      [{ filter: ['colour=red'] }, 'ERR_FILTER_INVALID'],
      [{ since: 'yesterday' }, 'ERR_TIME_INVALID'],
      [{ since: '2', until: '1' }, 'ERR_SINCE_AFTER_UNTIL'],
      [{ since: '2', after: cursor(1) }, 'ERR_PARAMETER_INVALID'],
    ];
    for (const [options, code] of cases) assert.throws(() => client.events(options), codeOf(code), code);
    for (const host of [
      'tcp://a',
      'tcp://a:0x1',
      'ftp://a',
      'https://a/b',
      'https://u@a',
      'http://a/b',
      'http://a:99999',
      'http://u@a',
      'x.sock',
      '',
    ])
      assert.throws(() => new TocsinClient({ host }), codeOf('ERR_OPTION_INVALID'), host);
    for (const host of ['/x.sock', 'unix:///x.sock', 'http://a'])
      assert.throws(() => new TocsinClient({ host, tls: {} }), codeOf('ERR_OPTION_INVALID'), host);
    assert.equal(server.requests.length, 0);
  });

  it('closes the socket on break, on a signal and on return, whatever it is doing', async () => {
    const client = await clientOf(stream(lines(1, 3), 'open'));
    assert.deepEqual(await take(client.events(), 2), [1, 2]);
    await waitFor(() => server.sockets.size === 0, 'the socket to be closed after break');

    const abort = new AbortController();
    const aborted = take(client.events({ signal: abort.signal }), 9);
    await waitFor(() => server.requests.length === 2, 'the second request');
    abort.abort();
    await aborted;
    await waitFor(() => server.sockets.size === 0, 'the socket to be closed after abort');
    assert.deepEqual(await take(client.events({ signal: abort.signal }), 9), [], 'aborted before');
    assert.equal(server.requests.length, 2);

    const later = new AbortController();
    const inHand = client.events({ signal: later.signal });
    await inHand.next();
    later.abort();
    assert.deepEqual(await inHand.next(), { value: undefined, done: true }, 'events that had come already');

    const events = client.events();
    for (let seq = 1; seq <= 3; seq += 1) assert.equal((await events.next()).done, false);
    const waiting = events.next();
    await events.return();
    assert.deepEqual(await waiting, { value: undefined, done: true });
    assert.deepEqual(await events.next(), { value: undefined, done: true });
    await waitFor(() => server.sockets.size === 0, 'the socket to be closed after return');
    assert.deepEqual(environment.pendingMs, [], 'timers');
  });

  it('reads no more than is taken', async () => {
    const block = lines(1, 1000).map(chunk).join('');
    let written = 0;
    const endless: Answer = (socket) => {
      socket.write(HEAD);
      const pump = (): void => {
        do written += block.length;
        while (socket.write(block) && written < 64 * 2 ** 20);
      };
      socket.on('drain', pump);
      pump();
    };
    const client = await clientOf(endless);
    const events = client.events();
    await events.next();
    let before = -1;
    // Nobody writes when a hundred turns of the loop have brought nothing.
    for (let turns = 0; turns < 100; turns = written === before ? turns + 1 : 0) {
      before = written;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await events.return();
    assert.ok(written < 4 * 2 ** 20, `${written} bytes were taken for one event`);
  });

  it('does not take what is no stream of events', async () => {
    const long = `{"seq":1,"cursor":"${'x'.repeat(1024 * 1024)}`;
    const cases: (readonly [what: string, answer: Answer])[] = [
      ['a long line', bytes(HEAD + chunk(long))],
      ['no JSON', stream(['{"seq":1,\n'])],
      ['no object', stream(['1\n'])],
      ['no event', stream(['{"seq":1}\n'])],
      ['a heartbeat without cursor', stream(['{"type":"heartbeat"}\n'])],
      ['something else', bytes('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nOK')],
      ['a route of somebody else', bytes('HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nNo')],
    ];
    for (const [what, answer] of cases) {
      const client = await clientOf(answer);
      await assert.rejects(take(client.events(), 1), codeOf('ERR_ANSWER_INVALID'), what);
      assert.equal(server.requests.length, 1, what);
      await server.close();
    }
    const client = await clientOf(stream([eventLine(1), '{"type":"news","x":1}\n', eventLine(2)]));
    assert.deepEqual(await take(client.events({ follow: false }), 9), [1, 2], 'a notice that it does not know');
  });
});

describe('TocsinClient, when the connection is lost', () => {
  const whole = HEAD + lines(1, 2).map(chunk).join('');
  const third = chunk(eventLine(3));
  const cases: (readonly [where: string, sent: string, last: number])[] = [
    ['within a line', whole + third.slice(0, 30), 2],
    ['within the head of a chunk', whole + third.slice(0, 1), 2],
    ['between two chunks', whole + third, 3],
    ['between a line and the end of its chunk', whole + third.slice(0, -1), 3],
  ];
  for (const [where, sent, last] of cases) {
    it(`${where}: goes on exactly behind the last event`, async () => {
      const client = await clientOf(bytes(sent), stream(lines(last + 1, 5), 'open'));
      assert.deepEqual(await take(client.events({ since: '0' }), 5), seqs(1, 5));
      assert.deepEqual(server.queries, ['since=0.000000000', `after=${cursor(last)}`]);
    });
  }

  it('gives exactly the events, wherever and however often it is cut', async () => {
    const log = lines(1, 12).map((line, index) => (index % 5 === 3 ? line.replace('c1', 'c“ü”') : line));
    const cut = fc.record({ at: fc.nat(4000), beats: fc.boolean(), writes: fc.array(fc.nat(4000), { maxLength: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 8 }), async (cuts) => {
        const left = [...cuts];
        const client = await clientOf((socket, { searchParams }) => {
          const from = Number(searchParams.get('after')?.split('-')[1] ?? 0);
          const next = left.shift();
          const beat = (seq: number): string => (next?.beats === false ? '' : chunk(heartbeatLine(seq)));
          const rest = log.slice(from).map((line, index) => chunk(line) + beat(from + index + 1));
          const answer = Buffer.from(HEAD + beat(from) + rest.join('') + FINAL);
          const sent = next ? answer.subarray(0, Math.min(next.at, answer.length - 1)) : answer;
          let at = 0;
          for (const to of [...(next?.writes ?? []).sort((a, b) => a - b), sent.length]) {
            socket.write(sent.subarray(at, to));
            at = Math.max(at, to);
          }
          socket.end();
        });
        const events = client.events({ since: '0', follow: false, reconnect: true });
        const got: Delivery[] = [];
        for await (const delivery of events) got.push(delivery);
        await server.close();
        assert.deepEqual(
          got,
          log.map((line) => JSON.parse(line)),
        );
        assert.equal(events.cursor, cursor(12));
      }),
      { numRuns: 100 },
    );
  });

  it('before the first event: a live stream goes on where it began', async () => {
    const client = await clientOf(
      refusal(503, 'ERR_PIPELINE_CLOSED'),
      stream([heartbeatLine(41)], 'cut'),
      stream([heartbeatLine(41), eventLine(42)], 'open'),
    );
    assert.deepEqual(await take(client.events(), 1), [42]);
    assert.deepEqual(server.queries, ['', '', `after=${cursor(41)}`]);
  });

  it('goes on behind the last heartbeat, and behind a gap', async () => {
    const client = await clientOf(
      stream([eventLine(1), heartbeatLine(7)], 'cut'),
      stream([gapLine(8, 19)], 'cut'),
      stream([eventLine(20)], 'open'),
    );
    assert.deepEqual(await take(client.events({ filter: ['id=c1'] }), 3), [1, '8..19', 20]);
    assert.deepEqual(
      server.requests.map(({ searchParams }) => searchParams.get('after')),
      [null, cursor(7), cursor(19)],
    );
  });

  it('tries again while nobody answers, the daemon is not ready, or has too many clients', async () => {
    const client = await clientOf(
      refusal(503, 'ERR_PIPELINE_CLOSED'),
      refusal(429, 'ERR_CLIENTS_EXHAUSTED'),
      bytes(''),
      bytes('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'),
      stream([eventLine(1)], 'open'),
    );
    const states: ConnectionState[] = [];
    assert.deepEqual(await take(client.events({ onState: (state) => states.push(state) }), 1), [1]);
    assert.deepEqual(
      states.map((state) => (state.state === 'waiting' ? state.error.code : state.state)),
      ['ERR_PIPELINE_CLOSED', 'ERR_CLIENTS_EXHAUSTED', 'ERR_DAEMON_UNAVAILABLE', 'ERR_DAEMON_UNAVAILABLE', 'connected'],
    );
    const nobody = new TocsinClient({ host: `${server.host}x` }, environment);
    const abort = new AbortController();
    let tries = 0;
    const onState = (): void => {
      tries += 1;
      if (tries === 3) abort.abort();
    };
    assert.deepEqual(await take(nobody.events({ signal: abort.signal, onState }), 1), []);
    assert.equal(tries, 3);
  });

  it('says so when no other try can mend it', async () => {
    const refused: (readonly [status: number, code: string])[] = [
      [400, 'ERR_CURSOR_FUTURE'],
      [400, 'ERR_PARAMETER_UNKNOWN'],
      [404, 'ERR_CONTAINER_UNKNOWN'],
      [409, 'ERR_CURSOR_FOREIGN'],
      [409, 'ERR_CONTAINER_AMBIGUOUS'],
    ];
    for (const [status, code] of refused) {
      const first = await clientOf(refusal(status, code));
      await assert.rejects(take(first.events(), 1), codeOf(code));
      assert.equal(server.requests.length, 1, code);
      await server.close();
      const later = await clientOf(stream([eventLine(1)], 'cut'), refusal(status, code));
      await assert.rejects(take(later.events(), 2), codeOf(code));
      assert.equal(server.requests.length, 2, code);
      await server.close();
    }
  });

  it('gives up a connection on which nothing comes for two heartbeats, and waits for as long only when it waits', async () => {
    const client = await clientOf(stream(lines(1, 2), 'open'), stream(lines(3, 3), 'open'));
    const events = client.events({ heartbeatMs: 4_500 });
    assert.deepEqual(
      [(await events.next()).done, environment.pendingMs],
      [false, []],
      'the client is busy, not the daemon',
    );
    await events.next();
    const waiting = events.next();
    await waitFor(() => environment.pendingMs.length > 0, 'the client to wait');
    assert.deepEqual(environment.pendingMs, [12_000]);
    environment.elapse(11_999);
    assert.equal(server.requests.length, 1);
    environment.elapse(12_000);
    assert.equal(((await waiting).value as { seq: number }).seq, 3);
    assert.deepEqual(server.queries, ['', `after=${cursor(2)}`]);
    await events.return();
  });

  it('gives up a daemon that takes the connection and says nothing', async () => {
    const client = await clientOf(() => {}, stream([eventLine(1)], 'open'));
    const first = take(client.events({ heartbeatMs: 0 }), 1);
    await waitFor(() => server.requests.length === 1, 'the request');
    environment.elapse(10_000);
    assert.deepEqual(await first, [1]);
    assert.equal(server.requests[0]!.searchParams.has('heartbeat'), false);
  });

  it('waits longer from try to try, at random, up to 10 s, and begins anew when something came', async () => {
    const nothing = Array.from({ length: 9 }, () => bytes(HEAD));
    const client = await clientOf(
      ...nothing,
      stream([heartbeatLine(1)], 'cut'),
      stream([heartbeatLine(1), eventLine(2)], 'cut'),
      stream([heartbeatLine(2), heartbeatLine(2)], 'cut'),
      stream([eventLine(3)], 'open'),
    );
    environment.roll = 0.999;
    assert.deepEqual(await take(client.events(), 2), [2, 3]);
    assert.deepEqual(
      environment.pausesMs,
      [99, 199, 399, 799, 1598, 3196, 6393, 9990, 9990, 9990, 99, 99],
      'the first heartbeat is no sign of health, the next one is',
    );
    environment.roll = 0;
    environment.pausesMs.length = 0;
    await server.close();
    await clientOf(bytes(''), stream([eventLine(1)], 'open'));
    environment.roll = 0;
    await take(new TocsinClient({ host: server.host }, environment).events(), 1);
    assert.deepEqual(environment.pausesMs, [0]);
  });

  it('ends while it waits for the next try', async () => {
    const client = await clientOf(bytes(''));
    environment.endsPauses = false;
    const abort = new AbortController();
    const taken = take(client.events({ signal: abort.signal }), 1);
    await waitFor(() => environment.pausesMs.length === 1, 'the pause');
    abort.abort();
    assert.deepEqual([await taken, environment.pendingMs], [[], []]);
  });

  it('without reconnect: an abnormal end is an error, after every event before it', async () => {
    const client = await clientOf(stream(lines(1, 2), 'cut'));
    const got: number[] = [];
    await assert.rejects(async () => {
      for await (const event of client.events({ reconnect: false })) if ('seq' in event) got.push(event.seq);
    }, codeOf('ERR_DAEMON_UNAVAILABLE'));
    assert.deepEqual([got, server.requests.length], [[1, 2], 1]);
    assert.deepEqual(await take((await again(stream(lines(1, 2)))).events({ reconnect: false }), 9), [1, 2]);
    const half = await again(bytes(HEAD + chunk(eventLine(1)) + chunk(eventLine(2).slice(0, 30)) + FINAL));
    await assert.rejects(take(half.events({ follow: false }), 9), codeOf('ERR_DAEMON_UNAVAILABLE'), 'within a line');
  });

  async function again(...answers: readonly Answer[]): Promise<TocsinClient> {
    await server.close();
    return clientOf(...answers);
  }
});

describe('TocsinClient, at a clean end', () => {
  const outcome = async (options: EventsOptions): Promise<number> => {
    const client = await clientOf(stream(lines(1, 2)), stream(lines(3, 4)), stream([], 'open'));
    const events = client.events(options);
    await take(events, 4);
    const { length } = server.requests;
    await server.close();
    return length;
  };

  it('is done when that was asked for', async () => {
    assert.equal(await outcome({ follow: false }), 1);
    assert.equal(await outcome({ follow: false, reconnect: true }), 1);
    assert.equal(await outcome({ until: '2026-05-10T12:00:00Z' }), 1, 'that is now');
    assert.equal(await outcome({ reconnect: false }), 1);
  });

  it('comes back when it was the daemon that ended', async () => {
    assert.equal(await outcome({}), 2);
    assert.equal(await outcome({ until: '-10s' }), 2, 'that lies ahead');
  });
});

describe('TocsinClient, what it asks for when it comes back', () => {
  it('is the same times, however long it took', async () => {
    const client = await clientOf(bytes(''), stream([eventLine(1)], 'cut'), stream([eventLine(2)], 'open'));
    const onState = (): void => {
      environment.time = { ...environment.time, sec: environment.time.sec + 60 };
    };
    await take(client.events({ since: '1h', until: '-1h', onState }), 2);
    const [since, until] = [11, 13].map((hour) => `${Date.UTC(2026, 4, 10, hour) / 1000}.000000000`);
    assert.deepEqual(server.queries, [
      `since=${since}&until=${until}`,
      `since=${since}&until=${until}`,
      `after=${cursor(1)}&until=${until}`,
    ]);
  });

  it('is behind a cursor, and yet nothing from before its since', async () => {
    const since = '2026-05-10T09:20:34.000000004Z';
    const client = await clientOf(
      stream([heartbeatLine(1)], 'cut'),
      stream([...lines(2, 3), heartbeatLine(3)], 'cut'),
      stream([heartbeatLine(3), ...lines(4, 6)], 'open'),
    );
    assert.deepEqual(await take(client.events({ since }), 3), [4, 5, 6]);
    assert.deepEqual(server.queries.slice(1), [`after=${cursor(1)}`, `after=${cursor(3)}`]);
  });

  it('is the container that it had, not the one that has its name by now', async () => {
    const client = await clientOf(
      stream([heartbeatLine(1)], 'cut'),
      stream([eventLine(2, { id: '3277ea8c0f1b' })], 'cut'),
      stream([eventLine(3)], 'open'),
    );
    await take(client.events({ name: 'web' }), 2);
    assert.deepEqual(
      server.requests.map(({ searchParams }) => searchParams.get('name')),
      ['web', 'web', '3277ea8c0f1b'],
    );
  });
});

describe('TocsinClient.lines', () => {
  it('hands on whole lines as they came, each part with its position', async () => {
    const client = await clientOf(
      bytes(HEAD + lines(1, 2).map(chunk).join('') + chunk(eventLine(3)).slice(0, 40)),
      stream([heartbeatLine(2), eventLine(3), gapLine(4, 5), eventLine(6)], 'open'),
    );
    let text = '';
    for await (const { bytes: part, cursor: position, gap, last } of client.lines({ since: '0' })) {
      text += part.toString();
      if (part.length > 0) assert.equal(position, gap ? gap.oldest : last?.cursor);
      if (position === cursor(6)) break;
    }
    assert.equal(text, [...lines(1, 3), gapLine(4, 5), eventLine(6)].join(''));
  });
});
