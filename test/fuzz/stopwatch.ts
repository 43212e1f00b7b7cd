/** Longer than any batch takes: the process was stopped. */
const MAX_LAP_MS = 2_000;

/** Time that has passed, without that in which the process was stopped. */
export class Stopwatch {
  #lastMs = performance.now();
  #sumMs = 0;

  /** To be asked often: what is missing between two calls counts as little. */
  get ms(): number {
    const nowMs = performance.now();
    this.#sumMs += Math.min(nowMs - this.#lastMs, MAX_LAP_MS);
    this.#lastMs = nowMs;
    return this.#sumMs;
  }
}

const TURNS = 50;

/** Waits, a turn of the event loop at a time, then more patiently. @throws what `failed` makes when it takes longer than `limitMs` */
export async function until(condition: () => boolean, limitMs: number, failed: () => Error): Promise<void> {
  const watch = new Stopwatch();
  for (let turns = 0; !condition(); turns += 1) {
    if (watch.ms > limitMs) throw failed();
    await new Promise((resolve) => (turns < TURNS ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}
