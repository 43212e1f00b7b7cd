import type { LatencyCounts } from '../messages/control.ts';

/** Upper bounds in seconds. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** How long events took: counts by bucket, the last one for what is beyond them all. */
export class LatencyTally {
  readonly #counts = new Float64Array(LATENCY_BUCKETS.length + 1);
  #sum = 0;

  /** What lies in the future took no time: an engine's clock may be ahead. */
  add(seconds: number): void {
    const place = LATENCY_BUCKETS.findIndex((bound) => seconds <= bound);
    this.#counts[place < 0 ? LATENCY_BUCKETS.length : place]! += 1;
    this.#sum += Math.max(0, seconds);
  }

  get counts(): LatencyCounts {
    return { counts: [...this.#counts], sumSeconds: this.#sum };
  }
}
