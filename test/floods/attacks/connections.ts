import assert from 'node:assert/strict';
import type net from 'node:net';
import type { Flood, Size, Target, Tally } from '../flood.ts';
import { areAnswered, atRate, closed, Count, get, pause, speak, until } from '../raw-client.ts';

/** So many connections a second: the backlog of a socket holds 1,024. */
const OPEN_PER_SECOND = 4_000;

/** Opens `count` connections that say this, and keeps them for `seconds` once they are held; then the attackers leave. */
async function hold(
  path: string,
  { count, seconds }: Size,
  words: string,
  use: (socket: net.Socket) => void,
  isHeld: (tally: Count) => boolean = () => true,
): Promise<Tally> {
  const tally = new Count();
  const sockets: net.Socket[] = [];
  await atRate(OPEN_PER_SECOND, count / OPEN_PER_SECOND, () => {
    const socket = speak(path, words, tally);
    use(socket);
    sockets.push(socket);
  });
  await until(() => isHeld(tally));
  await pause(seconds * 1000);
  for (const socket of sockets) socket.destroy();
  await Promise.all(sockets.map(closed));
  return tally.all;
}

const READ = (socket: net.Socket): void => void socket.resume();
const LONG: Size = { count: 10_000, seconds: 15, rate: 0 };
const SHORT: Size = { count: 500, seconds: 0.5, rate: 0 };

export const silent: Flood = {
  name: 'silent',
  about: 'connections that say nothing',
  long: LONG,
  short: SHORT,
  attack: ({ events }, size) => hold(events, size, '', READ),
  check: (counted, tally) => assert.ok(counted['connections']! >= tally['opened']!),
};

export const tooMany: Flood = {
  name: 'too-many',
  about: 'connections of one user beyond what one may have',
  long: LONG,
  short: SHORT,
  flags: ['--max-connections-per-user', '200'],
  attack: ({ events }, size) => hold(events, size, get('/v1/events'), READ, (tally) => areAnswered(size.count, tally)),
  check(counted, tally) {
    assert.equal(counted['clientsAttached'], tally['http 200']);
    assert.ok(counted['clientsAttached']! < 200);
    assert.equal(counted['connections'], tally['opened']);
    assert.equal(counted['connectionsRefused'], tally['opened']! - tally['http 200']!);
    assert.ok(tally['http 429']! > 0, 'some are told why');
  },
};

export const halfOpen: Flood = {
  name: 'half-open',
  about: 'connections that send half the head of a request',
  long: LONG,
  short: SHORT,
  attack: ({ events }, size) => hold(events, size, 'GET /v1/events HTTP/1.1\r\nHo', READ),
  check: (counted, tally) => assert.ok(counted['connections']! >= tally['opened']!),
};

export const slowLoris: Flood = {
  name: 'slow-loris',
  about: 'connections that send a byte of a head each second',
  long: LONG,
  short: SHORT,
  attack({ events }, size) {
    const sockets = new Set<net.Socket>();
    const timer = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('x');
    }, 1000);
    const use = (socket: net.Socket): void => {
      READ(socket);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    };
    return hold(events, size, 'GET /v1/events HTTP/1.1\r\nX-', use).finally(() => clearInterval(timer));
  },
  check: (counted, tally) => assert.ok(counted['connections']! >= tally['opened']!),
};

export const neverReading: Flood = {
  name: 'never-reading',
  about: 'subscribers that never read',
  long: LONG,
  short: SHORT,
  attack: ({ events }, size) =>
    hold(events, size, get('/v1/events'), (socket) => {
      socket.pause();
    }),
  check: (counted) => assert.ok(counted['clientsAttached']! > 0),
};

export const oneByte: Flood = {
  name: 'one-byte',
  about: 'subscribers that read a byte a second',
  long: LONG,
  short: SHORT,
  async attack({ events }, size) {
    const sockets = new Set<net.Socket>();
    const timer = setInterval(() => {
      for (const socket of sockets) socket.read(1);
    }, 1000);
    const use = (socket: net.Socket): void => {
      socket.on('readable', () => {});
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    };
    return hold(events, size, get('/v1/events'), use).finally(() => clearInterval(timer));
  },
  check: (counted) => assert.ok(counted['clientsAttached']! > 0),
};

export const resetting: Flood = {
  name: 'resetting',
  about: 'subscribers that go away with events unread, at once replaced',
  long: { count: 0, seconds: 60, rate: 1_000 },
  short: { count: 0, seconds: 1, rate: 500 },
  async attack({ events }, { seconds, rate }) {
    const tally = new Count();
    const sockets: net.Socket[] = [];
    await atRate(rate, seconds, () => {
      const socket = speak(events, get('/v1/events?since=0'), tally);
      sockets.push(socket);
      // Closed with something unread, a unix socket resets the other end.
      if (sockets.length > 100) sockets.shift()!.destroy();
    });
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(closed));
    return tally.all;
  },
  check: (counted) => assert.ok(counted['clientsLeft']! > 0),
};

export const churn: Flood = {
  name: 'churn',
  about: 'clients that subscribe, see the head of the answer, and leave',
  long: { count: 0, seconds: 300, rate: 1_000 },
  short: { count: 0, seconds: 1.5, rate: 1_000 },
  async attack({ events }: Target, { seconds, rate }) {
    const tally = new Count();
    const leaving: Promise<void>[] = [];
    await atRate(rate, seconds, () => {
      const socket = speak(events, get('/v1/events'), tally);
      socket.once('data', () => socket.destroy());
      leaving.push(closed(socket));
    });
    await Promise.all(leaving);
    return tally.all;
  },
  check(counted, tally) {
    assert.equal(counted['clientsAttached'], tally['http 200'] ?? 0);
    assert.equal(counted['clientsLeft'], counted['clientsAttached']);
  },
};
