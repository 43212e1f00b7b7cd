/** Higher ones are not kept. */
const DESCRIPTORS = 65_536;

/** A socket, as another thread can find it again: its descriptor may be that of something else by now. */
export interface OpenSocket {
  readonly fd: number;
  /** The low 32 bits. */
  readonly inode: number;
}

/** Sockets that a shard's thread reads, for main, which has to take them from it when it hangs. */
export class DescriptorTable {
  readonly #inodes: Int32Array;

  static allocate(shards: number): SharedArrayBuffer {
    return new SharedArrayBuffer(shards * DESCRIPTORS * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, shard: number) {
    this.#inodes = new Int32Array(memory, shard * DESCRIPTORS * Int32Array.BYTES_PER_ELEMENT, DESCRIPTORS);
  }

  add({ fd, inode }: OpenSocket): void {
    if (fd >= 0 && fd < DESCRIPTORS) Atomics.store(this.#inodes, fd, inode | 0);
  }

  remove({ fd, inode }: OpenSocket): void {
    if (fd >= 0 && fd < DESCRIPTORS) Atomics.compareExchange(this.#inodes, fd, inode | 0, 0);
  }

  get all(): OpenSocket[] {
    const found: OpenSocket[] = [];
    this.#inodes.forEach((inode, fd) => {
      if (inode !== 0) found.push({ fd, inode: inode >>> 0 });
    });
    return found;
  }

  /** The thread is gone. */
  clear(): void {
    this.#inodes.fill(0);
  }
}
