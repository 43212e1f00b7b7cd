import type http from 'node:http';
import type net from 'node:net';
import type { Counters } from '../messages/counters.ts';
import { DockerDoor } from './docker-door.ts';
import { replyError, targetOf } from './http-reply.ts';
import { createHttpServer, requireLoopbackHost } from './http-server.ts';
import type { ListenerShard } from './listener-shard.ts';
import { NativeDoor } from './native-door.ts';
import type { SocketWriter } from './socket-writer.ts';

/** Paths of the native door; everything else belongs to Docker's clients, whose versions have a dot: `/v1.41/events`. */
const NATIVE_PATH = /^\/(?:v1\/.*|healthz|readyz)$/;

/** HTTP/1.1 on the event socket. Connections are handed in by the sniffer; the path tells the dialect. */
export class Http1Door {
  readonly #native: NativeDoor;
  readonly #docker: DockerDoor;
  readonly #shard: ListenerShard;
  readonly #counters: Counters;
  readonly #maxRequests: number;
  readonly #requests = new WeakMap<net.Socket, number>();
  readonly #server: http.Server;

  /** @param maxRequests over one connection */
  constructor(shard: ListenerShard, counters: Counters, writer: SocketWriter, maxRequests: number) {
    this.#native = new NativeDoor(shard, writer);
    this.#docker = new DockerDoor(shard, writer);
    this.#shard = shard;
    this.#counters = counters;
    this.#maxRequests = maxRequests;
    this.#server = createHttpServer(
      (request, response) => this.#route(request, response),
      () => counters.add('connectionsBroken'),
    );
    // A server that never listens checks no timeouts; this makes it begin (pinned by a test).
    this.#server.emit('listening');
  }

  accept(socket: net.Socket): void {
    this.#server.emit('connection', socket);
  }

  close(): void {
    // Clears the timer that checks for timeouts; there is no handle to close.
    this.#server.close();
  }

  /** @returns false when the connection has brought more than it may, and is cut */
  #counts({ socket }: http.IncomingMessage, response: http.ServerResponse): boolean {
    const requests = (this.#requests.get(socket) ?? 0) + 1;
    this.#requests.set(socket, requests);
    if (requests < this.#maxRequests) return true;
    if (requests === this.#maxRequests) {
      this.#counters.add('connectionsSpent');
      // Behind this answer Node ends the connection, and says so in its head.
      response.shouldKeepAlive = false;
      return true;
    }
    // Sent before that was answered, and kept until then.
    socket.destroy();
    return false;
  }

  #route(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (!this.#counts(request, response)) return;
    let isNative = false;
    const answer = async (): Promise<void> => {
      const target = targetOf(request);
      isNative = NATIVE_PATH.test(target.pathname);
      if (this.#shard.isInTheClear) requireLoopbackHost(request);
      await (isNative ? this.#native : this.#docker).answer(request, response, target);
    };
    answer().catch((error: unknown) => {
      this.#counters.add('requestsRefused');
      if (response.headersSent) response.destroy();
      else if (isNative) replyError(response, error);
      else this.#docker.refuse(response, error);
    });
  }
}
