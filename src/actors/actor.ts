import type { Timestamp } from '../event/event.ts';

/**
 * What an actor is given instead of the world. An actor imports no `node:*` module and no other actor; it has no clock, timer,
 * thread or socket of its own. So the same code runs on a worker thread, inline, and under a simulated scheduler.
 */
export interface Outbox<Message> {
  post(message: Message): void;
}

export interface Clock {
  /** Wall clock. May step back; the log does not. */
  now(): Timestamp;
  /** Milliseconds, with fractions, of a clock that never steps. */
  elapsedMs(): number;
}

/** Runs `task` soon, after messages that have already arrived have had their turn. */
export type Defer = (task: () => void) => void;

/** Runs `task` when about so many milliseconds have passed. */
export type Later = (ms: number, task: () => void) => void;
