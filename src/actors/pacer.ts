import type { Clock, Later } from './actor.ts';

/** A flush shorter than this costs little, however often it comes. */
const CHEAP_MS = 0.1;
/** Bytes of a write from which on a larger one gains little. */
const GOOD_WRITE_BYTES = 16 * 1024;
/** Small writes get a third of a shard's time: 2,000 events a second to 100 clients cost a quarter less so, and are 0.8 ms later. */
const REST = 2;

/**
 * Decides when new events go out. An idle shard sends them at once. One that has just spent its time on many small writes lets
 * the next ones gather for REST times as long, at most `maxDelayMs`: a write costs the same for one event and for ten.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #later: Later;
  readonly #maxDelayMs: number;
  readonly #flush: () => void;
  #notBeforeMs = 0;
  #isWaiting = false;

  constructor(env: { readonly clock: Clock; readonly later: Later; readonly maxDelayMs: number }, flush: () => void) {
    this.#clock = env.clock;
    this.#later = env.later;
    this.#maxDelayMs = env.maxDelayMs;
    this.#flush = flush;
  }

  /** There are new events: flushes now or within `maxDelayMs`. */
  arrived(): void {
    if (this.#isWaiting) return;
    const waitMs = this.#maxDelayMs === 0 ? 0 : this.#notBeforeMs - this.#clock.elapsedMs();
    if (waitMs <= 0) return this.#flush();
    this.#isWaiting = true;
    this.#later(waitMs, () => {
      this.#isWaiting = false;
      this.#flush();
    });
  }

  /** A flush is over. @param startedMs by the clock */
  flushed(startedMs: number, writes: number, bytes: number): void {
    if (this.#maxDelayMs === 0 || writes === 0) return;
    const nowMs = this.#clock.elapsedMs();
    const spentMs = nowMs - startedMs;
    const isDear = spentMs >= CHEAP_MS && bytes < writes * GOOD_WRITE_BYTES;
    this.#notBeforeMs = isDear ? nowMs + Math.min(this.#maxDelayMs, REST * spentMs) : 0;
  }
}
