import type { ActorName } from './actor-init.ts';

const WINDOW_MS = 60_000;
/** One that has worked for so long is none that dies of what it begins with. */
const LIVED_MS = 1_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** Whether and when actors that have died begin anew: at once; later each time when the same one dies soon after it has begun. */
export class Restarts {
  readonly #max: () => number;
  readonly #deathsMs: number[] = [];
  readonly #lives = new Map<ActorName, { begunMs: number; early: number }>();

  /** @param max deaths of all actors within a minute that are borne */
  constructor(max: () => number) {
    this.#max = max;
  }

  /** The actor works again. */
  begun(name: ActorName, nowMs: number): void {
    this.#lives.set(name, { begunMs: nowMs, early: this.#lives.get(name)?.early ?? 0 });
  }

  /** An actor has died. @returns how long to wait before it begins anew; undefined when it was one too many */
  delayMs(name: ActorName, nowMs: number): number | undefined {
    const deaths = this.#deathsMs;
    while (deaths.length > 0 && nowMs - deaths[0]! >= WINDOW_MS) deaths.shift();
    deaths.push(nowMs);
    if (deaths.length > this.#max()) return undefined;
    const life = this.#lives.get(name);
    if (!life) return 0;
    life.early = nowMs - life.begunMs < LIVED_MS ? life.early + 1 : 0;
    return life.early === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (life.early - 1));
  }
}
