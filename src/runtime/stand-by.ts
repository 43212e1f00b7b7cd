import type { Defer, Later } from '../actors/actor.ts';
import type { Doorbell } from '../messages/doorbell.ts';

/** An actor, as its stand-by sees it. */
export interface Attended {
  /** There may be new work. */
  wake(): void;
  /** It waits for nothing that only the event loop can tell it. */
  readonly mayPark: boolean;
}

/** Wake-ups nearer to each other than this are frequent. */
const FREQUENT_MS = 2;
/** So long after the last one the thread goes back to waiting in its event loop. */
const LINGER_MS = 4;
/** Sockets and messages of the event loop wait at most so long. */
const PARK_MS = 1;

/**
 * How an actor's thread waits. Rarely woken, it waits in its event loop. Woken often, it parks at its doorbell instead, a
 * millisecond at most, with a turn of the event loop after each: it is back at work sooner, and can wait for less than the
 * millisecond that timers need.
 */
export class StandBy {
  readonly #bell: Doorbell | undefined;
  #actor: Attended | undefined;
  /** The rings when the actor last looked for work. */
  #answered = 0;
  #wokenMs = -Infinity;
  #isStanding = false;
  /** Tasks that the event loop has still to run. */
  #deferred = 0;
  #due: { readonly atMs: number; readonly run: () => void } | undefined;

  /** @param bell none where the thread is not the actor's own: it never parks */
  constructor(bell: Doorbell | undefined) {
    this.#bell = bell;
  }

  attend(actor: Attended): void {
    this.#actor = actor;
  }

  /** A message has come. Which rings it answers is not known: the actor looks once more before the thread parks. */
  woken(): void {
    if (!this.#bell) return;
    const nowMs = performance.now();
    const isFrequent = nowMs - this.#wokenMs < FREQUENT_MS;
    this.#wokenMs = nowMs;
    if (isFrequent) this.#standBy();
  }

  readonly defer: Defer = (task) => {
    this.#deferred += 1;
    setImmediate(() => {
      this.#deferred -= 1;
      task();
    });
  };

  /** The task that was asked for last is run to the fraction of a millisecond, any others as timers are. */
  readonly later: Later = (ms, task) => {
    const run = (): void => {
      clearTimeout(timer);
      this.#due = undefined;
      task();
    };
    const timer = setTimeout(run, ms);
    this.#due = { atMs: performance.now() + ms, run };
  };

  #standBy(): void {
    if (this.#isStanding) return;
    this.#isStanding = true;
    setImmediate(() => this.#stand(this.#bell!, this.#actor!));
  }

  #stand(bell: Doorbell, actor: Attended): void {
    this.#isStanding = false;
    const { mayPark } = actor;
    if (mayPark && this.#deferred === 0) this.#park(bell);
    const nowMs = performance.now();
    if (this.#due && nowMs >= this.#due.atMs) this.#due.run();
    const { rings } = bell;
    if (rings !== this.#answered) {
      this.#answered = rings;
      this.#wokenMs = nowMs;
      actor.wake();
    }
    // What only the event loop can tell, it tells when it waits: turning it meanwhile would take a core.
    if (mayPark && nowMs - this.#wokenMs < LINGER_MS) this.#standBy();
  }

  #park(bell: Doorbell): void {
    const ms = this.#due ? Math.min(PARK_MS, this.#due.atMs - performance.now()) : PARK_MS;
    if (ms > 0) bell.waitFor(this.#answered, ms);
  }
}
