const EVERY_MS = 200;

/** A line on stderr that is written over: for people, so only on a terminal. */
export class Progress {
  readonly #begun = performance.now();
  #lastAt = -Infinity;
  #isShown = false;

  /** @param count events so far */
  show(count: number, rest: string): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#lastAt < EVERY_MS) return;
    this.#lastAt = now;
    this.#isShown = true;
    const rate = Math.round(count / Math.max(0.001, (now - this.#begun) / 1000));
    process.stderr.write(`\r\u001b[K${count.toLocaleString('en')} events, ${rate.toLocaleString('en')}/s${rest}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K');
    this.#isShown = false;
  }
}
