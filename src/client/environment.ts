import type { Timestamp } from '../event/event.ts';

/** What a client takes from the machine, so that tests can give it something else. */
export interface Environment {
  now(): Timestamp;
  /** From 0 up to but not 1. */
  random(): number;
  /** Calls once, `delayMs` from now. @returns what calls it off */
  later(delayMs: number, call: () => void): () => void;
}

export function systemEnvironment(): Environment {
  return {
    now() {
      const nowMs = Date.now();
      return { sec: Math.floor(nowMs / 1000), nanos: (nowMs % 1000) * 1_000_000 };
    },
    random: () => Math.random(),
    later(delayMs, call) {
      const timer = setTimeout(call, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
