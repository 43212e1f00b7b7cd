import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadPosix } from '../../../src/doors/posix.ts';
import { SocketWriter } from '../../../src/doors/socket-writer.ts';

const FOLDER = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-writer-'));
const PATH = path.join(FOLDER, 'socket');

/** A connection: we write to `server`, and look at what `client` reads. */
interface Pair {
  readonly server: net.Socket;
  readonly client: net.Socket;
}

describe('SocketWriter', () => {
  const listener = net.createServer();
  const open: net.Socket[] = [];
  let writer: SocketWriter;

  before(async () => {
    writer = new SocketWriter(await loadPosix(), 1);
    await new Promise<void>((resolve) => listener.listen(PATH, resolve));
  });
  after(() => {
    for (const socket of open) socket.destroy();
    listener.close();
    writer.close();
    fs.rmSync(FOLDER, { recursive: true });
  });

  async function connect(): Promise<Pair> {
    const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
    const client = net.connect(PATH);
    const [server] = await accepted;
    for (const socket of [server, client]) socket.on('error', () => {});
    open.push(server, client);
    return { server, client };
  }

  /** Writes one after the other, and waits where it has to. @returns how often it had to */
  async function writeAll(server: net.Socket, pieces: Iterable<Uint8Array>, memory?: object): Promise<number> {
    let onRoom = (): void => {};
    const direct = writer.to(server, () => onRoom());
    let waits = 0;
    for (const piece of pieces) {
      if (direct.write(piece, memory)) continue;
      waits += 1;
      await new Promise<void>((resolve) => (onRoom = resolve));
    }
    return waits;
  }

  async function readAll(client: net.Socket, bytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= bytes) break;
    }
    return Buffer.concat(chunks);
  }

  /** A memory that is cut at the same places whenever it is sent. */
  function* cut(memory: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
    let at = 0;
    for (let index = 0; at < memory.length; index += 1) {
      const to = Math.min(memory.length, at + sizes[index % sizes.length]!);
      yield memory.subarray(at, to);
      at = to;
    }
  }

  for (const isShared of [false, true]) {
    it(`sends every byte once and in order, ${isShared ? 'shared' : 'of one client'}, through full sockets too`, async () => {
      const memory = randomBytes(1024 * 1024);
      const sizes = [1, 300, 4_095, 8_192, 65_536, 70_001, 20_000];
      const pairs = [await connect(), await connect(), await connect()];
      const waits = await Promise.all(
        pairs.map(async ({ server, client }) => {
          const received = readAll(client, memory.length);
          const waited = await writeAll(server, cut(memory, sizes), isShared ? memory : undefined);
          assert.ok((await received).equals(memory));
          return waited;
        }),
      );
      assert.ok(Math.max(...waits) > 0, 'a socket was full now and then');
    });
  }

  it('leaves what was sent as it was, however much is sent to others before it is read', async () => {
    const late = await connect();
    const busy = await connect();
    const first = randomBytes(64 * 1024);
    assert.ok(writer.to(late.server, () => {}).write(first, first), 'fits into the socket');
    busy.client.resume();
    for (let index = 0; index < 40; index += 1) {
      const memory = new Uint8Array(256 * 1024).fill(index);
      await writeAll(busy.server, cut(memory, [64 * 1024]), memory);
    }
    assert.ok((await readAll(late.client, first.length)).equals(first));
    // It has been let go of meanwhile.
    assert.ok(writer.to(late.server, () => {}).write(first, first));
    assert.ok((await readAll(late.client, first.length)).equals(first));
  });

  it('sends a memory that grew between two writes', async () => {
    const { server, client } = await connect();
    const memory = new Uint8Array(64 * 1024);
    for (const [from, to] of [
      [0, 10_000],
      [10_000, 10_100],
      [10_100, 30_000],
      // From before what is filed now, as somebody who is far behind asks for it.
      [0, 30_000],
      [30_000, 65_536],
    ] as const) {
      if (from > 0 || to === 10_000) memory.fill(to & 0xff, from, to);
      const sent = memory.subarray(from, to);
      assert.ok(writer.to(server, () => {}).write(sent, memory));
      assert.ok((await readAll(client, sent.length)).equals(sent));
    }
  });

  it('keeps the order behind bytes that the stream holds', async () => {
    const { server, client } = await connect();
    const filler = randomBytes(4 * 1024 * 1024);
    assert.equal(server.write(filler), false);
    const tail = randomBytes(50_000);
    assert.equal(writer.to(server, () => {}).write(tail, tail), false);
    assert.equal(writer.to(server, () => {}).write(tail.subarray(0, 10), undefined), false);
    const expected = Buffer.concat([filler, tail, tail.subarray(0, 10)]);
    assert.ok((await readAll(client, expected.length)).equals(expected));
  });

  it('keeps the order of what the stream is given while a write waits for room, once that is settled', async () => {
    const { server, client } = await connect();
    const memory = randomBytes(4 * 1024 * 1024);
    const direct = writer.to(server, () => {});
    assert.equal(direct.write(memory, memory), false);
    direct.settle();
    server.write('the end');
    const expected = Buffer.concat([memory, Buffer.from('the end')]);
    assert.ok((await readAll(client, expected.length)).equals(expected));
  });

  it('says that there is room also when what waited was settled', async () => {
    const { server, client } = await connect();
    let onRoom = (): void => {};
    const room = new Promise<void>((resolve) => (onRoom = resolve));
    const direct = writer.to(server, () => onRoom());
    const bytes = randomBytes(8 * 1024);
    let written = 1;
    for (; direct.write(bytes, undefined); written += 1);
    // Less than a stream would wait for by itself.
    direct.settle();
    const reading = readAll(client, written * bytes.length);
    await room;
    assert.deepEqual(await reading, Buffer.concat(Array.from({ length: written }, () => bytes)));
  });

  it('keeps bytes of a write that waits for room, and nothing once it says that there is some', async () => {
    const { server, client } = await connect();
    let onRoom = (): void => {};
    const direct = writer.to(server, () => onRoom());
    const bytes = randomBytes(64 * 1024);
    assert.equal(direct.isClear(), true);
    let written = 0;
    for (; direct.write(bytes, undefined); written += 1) assert.equal(direct.isClear(), true);
    assert.equal(direct.isClear(), false);
    const room = new Promise<void>((resolve) => (onRoom = resolve));
    const reading = readAll(client, (written + 1) * bytes.length);
    await room;
    assert.equal(direct.isClear(), true);
    assert.deepEqual(await reading, Buffer.concat(Array.from({ length: written + 1 }, () => bytes)));
    server.cork();
    server.write('held');
    assert.equal(direct.write(randomBytes(10), undefined), true);
    assert.equal(direct.isClear(), false, 'the stream holds them');
    server.uncork();
  });

  it('says when there is room for more, and then everything has gone', async () => {
    const { server, client } = await connect();
    const memory = randomBytes(3 * 1024 * 1024);
    let rooms = 0;
    const direct = writer.to(server, () => (rooms += 1));
    assert.equal(direct.write(memory, memory), false);
    assert.ok((await readAll(client, memory.length)).equals(memory));
    assert.equal(rooms, 1);
    assert.equal(server.writableLength, 0);
    assert.ok(direct.write(memory.subarray(0, 1000), undefined));
  });

  it('leaves it to the stream to notice that the peer has gone, and writes nothing to a closed socket', async () => {
    const { server, client } = await connect();
    const closed = new Promise<void>((resolve) => server.once('close', () => resolve()));
    client.destroy();
    await once(client, 'close');
    const bytes = randomBytes(20_000);
    writer.to(server, () => {}).write(bytes, bytes);
    writer.to(server, () => {}).write(randomBytes(20), undefined);
    await closed;
    assert.equal(writer.to(server, () => {}).write(randomBytes(20), undefined), false);
  });
});
