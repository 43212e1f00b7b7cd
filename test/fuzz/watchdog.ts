import { Worker } from 'node:worker_threads';

/** Words in front of the input that is being tried. */
export const WATCH = { COUNT: 0, LENGTH: 1, ACTIVE: 2, WORDS: 3 } as const;
const ROOM_BYTES = 64 * 1024;

/** What the watching thread is told. */
export interface Watched {
  readonly memory: SharedArrayBuffer;
  readonly target: string;
  /** Where the input goes. */
  readonly folder: string;
}

/**
 * A thread that knows which input is being tried, and ends the process when one takes too long or too much: nothing else can be
 * done about a loop that does not end.
 */
export class Watchdog {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #worker: Worker;

  constructor(target: string, folder: string) {
    const memory = new SharedArrayBuffer(4 * WATCH.WORDS + ROOM_BYTES);
    this.#words = new Int32Array(memory, 0, WATCH.WORDS);
    this.#bytes = new Uint8Array(memory, 4 * WATCH.WORDS);
    const workerData: Watched = { memory, target, folder };
    this.#worker = new Worker(new URL('./watchdog-thread.js', import.meta.url), { workerData });
    this.#worker.unref();
  }

  begin(input: Uint8Array): void {
    this.#bytes.set(input.subarray(0, ROOM_BYTES));
    this.#words[WATCH.LENGTH] = Math.min(input.length, ROOM_BYTES);
    Atomics.add(this.#words, WATCH.COUNT, 1);
    Atomics.store(this.#words, WATCH.ACTIVE, 1);
  }

  end(): void {
    Atomics.store(this.#words, WATCH.ACTIVE, 0);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
