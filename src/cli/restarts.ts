import { EXIT_CONFIG, EXIT_OK, EXIT_USAGE } from './exit.ts';

const WINDOW_MS = 300_000;
const MOST = 6;
const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Whether and when a daemon that has ended is started again: 0.1 s later at first, then twice as long each time, up to 5 s. */
export class Restarts {
  /** When it died, lately. */
  #deaths: number[] = [];

  /** Such an end is not mended by another start: it was wanted, or what was asked for is wrong. */
  static isFinal({ code }: Ending): boolean {
    return code === EXIT_OK || code === EXIT_USAGE || code === EXIT_CONFIG;
  }

  /** @returns milliseconds to wait; undefined when it has died 6 times within five minutes: that is enough */
  after(nowMs: number): number | undefined {
    this.#deaths = [...this.#deaths.filter((atMs) => nowMs - atMs < WINDOW_MS), nowMs];
    if (this.#deaths.length >= MOST) return undefined;
    return Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#deaths.length - 1));
  }

  /** In words. */
  static readonly limit = `${MOST} times within ${WINDOW_MS / 1_000} s`;
}
