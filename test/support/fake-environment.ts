import type { Environment } from '../../src/client/environment.ts';
import type { Timestamp } from '../../src/event/event.ts';

/** Waits from here on are limits; below it they are pauses between two tries. */
const LIMIT_MS = 10_000;

/** A client's clock, randomness and timers: pauses are over at once, and limits are reached when a test says so. */
export class FakeEnvironment implements Environment {
  /** How long each pause would have been. */
  readonly pausesMs: number[] = [];
  time: Timestamp = { sec: Date.UTC(2026, 4, 10, 12) / 1000, nanos: 0 };
  /** What `random` says. */
  roll = 0.5;
  /** False: pauses last until the test ends them. */
  endsPauses = true;
  readonly #pending = new Set<{ readonly delayMs: number; readonly call: () => void }>();

  now(): Timestamp {
    return this.time;
  }

  random(): number {
    return this.roll;
  }

  later(delayMs: number, call: () => void): () => void {
    const isPause = delayMs < LIMIT_MS;
    if (isPause) this.pausesMs.push(delayMs);
    if (isPause && this.endsPauses) {
      const immediate = setImmediate(call);
      return () => clearImmediate(immediate);
    }
    const timer = { delayMs, call };
    this.#pending.add(timer);
    return () => this.#pending.delete(timer);
  }

  /** Limits and pauses that are waited for now. */
  get pendingMs(): number[] {
    return [...this.#pending].map(({ delayMs }) => delayMs);
  }

  /** Lets everything happen that was to happen by then. */
  elapse(delayMs: number): void {
    for (const timer of this.#pending) {
      if (timer.delayMs > delayMs) continue;
      this.#pending.delete(timer);
      timer.call();
    }
  }
}
