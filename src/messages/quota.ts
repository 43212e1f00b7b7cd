/** A number of places that threads share. Each has a word of its own, so that what a dead one held can be given back. */
export class Quota {
  readonly #words: Int32Array;

  /** @param offset of the words, one per thread, that count the places which it has taken */
  constructor(memory: SharedArrayBuffer, offset: number, threads: number) {
    this.#words = new Int32Array(memory, offset, threads);
  }

  /** @param max 0 = without a limit. @returns false when there is no place left, or others are asking for the last ones just now */
  take(thread: number, max: number): boolean {
    Atomics.add(this.#words, thread, 1);
    if (max === 0 || this.taken <= max) return true;
    this.give(thread);
    return false;
  }

  give(thread: number): void {
    Atomics.sub(this.#words, thread, 1);
  }

  /** The thread is gone, and whatever it held. */
  clear(thread: number): void {
    Atomics.store(this.#words, thread, 0);
  }

  get taken(): number {
    let taken = 0;
    for (let thread = 0; thread < this.#words.length; thread += 1) taken += Atomics.load(this.#words, thread);
    return taken;
  }
}
