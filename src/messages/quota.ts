/** A number of places that threads share. */
export class Quota {
  readonly #word: Int32Array;

  /** @param offset of the word that counts the places which are taken */
  constructor(memory: SharedArrayBuffer, offset: number) {
    this.#word = new Int32Array(memory, offset, 1);
  }

  /** @param max 0 = without a limit. @returns false when there is no place left */
  take(max: number): boolean {
    if (Atomics.add(this.#word, 0, 1) < max || max === 0) return true;
    this.give();
    return false;
  }

  give(): void {
    Atomics.sub(this.#word, 0, 1);
  }

  get taken(): number {
    return Atomics.load(this.#word, 0);
  }
}
