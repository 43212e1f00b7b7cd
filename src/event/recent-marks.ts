/** An engine keeps its newest 256 events, so that is the most that it can send again. */
const KEPT = 512;

/** Marks of the newest events of a source (codec/record-mark.ts), of bounded number: what it sends again is recognised by them. */
export class RecentMarks {
  /** In the order in which they came, the oldest first. */
  readonly #marks: Set<number>;

  constructor(marks: Iterable<number> = []) {
    this.#marks = new Set(marks);
    this.#trim();
  }

  has(mark: number): boolean {
    return this.#marks.has(mark);
  }

  add(mark: number): void {
    this.#marks.add(mark);
    this.#trim();
  }

  list(): number[] {
    return [...this.#marks];
  }

  #trim(): void {
    for (const mark of this.#marks) {
      if (this.#marks.size <= KEPT) return;
      this.#marks.delete(mark);
    }
  }
}
