/** That threads are alive: a word for each, which it counts up, and which the supervisor looks at. */
export class Heartbeats {
  readonly #words: Int32Array;

  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  beat(thread: number): void {
    Atomics.add(this.#words, thread, 1);
  }

  /** Changes with every beat. */
  of(thread: number): number {
    return Atomics.load(this.#words, thread);
  }
}
