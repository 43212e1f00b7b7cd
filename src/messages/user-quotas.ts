import { Quota } from './quota.ts';

const WORD_BYTES = 4;

/**
 * A quota for each user that was ever seen, in memory that threads share. A slot is taken once and stays its user's; when all of them
 * are, users that come later share the last one, and its limit.
 */
export class UserQuotas {
  readonly #names: Int32Array;
  readonly #quotas: readonly Quota[];

  /** @param offset of a word for the name of each slot, and behind them of so many words for the threads of each */
  constructor(memory: SharedArrayBuffer, offset: number, slots: number, threads: number) {
    this.#names = new Int32Array(memory, offset, slots);
    const counts = offset + slots * WORD_BYTES;
    this.#quotas = Array.from(
      { length: slots },
      (_, slot) => new Quota(memory, counts + slot * threads * WORD_BYTES, threads),
    );
  }

  of(uid: number): Quota {
    const name = (uid + 1) | 0;
    const others = this.#quotas.length - 1;
    for (let tried = 0; tried < others; tried += 1) {
      const slot = (uid + tried) % others;
      const found = Atomics.compareExchange(this.#names, slot, 0, name);
      if (found === 0 || found === name) return this.#quotas[slot]!;
    }
    return this.#quotas[others]!;
  }

  /** The thread is gone, and whatever it held. */
  clear(thread: number): void {
    for (const quota of this.#quotas) quota.clear(thread);
  }
}
