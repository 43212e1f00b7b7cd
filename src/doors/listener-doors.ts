import net from 'node:net';
import type { Counters } from '../messages/counters.ts';
import { Http1Door } from './http1-door.ts';
import type { IsuladDoor } from './isulad-door.ts';
import { BACKLOG } from './listener.ts';
import type { ListenerShard } from './listener-shard.ts';
import { sniffProtocol } from './protocol-sniffer.ts';
import type { SocketWriter } from './socket-writer.ts';

/** How long connections may take to send what is queued for them when the shard closes. */
const FLUSH_LIMIT_MS = 5_000;

/** What every listener of a shard is given alike. */
export interface ListenerDoorsEnv {
  readonly counters: Counters;
  readonly writer: SocketWriter;
  /** Newest events that an iSulad client without `since` gets, as it is now. */
  readonly isuladReplay: () => number;
}

/** The doors of one listener on one shard: its own duplicate of the listening socket, one connection loop, and every protocol on it. */
export class ListenerDoors {
  readonly #shard: ListenerShard;
  readonly #env: ListenerDoorsEnv;
  readonly #http1: Http1Door;
  /** HTTP/2 is loaded when the first client speaks it. */
  #isulad: Promise<IsuladDoor> | undefined;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #http1Sockets = new Set<net.Socket>();
  #flushLimitMs = FLUSH_LIMIT_MS;

  constructor(shard: ListenerShard, env: ListenerDoorsEnv) {
    this.#shard = shard;
    this.#env = env;
    this.#http1 = new Http1Door(shard, env.counters, env.writer);
    this.#server = net.createServer((socket) => this.#onConnection(socket));
  }

  /** @param fd of the listening socket, which the doors then own */
  async open(fd: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ fd }, BACKLOG, resolve);
    });
  }

  /** Takes no new connection. @param flushLimitMs how long those that are there may take when the shard closes; 5 s otherwise */
  stopListening(flushLimitMs: number): void {
    this.#flushLimitMs = flushLimitMs;
    this.#server.close();
  }

  /** Takes no new connection; lets those that are there send what is queued for them, for a while. */
  async close(): Promise<void> {
    this.#server.close();
    this.#http1.close();
    (await this.#isulad)?.close();
    for (const socket of this.#http1Sockets) socket.destroySoon();
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    await Promise.race([Promise.all([...this.#sockets].map(closed)), limit(this.#flushLimitMs)]);
    for (const socket of this.#sockets) socket.destroy();
  }

  #onConnection(socket: net.Socket): void {
    this.#env.counters.add('connections');
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#http1Sockets.delete(socket);
    });
    sniffProtocol(socket, this.#env.counters, {
      http1: (ready) => {
        this.#http1Sockets.add(ready);
        this.#http1.accept(ready);
      },
      http2: (ready) => void (this.#isulad ??= this.#openIsulad()).then((door) => door.accept(ready)),
    });
  }

  async #openIsulad(): Promise<IsuladDoor> {
    const { counters, isuladReplay } = this.#env;
    return new (await import('./isulad-door.ts')).IsuladDoor(this.#shard, counters, isuladReplay);
  }
}

function closed(socket: net.Socket): Promise<void> {
  return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

function limit(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
