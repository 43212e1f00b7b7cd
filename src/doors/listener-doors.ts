import net from 'node:net';
import { asTocsinError, type TocsinError } from '../event/errors.ts';
import type { Counters } from '../messages/counters.ts';
import type { DescriptorTable } from '../messages/descriptor-table.ts';
import { Acceptor } from './acceptor.ts';
import type { ConnectionPlaces } from './connection-places.ts';
import { descriptorOf, inodeOf } from './descriptor.ts';
import { Http1Door } from './http1-door.ts';
import { refuseConnection } from './http-server.ts';
import type { IsuladDoor } from './isulad-door.ts';
import type { ListenerShard } from './listener-shard.ts';
import type { Posix } from './posix.ts';
import { sniffProtocol } from './protocol-sniffer.ts';
import type { SocketWriter } from './socket-writer.ts';
import type { TlsHandshakes } from './tls-handshakes.ts';

/** How long connections may take to send what is queued for them when the shard closes. */
const FLUSH_LIMIT_MS = 5_000;
/** A connection that has come may ask within this, when no others come any more. */
const ASK_LIMIT_MS = 100;
const ASK_LOOK_MS = 5;
/** Over TCP the kernel notices a peer that is gone, on a connection that is otherwise silent. */
const SERVER_OPTIONS: net.ServerOpts = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
/** A connection that is one too many gets an answer if it asks within this, unless so many wait for one already. */
const REFUSED_LINGER_MS = 1_000;
const MAX_REFUSED = 8;

/** What every listener of a shard is given alike. */
export interface ListenerDoorsEnv {
  readonly posix: Posix;
  readonly counters: Counters;
  readonly writer: SocketWriter;
  readonly places: ConnectionPlaces;
  /** Where main finds connections over which HTTP/2 comes. */
  readonly descriptors: DescriptorTable;
  /** Newest events that an iSulad client without `since` gets, as it is now. */
  readonly isuladReplay: () => number;
  /** Over one connection: streams at a time, and requests before it is ended. */
  readonly maxStreams: number;
  readonly maxRequests: number;
}

/** The doors of one listener on one shard: its own duplicate of the listening socket, one connection loop, and every protocol on it. */
export class ListenerDoors {
  readonly #shard: ListenerShard;
  readonly #env: ListenerDoorsEnv;
  readonly #http1: Http1Door;
  /** HTTP/2 is loaded when the first client speaks it. */
  #isulad: Promise<IsuladDoor> | undefined;
  readonly #server: net.Server;
  /** Of a listener with TLS. */
  #handshakes: TlsHandshakes | undefined;
  #acceptor: Acceptor | undefined;
  /** Connections that wait to be told that they are one too many. */
  #refused = 0;
  readonly #sockets = new Set<net.Socket>();
  /** Those whose protocol is not known yet. */
  readonly #undecided = new Set<net.Socket>();
  readonly #http1Sockets = new Set<net.Socket>();
  readonly #http2Sockets = new Set<net.Socket>();
  #flushLimitMs = FLUSH_LIMIT_MS;

  constructor(shard: ListenerShard, env: ListenerDoorsEnv) {
    this.#shard = shard;
    this.#env = env;
    this.#http1 = new Http1Door(shard, env.counters, env.writer, env.maxRequests);
    this.#server = net.createServer(SERVER_OPTIONS, (socket) => this.#onConnection(socket));
  }

  /** @param fd of the listening socket, which the doors then own. @throws ERR_LISTENER_TLS */
  async open(fd: number): Promise<void> {
    const { tls } = this.#shard;
    const { posix, counters } = this.#env;
    if (tls) {
      const { TlsHandshakes } = await import('./tls-handshakes.ts');
      this.#handshakes = new TlsHandshakes(tls, counters, (socket) => this.#serve(socket));
    }
    this.#acceptor = new Acceptor(this.#server, posix, fd, () => counters.add('acceptPauses'));
    await this.#acceptor.open();
  }

