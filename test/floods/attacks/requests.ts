import assert from 'node:assert/strict';
import type { Flood } from '../flood.ts';
import { areAnswered, atRate, closed, Count, get, pause, speak, until } from '../raw-client.ts';

const LONG = { count: 200, seconds: 30, rate: 100 };
const SHORT = { count: 100, seconds: 1, rate: 100 };

export const headBombs: Flood = {
  name: 'head-bombs',
  about: 'HTTP/1.1 heads of 1 MB, in one field or in many',
  long: LONG,
  short: SHORT,
  async attack({ events }, { rate, seconds }) {
    const tally = new Count();
    const one = get('/v1/events', `X: ${'x'.repeat(1 << 20)}\r\n`);
    const many = get('/v1/events', 'X: y\r\n'.repeat(170_000));
    const ends: Promise<void>[] = [];
    await atRate(rate, seconds, (index) => {
      const socket = speak(events, index % 2 === 0 ? one : many, tally);
      socket.resume();
      ends.push(closed(socket));
    });
    await Promise.all(ends);
    return tally.all;
  },
  check: (_, tally) => assert.equal(tally['ended'], tally['opened']),
};

export const pipelined: Flood = {
  name: 'pipelined',
  about: 'requests behind each other without waiting for an answer, which nobody reads',
  long: LONG,
  short: SHORT,
  async attack({ events }, { seconds }) {
    const tally = new Count();
    const requests = get('/v1/nothing').repeat(500);
    const sockets = Array.from({ length: 10 }, () => speak(events, '', tally));
    const timer = setInterval(() => {
      for (const socket of sockets) if (!socket.writableNeedDrain && socket.writable) socket.write(requests);
    }, 5);
    for (const socket of sockets) socket.pause();
    await pause(seconds * 1000);
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(closed));
    return tally.all;
  },
  check: (_, tally) => assert.ok(tally['opened']! > 0),
};

const json = (value: unknown): string =>
  encodeURI(JSON.stringify(value)).replaceAll('#', '%23').replaceAll('&', '%26').replaceAll('+', '%2B');

/** Subscribers with these filters, which stay. */
async function filtered(
  events: string,
  filters: readonly string[],
  seconds: number,
): Promise<Readonly<Record<string, number>>> {
  const tally = new Count();
  const sockets = filters.map((filter) => {
    const socket = speak(events, get(`/v1/events?filters=${filter}`), tally);
    socket.resume();
    return socket;
  });
  await until(() => areAnswered(filters.length, tally));
  await pause(seconds * 1000);
  for (const socket of sockets) socket.destroy();
  await Promise.all(sockets.map(closed));
  return tally.all;
}

export const manyValues: Flood = {
  name: 'filter-values',
  about: 'filters with 10,000 values',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { count, seconds }) =>
    filtered(
      events,
      Array.from({ length: count }, (_, index) =>
        json({ id: Array.from({ length: 10_000 }, (__, value) => `${index}x${value}`) }),
      ),
      seconds,
    ),
  check: (counted, tally) => {
    assert.ok(tally['http 431']! > 0);
    assert.equal(counted['clientsAttached'], 0);
  },
};

export const globs: Flood = {
  name: 'filter-globs',
  about: 'filters of 900 globs that almost hold, no two alike',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { count, seconds }) =>
    filtered(
      events,
      Array.from({ length: count }, (_, index) =>
        json({ id: Array.from({ length: 900 }, (__, value) => `*0*0*${index.toString(36)}*${value.toString(36)}!`) }),
      ),
      seconds,
    ),
  check: (_, tally) => assert.ok(tally['opened']! > 0),
};

export const regexes: Flood = {
  name: 'filter-regexes',
  about: 'regular expressions that a backtracking engine would not survive, no two alike',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { count, seconds }) =>
    filtered(
      events,
      Array.from({ length: count }, (_, index) => json({ 'id~': [`(.*.*.*(0|00|.0)+){30}x${index}$`] })),
      seconds,
    ),
  check: (_, tally) => assert.ok(tally['opened']! > 0),
};

export const publisher: Flood = {
  name: 'publisher',
  about: 'publishers that send batches of 0.8 MB as fast as they can',
  long: LONG,
  short: SHORT,
  async attack({ admin }, { seconds }) {
    const tally = new Count();
    const line = `${JSON.stringify({ type: 'container', action: 'start', id: 'flood', attributes: { pad: 'x'.repeat(200) } })}\n`;
    const body = line.repeat(3_000);
    const request = `POST /v1/events HTTP/1.1\r\nHost: tocsin\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const sockets = Array.from({ length: 16 }, () => {
      const socket = speak(admin, request, tally);
      socket.on('data', () => {
        tally.add('answers');
        socket.write(request);
      });
      return socket;
    });
    await until(() => tally.get('answers') > 0);
    await pause(seconds * 1000);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map(closed));
    return tally.all;
  },
  check: (_, tally) => assert.ok(tally['answers']! > 0),
};
