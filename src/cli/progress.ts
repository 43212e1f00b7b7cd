const EVERY_MS = 200;
const BAR_CHARS = 20;

/** A line on stderr that is written over: for people, so only on a terminal. */
export class Progress {
  readonly #begun = performance.now();
  #lastAt = -Infinity;
  #isShown = false;

  /**
   * @param count events so far
   * @param part how much of everything that is, from 0 to 1, where that is known
   */
  show(count: number, rest: string, part?: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#lastAt < EVERY_MS) return;
    this.#lastAt = now;
    this.#isShown = true;
    process.stderr.write(`\r\u001b[K${progressLine({ count, rest, part, elapsedMs: now - this.#begun })}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K');
    this.#isShown = false;
  }
}

/** Events, their rate, and of a known whole how much is done and how long the rest takes at this pace. */
export function progressLine(state: {
  readonly count: number;
  readonly rest: string;
  readonly part: number | undefined;
  readonly elapsedMs: number;
}): string {
  const { count, rest, part, elapsedMs } = state;
  const rate = Math.round(count / Math.max(0.001, elapsedMs / 1000));
  const line = `${count.toLocaleString('en')} events, ${rate.toLocaleString('en')}/s${rest}`;
  if (part === undefined) return line;
  const done = Math.min(1, Math.max(0, part));
  const full = Math.round(done * BAR_CHARS);
  const left = done > 0 ? `, ${duration(((1 - done) / done) * elapsedMs)} left` : '';
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CHARS - full)}] ${Math.floor(done * 100)} %, ${line}${left}`;
}

function duration(ms: number): string {
  const sec = Math.ceil(ms / 1000);
  if (sec < 60) return `${sec} s`;
  return sec < 3600
    ? `${Math.floor(sec / 60)} min ${sec % 60} s`
    : `${Math.floor(sec / 3600)} h ${Math.floor((sec % 3600) / 60)} min`;
}