  /**
   * Takes no new connection. Resolves when those that have just come have begun to ask, or do not within a moment: the log is not to end
   * between.
   * @param flushLimitMs how long those that are there may take when the shard closes; 5 s otherwise
   */
  async stopListening(flushLimitMs: number): Promise<void> {
    this.#flushLimitMs = flushLimitMs;
    this.#acceptor?.close();
    for (const endMs = performance.now() + ASK_LIMIT_MS; this.#undecided.size > 0 && performance.now() < endMs; )
      await limit(ASK_LOOK_MS);
  }

  /** Takes no new connection; lets those that are there send what is queued for them, for a while. */
  async close(): Promise<void> {
    this.#acceptor?.close();
    this.#http1.close();
    this.#handshakes?.close();
    (await this.#isulad)?.close();
    for (const socket of this.#http1Sockets) socket.destroySoon();
    for (const socket of this.#undecided) socket.destroy();
    await Promise.race([Promise.all([...this.#sockets].map(closed)), limit(this.#flushLimitMs)]);
    for (const socket of this.#sockets) socket.destroy();
  }

  /** @throws ERR_LISTENER_TLS */
  reloadCertificates(): void {
    this.#handshakes?.reload();
  }

  #onConnection(socket: net.Socket): void {
    this.#env.counters.add('connections');
    socket.on('error', () => {});
    try {
      socket.once('close', this.#env.places.take(this.#shard.peerOf(socket)));
    } catch (error) {
      return this.#refuse(socket, asTocsinError(error));
    }
    if (this.#handshakes) this.#handshakes.accept(socket);
    else this.#serve(socket);
  }

  #refuse(socket: net.Socket, refusal: TocsinError): void {
    this.#env.counters.add('connectionsRefused');
    // A handshake would cost more than there is to say.
    if (this.#refused === MAX_REFUSED || this.#handshakes) return void socket.destroy();
    this.#refused += 1;
    const linger = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
    socket.once('close', () => {
      clearTimeout(linger);
      this.#refused -= 1;
    });
    this.#serve(socket, refusal);
  }

  /** A connection over which a client can speak. */
  #serve(socket: net.Socket, refusal?: TocsinError): void {
    socket.on('error', () => {});
    track(socket, this.#sockets);
    track(socket, this.#undecided);
    sniffProtocol(socket, this.#env.counters, {
      http1: (ready) => {
        this.#undecided.delete(ready);
        if (refusal) return refuseConnection(ready, refusal);
        track(ready, this.#http1Sockets);
        this.#http1.accept(ready);
      },
      http2: (ready) => {
        this.#undecided.delete(ready);
        track(ready, this.#http2Sockets);
        this.#list(ready);
        void (this.#isulad ??= this.#openIsulad()).then((door) => door.accept(ready, refusal));
      },
    });
  }

  #list(socket: net.Socket): void {
    const fd = descriptorOf(socket);
    const inode = fd === undefined ? undefined : inodeOf(fd);
    if (fd === undefined || inode === undefined) return;
    this.#env.descriptors.add({ fd, inode });
    socket.once('close', () => this.#env.descriptors.remove({ fd, inode }));
  }

  /** The thread ends at once, and must read no HTTP/2 any more: see `deafenSockets`. */
  abandon(): void {
    for (const socket of this.#http2Sockets) socket.destroy();
  }

  async #openIsulad(): Promise<IsuladDoor> {
    const { counters, isuladReplay: replay, maxStreams, maxRequests } = this.#env;
    const { IsuladDoor } = await import('./isulad-door.ts');
    return new IsuladDoor(this.#shard, { counters, replay, maxStreams, maxRequests });
  }
}

function track(socket: net.Socket, sockets: Set<net.Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

function closed(socket: net.Socket): Promise<void> {
  return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}

function limit(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
