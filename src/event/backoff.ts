const BASE_MS = 100;
const CAP_MS = 10_000;

/** How long to wait before the next try: exponential with full jitter, so that clients of one daemon do not come back at once. */
export class Backoff {
  readonly #random: () => number;
  #limitMs = BASE_MS;

  /** @param random from 0 up to but not 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Below 100 ms at first; below twice as much with each try, up to 10 s. */
  nextMs(): number {
    const waitMs = Math.floor(this.#random() * this.#limitMs);
    this.#limitMs = Math.min(CAP_MS, this.#limitMs * 2);
    return waitMs;
  }

  /** A try was worth it: begin anew. */
  reset(): void {
    this.#limitMs = BASE_MS;
  }
}
