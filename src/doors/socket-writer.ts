import type net from 'node:net';
import { PageFile } from './page-file.ts';
import type { Posix } from './posix.ts';

/** From here on handing over pages costs less than the copy. */
const MIN_PAGES_BYTES = 8 * 1024;

/**
 * @param isShared others are given the same bytes, of a memory that only grows
 * @returns false when nothing more may be written until the socket emits 'drain'
 */
export type WriteBytes = (bytes: Uint8Array, isShared: boolean) => boolean;

/**
 * Writes to sockets with one call into the kernel, past the stream, whose share of a small write is more than half. What the
 * socket does not take at once goes the stream's way, and so does everything behind it until that is gone: the stream waits for
 * room, keeps the order, and notices that the peer has gone.
 */
export class SocketWriter {
  readonly #posix: Posix;
  readonly #pages: PageFile;

  constructor(posix: Posix) {
    this.#posix = posix;
    this.#pages = new PageFile(posix);
  }

  to(socket: net.Socket): WriteBytes {
    const fd = descriptorOf(socket);
    return (bytes, isShared) => {
      if (socket.writableLength > 0 || socket.destroyed) return socket.write(bytes);
      const usesPages = isShared && bytes.length >= MIN_PAGES_BYTES;
      const sent = usesPages ? this.#pages.send(fd, bytes) : this.#posix.send(fd, bytes, bytes.length);
      if (sent === bytes.length) return true;
      return socket.write(sent > 0 ? bytes.subarray(sent) : bytes);
    };
  }

  close(): void {
    this.#pages.close();
  }
}

/** Node has no other way to it. It is the socket's until that is destroyed. */
function descriptorOf(socket: net.Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } | null })._handle?.fd ?? -1;
}
