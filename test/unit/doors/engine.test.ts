import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { openEngine } from '../../../src/doors/engine.ts';
import type { EngineInput } from '../../../src/messages/engine-source.ts';
import { temporaryFolder, waitFor } from '../../support/daemon.ts';

const SINCE = { sec: 7, nanos: 5 };

/** What is heard of a server that says this to whoever asks, until the stream has ended. */
async function heard(
  answer: (socket: net.Socket) => void,
  use: (inputs: readonly EngineInput[], requests: () => string) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  const socketPath = path.join(folder, 's');
  let requests = '';
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => (requests += bytes.toString('latin1')));
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const inputs: EngineInput[] = [];
  const stream = openEngine({ name: 'docker', socketPath }).listen(SINCE, (input) => inputs.push(input));
  try {
    await use(inputs, () => requests);
  } finally {
    stream.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const ended = (inputs: readonly EngineInput[]): string => {
  const last = inputs.at(-1);
  return last?.type === 'stream-ended' ? last.why : '';
};
const endedAfter = (text: string): ((inputs: readonly EngineInput[]) => Promise<void>) => {
  return async (inputs) => {
    await waitFor(() => ended(inputs) !== '', 'the end');
    assert.ok(ended(inputs).includes(text), ended(inputs));
    assert.equal(inputs.filter(({ type }) => type === 'stream-ended').length, 1);
  };
};

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('the connection to an engine', () => {
  it('asks without a version, to the nanosecond, and hands on what comes', () =>
    heard(
      (socket) => socket.write(`${HEAD}3\r\nab\n\r\n4\r\ncde\n\r\n`),
      async (inputs, requests) => {
        const text = (): string =>
          inputs.map((input) => (input.type === 'bytes-arrived' ? Buffer.from(input.bytes).toString() : '')).join('');
        await waitFor(() => text() === 'ab\ncde\n', 'the bytes');
        assert.equal(inputs[0]?.type, 'stream-opened');
        assert.match(requests(), /^GET \/events\?since=7\.000000005 HTTP\/1\.1\r\n/);
      },
    ));

  it('tells once that the stream has ended, in order or not', async () => {
    await heard((socket) => socket.end(`${HEAD}3\r\nab\n\r\n0\r\n\r\n`), endedAfter('ended the stream of events'));
    await heard((socket) => socket.end(`${HEAD}3\r\nab\n\r\n`), endedAfter(''));
    await heard((socket) => socket.destroy(), endedAfter('socket hang up'));
    await heard((socket) => socket.end('garbage\r\n\r\n'), endedAfter('Parse Error'));
  });

  it('says what an engine answers that refuses', async () => {
    const refusal = (status: string, body: string) => (socket: net.Socket) =>
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await heard(refusal('400 Bad', '{"message":"invalid filter"}'), endedAfter('answered 400: invalid filter'));
    await heard(refusal('500 No', 'oops'), endedAfter('answered 500: "oops"'));
    await heard(refusal('404 No', 'x'.repeat(100_000)), endedAfter('answered 404: "xxx'));
  });

  it('tells that nobody is there', async () => {
    const inputs: EngineInput[] = [];
    openEngine({ name: 'docker', socketPath: '/nonexistent/docker.sock' }).listen(SINCE, (input) => inputs.push(input));
    await endedAfter('ENOENT')(inputs);
  });

  it('gives up an engine that does not answer within 10 s', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    let isAsked = false;
    await heard(
      () => (isAsked = true),
      async (inputs) => {
        for (let turn = 0; turn < 10_000 && !isAsked; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        test.mock.timers.tick(9_999);
        assert.deepEqual(inputs, []);
        test.mock.timers.tick(1);
        assert.match(ended(inputs), /no answer within 10000 ms/);
      },
    );
  });

  it('tells nothing more once it is closed', () =>
    heard(
      (socket) => socket.write(HEAD),
      async (inputs) => {
        await waitFor(() => inputs.length === 1, 'the head');
      },
    ));
});
