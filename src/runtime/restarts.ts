import type { ActorName } from './actor-init.ts';

const WINDOW_MS = 60_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** Whether and when actors that have died begin anew: at once, then later each time that the same one dies within a minute. */
export class Restarts {
  readonly #max: () => number;
  readonly #deaths: { readonly name: ActorName; readonly atMs: number }[] = [];

  /** @param max deaths of all actors within a minute that are borne */
  constructor(max: () => number) {
    this.#max = max;
  }

  /** An actor has died. @returns how long to wait before it begins anew; undefined when it was one too many */
  delayMs(name: ActorName, nowMs: number): number | undefined {
    const deaths = this.#deaths;
    while (deaths.length > 0 && nowMs - deaths[0]!.atMs >= WINDOW_MS) deaths.shift();
    deaths.push({ name, atMs: nowMs });
    if (deaths.length > this.#max()) return undefined;
    const before = deaths.filter((death) => death.name === name).length - 1;
    return before === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (before - 1));
  }
}
