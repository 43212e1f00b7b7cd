import type net from 'node:net';
import { descriptorOf } from './descriptor.ts';
import { PageFile } from './page-file.ts';
import type { Posix } from './posix.ts';
import { isTls } from './remote-peer.ts';

/** From here on handing over pages costs less than the copy. */
const MIN_PAGES_BYTES = 4 * 1024;
/** What a full socket gets through the stream, only to hear when it has room again. */
const PROBE_BYTES = 4 * 1024;

/** The way to one socket, past its stream. */
export interface DirectSocket {
  /**
   * @param memory stands for the memory that the bytes are part of, which only grows; given where others get the same bytes
   * @returns false when nothing more should be written before `onRoom`
   */
  write(bytes: Uint8Array, memory: object | undefined): boolean;
  /** Nothing that was written waits here or in the stream. */
  isClear(): boolean;
  /** Hands what is left to the stream, so that whatever the stream is given next comes behind it. */
  settle(): void;
}

/**
 * Writes to sockets with one call into the kernel, past the stream, whose share of a small write is more than half. When a socket
 * is full, the stream gets the next bytes, and its turn comes first: it waits for room, keeps the order, and notices that the peer
 * has gone. TLS has no way past the stream.
 */
export class SocketWriter {
  readonly #posix: Posix;
  readonly #pages: PageFile;

  /** @param life of the actor */
  constructor(posix: Posix, life: number) {
    this.#posix = posix;
    this.#pages = new PageFile(posix, life);
  }

  /** @param onRoom called when the socket takes more, after a write that said no; so is the socket's 'drain' */
  to(socket: net.Socket, onRoom: () => void): DirectSocket {
    const isFlushed = (): boolean => socket.writableLength === 0;
    // What goes past it would go out in the clear, and break the connection.
    if (isTls(socket)) return { write: (bytes) => socket.write(bytes), isClear: isFlushed, settle() {} };
    const fd = descriptorOf(socket) ?? -1;
    /** Waits behind the probe: it is part of what others get, so it is not copied either, and goes as pages in its turn. */
    let left: { readonly bytes: Uint8Array; readonly memory: object | undefined } | undefined;

    const settle = (): void => {
      if (left) socket.write(left.bytes);
      left = undefined;
    };
    const onProbed = (): void => {
      // An ended stream takes nothing more: its client was cut.
      if (!socket.writable) return;
      const rest = left;
      left = undefined;
      // Where it was settled meanwhile, the stream has it.
      if (!rest || rest.bytes.length === 0 || write(rest.bytes, rest.memory)) onRoom();
    };
    const write = (bytes: Uint8Array, memory: object | undefined): boolean => {
      settle();
      if (socket.writableLength > 0 || socket.destroyed) return socket.write(bytes);
      const usesPages = memory && bytes.length >= MIN_PAGES_BYTES;
      const took = usesPages ? this.#pages.send(fd, bytes, memory) : this.#posix.send(fd, bytes, bytes.length);
      if (took === bytes.length) return true;
      const probeFrom = Math.max(0, took);
      const probeTo = Math.min(bytes.length, probeFrom + PROBE_BYTES);
      left = { bytes: bytes.subarray(probeTo), memory };
      socket.write(bytes.subarray(probeFrom, probeTo), onProbed);
      return false;
    };
    return { write, isClear: () => !left && isFlushed(), settle };
  }

  close(): void {
    this.#pages.close();
  }
}
