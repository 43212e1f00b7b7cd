/**
 * How far the collector has come with a ring, in two places of its header, each with the number of the commit that it holds for; the
 * newest one that was committed counts. The other is written, its number first and last, so a writer that dies leaves that one.
 */
export class RingProgress {
  readonly #cells: Float64Array;
  readonly #length: number;
  /** The place that counts. */
  #valid = 0;

  /** @param offset of the first place in bytes, @param length cells of a place, the number of the commit included */
  constructor(memory: ArrayBufferLike, offset: number, length: number) {
    this.#cells = new Float64Array(memory, offset, 2 * length);
    this.#length = length;
  }

  /** For who goes on behind this commit, the newest: what holds there. What was prepared for the next one is forgotten. */
  resume(commit: number): readonly number[] {
    const [first, second] = [this.#cells[0]!, this.#cells[this.#length]!];
    this.#valid = first > commit || (second <= commit && second > first) ? 1 : 0;
    this.#cells[this.#other()] = 0;
    return this.#valuesOf(this.#valid * this.#length);
  }

  /** What will hold once this commit is true; to be called once for it at most. */
  prepare(commit: number, values: readonly number[]): void {
    const at = this.#other();
    // Until it is whole it holds for no commit that has been.
    this.#cells[at] = Number.POSITIVE_INFINITY;
    for (let index = 0; index < values.length; index += 1) this.#cells[at + 1 + index] = values[index]!;
    this.#cells[at] = commit;
  }

  /** The commit that was prepared for is true. */
  committed(): void {
    this.#valid = 1 - this.#valid;
  }

  #other(): number {
    return (1 - this.#valid) * this.#length;
  }

  #valuesOf(at: number): readonly number[] {
    return [...this.#cells.subarray(at + 1, at + this.#length)];
  }
}
