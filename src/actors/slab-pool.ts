/** Memory for encoded bytes, of the kind that the clients of a format can take. */
export type Allocate = (byteLength: number) => Uint8Array;

/** What is kept to be taken again, at most. */
const MAX_FREE_BYTES = 8 * 1024 * 1024;

/**
 * Memory that lanes of one format encode into. What their clients have copied comes back and is taken again: it has been
 * touched already, and V8 has nothing to collect.
 */
export class SlabPool {
  readonly #allocate: Allocate;
  /** By length. */
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;
  #isUsed = false;

  constructor(allocate: Allocate) {
    this.#allocate = allocate;
  }

  /** @returns memory of that length; what it holds means nothing */
  take(byteLength: number): Uint8Array {
    const bytes = this.#free.get(byteLength)?.pop();
    if (!bytes) return this.#allocate(byteLength);
    this.#freeBytes -= byteLength;
    this.#isUsed = true;
    return bytes;
  }

  /** Nobody will look at it any more. */
  give(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#freeBytes + length > MAX_FREE_BYTES) return;
    this.#freeBytes += length;
    const others = this.#free.get(length);
    if (others) others.push(bytes);
    else this.#free.set(length, [bytes]);
  }

  /** To be called once in a while: lets go of everything if nothing has been taken since it was called last. */
  shrink(): void {
    if (!this.#isUsed) {
      this.#free.clear();
      this.#freeBytes = 0;
    }
    this.#isUsed = false;
  }
}
