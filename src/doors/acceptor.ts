import type http from 'node:http';
import type net from 'node:net';
import { BACKLOG } from './listener.ts';
import type { Posix } from './posix.ts';

/** How often it is looked whether there is a descriptor for one more connection. */
const LOOK_MS = 1000;
/** How long connections wait in the kernel, at a time, when there is none. */
const PAUSE_MS = 250;

/**
 * Accepts connections as long as there are descriptors for them; otherwise it pauses, and whoever connects waits until there are
 * again. Node says nothing when accept fails: libuv would try again at once, and again, for as long as that lasts.
 */
export class Acceptor {
  readonly #server: net.Server;
  readonly #posix: Posix;
  /** Of a bound socket: each time that the server listens anew, it gets a copy. */
  readonly #fd: number;
  readonly #onPause: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * @param fd of a bound socket, which is then the acceptor's
   * @param onPause hears of each pause
   */
  constructor(server: net.Server, posix: Posix, fd: number, onPause: () => void) {
    this.#server = server;
    this.#posix = posix;
    this.#fd = fd;
    this.#onPause = onPause;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ fd: this.#posix.dup(this.#fd) }, BACKLOG, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', () => this.#pause());
    this.#look();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Accepts nothing more. Connections that are there stay. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#server.close();
    this.#posix.close(this.#fd);
  }

  #look(): void {
    if (!this.#hasRoomFor(1)) return this.#pause();
    this.#timer = setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  #pause(): void {
    if (this.#isClosed) return;
    this.#onPause();
    this.#server.close();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#goOn(), PAUSE_MS);
  }

  #goOn(): void {
    if (!this.#hasRoomFor(2)) {
      this.#timer = setTimeout(() => this.#goOn(), PAUSE_MS);
      return;
    }
    this.#server.listen({ fd: this.#posix.dup(this.#fd) }, BACKLOG);
    this.#look();
  }

  #hasRoomFor(descriptors: number): boolean {
    const copy = this.#posix.dup(this.#fd);
    if (copy < 0) return false;
    const hasRoom = descriptors === 1 || this.#hasRoomFor(descriptors - 1);
    this.#posix.close(copy);
    return hasRoom;
  }
}

/** Ends a server and its connections. */
export function closeServer(server: http.Server, acceptor: Acceptor): Promise<void> {
  return new Promise((resolve) => {
    // One that accepts nothing any more may have been closed by its last connection.
    if (acceptor.isClosed) resolve();
    else server.once('close', () => resolve());
    acceptor.close();
    server.closeAllConnections();
  });
}
