import fs from 'node:fs';
import { TocsinError } from '../event/errors.ts';
import type { Posix } from './posix.ts';

/** What the file holds at most. Memory that is sent again after it was let go of is filed again. */
const MAX_BYTES = 4 * 1024 * 1024;
const PAGE_BYTES = 4096;

/** As /proc shows it, behind `memfd:`. */
export function pageFileName(life: number): string {
  return `tocsin-pages-${life}`;
}

/** Where some memory is in the file. */
interface Filed {
  /** Of the memory's first byte, whether that is filed or not; a multiple of the page size. */
  readonly base: number;
  readonly byteLength: number;
  /** The part of the memory that is filed. */
  from: number;
  to: number;
  isHeld: boolean;
}

/**
 * A file in memory whose pages are given to sockets in place of copies (`sendfile`). One copy into the file serves all clients,
 * and what they read is still in the processor's cache.
 *
 * A socket refers to a page until its peer has read it, so what has been filed never changes: memory that is sent may only grow,
 * each has pages of its own, and the oldest are let go of by a hole in the file, which leaves the pages to the sockets.
 */
export class PageFile {
  readonly #posix: Posix;
  readonly #fd: number;
  readonly #byMemory = new WeakMap<object, Filed>();
  /** Oldest first. */
  readonly #held: Filed[] = [];
  #heldBytes = 0;
  #end = 0;
  /** What was sent last: nearly always it is the same again. */
  #lastMemory: object | undefined;
  #lastFiled: Filed | undefined;

  /** @param life of the actor, which the file's name tells */
  constructor(posix: Posix, life: number) {
    this.#posix = posix;
    this.#fd = posix.memoryFile(pageFileName(life));
    if (this.#fd < 0)
      throw new TocsinError('ERR_POSIX_UNAVAILABLE', 'there is no file in memory to be had (memfd_create)');
  }

  /**
   * @param bytes of one buffer for all of the memory
   * @param memory stands for a memory that only grows
   * @returns how many of them the socket took, -1 for an error
   */
  send(fd: number, bytes: Uint8Array, memory: object): number {
    const filed = this.#filedOf(bytes, memory);
    const from = bytes.byteOffset;
    const to = from + bytes.length;
    // A copy for somebody who is far behind the others, and where there is no memory for pages.
    if (from < filed.from || (to > filed.to && !this.#file(filed, bytes)))
      return this.#posix.send(fd, bytes, bytes.length);
    return this.#posix.sendFile(fd, this.#fd, filed.base + from, bytes.length);
  }

  close(): void {
    this.#posix.close(this.#fd);
  }

  #filedOf(bytes: Uint8Array, memory: object): Filed {
    if (memory === this.#lastMemory) return this.#lastFiled!;
    let filed = this.#byMemory.get(memory);
    if (!filed?.isHeld) {
      filed = this.#hold(bytes);
      this.#byMemory.set(memory, filed);
    }
    this.#lastMemory = memory;
    this.#lastFiled = filed;
    return filed;
  }

  #hold({ buffer, byteOffset }: Uint8Array): Filed {
    const byteLength = Math.ceil(buffer.byteLength / PAGE_BYTES) * PAGE_BYTES;
    const filed = { base: this.#end, byteLength, from: byteOffset, to: byteOffset, isHeld: true };
    this.#held.push(filed);
    this.#end += byteLength;
    this.#heldBytes += byteLength;
    while (this.#heldBytes > MAX_BYTES && this.#held.length > 1) this.#letGo(this.#held.shift()!);
    return filed;
  }

  #letGo(filed: Filed): void {
    filed.isHeld = false;
    this.#heldBytes -= filed.byteLength;
    this.#posix.punchHole(this.#fd, filed.base, filed.byteLength);
  }

  /** @returns whether all of it is filed now */
  #file(filed: Filed, bytes: Uint8Array): boolean {
    const to = bytes.byteOffset + bytes.length;
    // What was sent in between in small pieces, as copies, is nobody's business here.
    if (bytes.byteOffset > filed.to) {
      filed.from = bytes.byteOffset;
      filed.to = bytes.byteOffset;
    }
    const from = filed.to;
    try {
      filed.to += fs.writeSync(this.#fd, bytes, from - bytes.byteOffset, to - from, filed.base + from);
    } catch {
      return false;
    }
    return filed.to === to;
  }
}
