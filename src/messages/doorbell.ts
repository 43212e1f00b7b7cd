import { DOORBELL } from './layout.ts';

/**
 * Where a thread that stands by is woken without a message, sooner than its event loop would tell it: a word that counts rings.
 *
 *   the thread: seen = rings -> looks for work -> says it sleeps -> waitFor(seen, at most so long)       the others: ring()
 */
export class Doorbell {
  readonly #words: Int32Array;
  readonly #at: number;

  static allocate(bells: number): SharedArrayBuffer {
    return new SharedArrayBuffer(bells * DOORBELL.BYTES);
  }

  constructor(memory: SharedArrayBuffer, index: number) {
    this.#words = new Int32Array(memory);
    this.#at = (index * DOORBELL.BYTES) >> 2;
  }

  /** Changes with every ring. */
  get rings(): number {
    return Atomics.load(this.#words, this.#at);
  }

  /** @returns true when this has woken the thread: it needs no message */
  ring(): boolean {
    Atomics.add(this.#words, this.#at, 1);
    return Atomics.notify(this.#words, this.#at) > 0;
  }

  /** Blocks the thread until there has been another ring since `seen`, at most so long. */
  waitFor(seen: number, limitMs: number): void {
    Atomics.wait(this.#words, this.#at, seen, limitMs);
  }
}
