/** Checks that the numbers in a stream (`"seq":"N"` in JSON, `seq=N` in text) grow by exactly one. */
export class SequenceCheck {
  count = 0;
  first = 0;
  last = 0;
  /** Places where the next number was not the previous one plus one. */
  breaks = 0;
  #rest = '';

  /** Takes a piece of the stream, cut anywhere. */
  push(piece: Buffer): void {
    const text = this.#rest + piece.toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    this.#rest = text.slice(end);
    const numbers = /seq(?:":"|=)(\d+)/g;
    for (let match = numbers.exec(text); match && match.index < end; match = numbers.exec(text))
      this.take(Number(match[1]));
  }

  take(seq: number): void {
    if (this.count === 0) this.first = seq;
    else if (seq !== this.last + 1) this.breaks += 1;
    this.last = seq;
    this.count += 1;
  }

  get result(): SequenceResult {
    const { count, first, last, breaks } = this;
    return { count, first, last, breaks };
  }
}

export interface SequenceResult {
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly breaks: number;
}
