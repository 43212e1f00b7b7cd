import assert from 'node:assert/strict';
import type { Flood } from '../flood.ts';
import { call, endlessHeaders, FRAME, frame, headers, HELLO, reset, swollenHeaders } from '../http2-frames.ts';
import { closed, Count, pause, speak } from '../raw-client.ts';

const BATCH = 500;
const CONNECTIONS = 4;

/** Some connections that send without an end, each as fast as the other side reads, and come back when they are cut. */
async function pour(
  path: string,
  seconds: number,
  more: (round: number) => Buffer,
  isReading = true,
): Promise<Readonly<Record<string, number>>> {
  const tally = new Count();
  let isOver = false;
  const attacker = async (): Promise<void> => {
    while (!isOver) {
      const socket = speak(path, HELLO, tally);
      if (isReading) socket.resume();
      const gone = closed(socket);
      for (let round = 0; !isOver && !socket.destroyed; round += 1) {
        tally.add('frames', BATCH);
        const drained = new Promise((resolve) => socket.write(more(round), resolve));
        await Promise.race([drained, gone, pause(1000)]);
      }
      socket.destroy();
      await gone;
    }
  };
  const attackers = Array.from({ length: CONNECTIONS }, attacker);
  await pause(seconds * 1000);
  isOver = true;
  await Promise.all(attackers);
  return tally.all;
}

function times(count: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}

const LONG = { count: 0, seconds: 30, rate: 0 };
const SHORT = { count: 0, seconds: 1, rate: 0 };

export const rapidReset: Flood = {
  name: 'rapid-reset',
  about: 'HTTP/2: calls that are reset at once',
  long: LONG,
  short: SHORT,
  attack({ events }, { seconds }) {
    return pour(events, seconds, (round) =>
      times(BATCH, (index) => {
        const stream = 2 * (round * BATCH + index) + 1;
        return Buffer.concat([call(stream), reset(stream)]);
      }),
    );
  },
  check(counted, tally) {
    assert.ok(tally['ended']! > 1, 'who resets without an end is cut');
    assert.equal(counted['clientsLeft'], counted['clientsAttached']);
  },
};

const PINGS = times(BATCH, () => frame(FRAME.PING, 0, 0, new Uint8Array(8)));
export const pings: Flood = {
  name: 'pings',
  about: 'HTTP/2: pings without an end',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { seconds }) => pour(events, seconds, () => PINGS),
  check: (_, tally) => assert.ok(tally['ended']! > 1, 'who pings without an end is cut'),
};

const SETTINGS = times(BATCH, (index) => frame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 255, index % 256])));
export const settings: Flood = {
  name: 'settings',
  about: 'HTTP/2: settings without an end',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { seconds }) => pour(events, seconds, () => SETTINGS),
  check: (_, tally) => assert.ok(tally['ended']! > 1, 'who changes its mind without an end is cut'),
};

export const unreadPings: Flood = {
  name: 'unread-pings',
  about: 'HTTP/2: pings whose answers are not read',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { seconds }) => pour(events, seconds, () => PINGS, false),
  check: (_, tally) => assert.ok(tally['opened']! > 0),
};

const [FIRST, MORE] = endlessHeaders(1, Buffer.alloc(16, 0x86));
export const continuation: Flood = {
  name: 'continuation',
  about: 'HTTP/2: heads without an end',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { seconds }) =>
    pour(events, seconds, (round) =>
      round === 0 ? Buffer.concat([FIRST, times(BATCH, () => MORE)]) : times(BATCH, () => MORE),
    ),
  check: (_, tally) => assert.ok(tally['ended']! > 1),
};

const SWOLLEN = swollenHeaders(3_500, 10_000);
export const swollen: Flood = {
  name: 'swollen-heads',
  about: 'HTTP/2: heads of 14 KB that stand for 35 MB',
  long: LONG,
  short: SHORT,
  attack: ({ events }, { seconds }) => pour(events, seconds, (round) => headers(2 * round + 1, SWOLLEN, true)),
  check: (_, tally) => assert.ok(tally['opened']! > 0),
};
