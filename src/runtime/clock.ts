import type { Clock } from '../actors/actor.ts';

/** The estimate is renewed when it and the system's clock differ by more than this: a step, or drift. */
const TOLERANCE_MS = 2;

/**
 * Wall clock to the nanosecond, as far as Node knows one: milliseconds of the system's clock, refined by the monotonic one.
 * A step of the system's clock is followed at once.
 */
export function systemClock(): Clock {
  let anchorMs = Date.now();
  let anchorAt = performance.now();
  return {
    elapsedMs: () => performance.now(),
    now() {
      let elapsedMs = performance.now() - anchorAt;
      const wallMs = Date.now();
      if (Math.abs(wallMs - (anchorMs + elapsedMs)) > TOLERANCE_MS) {
        anchorMs = wallMs;
        anchorAt = performance.now();
        elapsedMs = 0;
      }
      // Whole seconds apart from the rest: a double has no room for nanoseconds since 1970.
      const restMs = (anchorMs % 1000) + elapsedMs;
      const carry = Math.floor(restMs / 1000);
      return { sec: Math.floor(anchorMs / 1000) + carry, nanos: Math.floor((restMs - carry * 1000) * 1e6) };
    },
  };
}
