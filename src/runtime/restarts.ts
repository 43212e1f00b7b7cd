const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

export interface RestartLimits {
  /** Deaths of all together that are borne within `windowMs`. */
  readonly max: () => number;
  readonly windowMs: number;
  /** One that has worked for so long is none that dies of what it begins with. */
  readonly livedMs: number;
}

/**
 * Whether and when what has died begins anew, be it actors or the daemon: at once; later each time when the same one dies soon after
 * it has begun.
 */
export class Restarts {
  readonly #limits: RestartLimits;
  readonly #deathsMs: number[] = [];
  readonly #lives = new Map<string, { begunMs: number; early: number }>();

  constructor(limits: RestartLimits) {
    this.#limits = limits;
  }

  /** It works, or works again. */
  begun(name: string, nowMs: number): void {
    this.#lives.set(name, { begunMs: nowMs, early: this.#lives.get(name)?.early ?? 0 });
  }

  /** It has died. @returns how long to wait before it begins anew; undefined when it was one too many */
  delayMs(name: string, nowMs: number): number | undefined {
    const { max, windowMs, livedMs } = this.#limits;
    const deaths = this.#deathsMs;
    while (deaths.length > 0 && nowMs - deaths[0]! >= windowMs) deaths.shift();
    deaths.push(nowMs);
    if (deaths.length > max()) return undefined;
    const life = this.#lives.get(name);
    if (!life) return 0;
    life.early = nowMs - life.begunMs < livedMs ? life.early + 1 : 0;
    return life.early === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (life.early - 1));
  }
}
