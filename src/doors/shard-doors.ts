import net from 'node:net';
import type { Fanout } from '../actors/fanout.ts';
import type { Counters } from '../messages/counters.ts';
import type { ShardDoors } from '../runtime/door-hooks.ts';
import type { ActorInit } from '../runtime/actor-init.ts';
import type { IsuladDoor } from './isulad-door.ts';
import { Http1Door } from './http1-door.ts';
import { loadPosix } from './posix.ts';
import { sniffProtocol } from './protocol-sniffer.ts';
import { SocketWriter } from './socket-writer.ts';

/** How long connections may take to send what is queued for them when the shard closes. */
const FLUSH_LIMIT_MS = 5_000;

/** The doors of one shard: its own duplicate of the listening socket, one connection loop, and every protocol on it. */
export async function openShardDoors(fanout: Fanout, init: ActorInit, counters: Counters): Promise<ShardDoors> {
  if (init.listenFd === undefined) return { close: async () => {} };
  const writer = new SocketWriter(await loadPosix());
  const http1 = new Http1Door(fanout, counters, writer);
  // HTTP/2 is loaded when the first client speaks it.
  let isulad: Promise<IsuladDoor> | undefined;
  const openIsulad = async (): Promise<IsuladDoor> =>
    new (await import('./isulad-door.ts')).IsuladDoor(fanout, counters, init.options.isuladReplay);
  const sockets = new Set<net.Socket>();
  const http1Sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    counters.add('connections');
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      http1Sockets.delete(socket);
    });
    sniffProtocol(socket, counters, {
      http1(ready) {
        http1Sockets.add(ready);
        http1.accept(ready);
      },
      http2: (ready) => void (isulad ??= openIsulad()).then((door) => door.accept(ready)),
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd: init.listenFd }, resolve);
  });
  return {
    async close() {
      server.close();
      http1.close();
      (await isulad)?.close();
      for (const socket of http1Sockets) socket.destroySoon();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      await Promise.race([Promise.all([...sockets].map(closed)), limit(FLUSH_LIMIT_MS)]);
      for (const socket of sockets) socket.destroy();
      writer.close();
    },
  };
}

function closed(socket: net.Socket): Promise<void> {
  return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

function limit(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
