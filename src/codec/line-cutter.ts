const LF = 0x0a;
const NOTHING = new Uint8Array(0);

/**
 * Cuts what comes in into lines. It keeps the beginning of one whose end has not come yet, which refers to the chunk that it came
 * in.
 *
 *   for (let at = cutter.next(chunk, 0); at >= 0; at = cutter.next(chunk, at)) use(cutter.bytes, cutter.from, cutter.to);
 */
export class LineCutter {
  /** The line that was found: without its LF, valid until the next call. */
  bytes: Uint8Array = NOTHING;
  from = 0;
  to = 0;
  #rest: Uint8Array = NOTHING;
  /** Up to the end of the line that has begun. */
  #skips = false;

  /** Looks for the line that ends next. @returns the position behind it, or -1 when the rest of the chunk ends none */
  next(chunk: Uint8Array, at: number): number {
    let from = at;
    if (this.#skips) {
      const end = chunk.indexOf(LF, at);
      if (end < 0) return -1;
      this.#skips = false;
      from = end + 1;
    }
    const end = chunk.indexOf(LF, from);
    if (end < 0) {
      this.#rest = joined(this.#rest, chunk.subarray(from));
      return -1;
    }
    if (this.#rest.length === 0) this.#found(chunk, from, end);
    else this.end(chunk.subarray(from, end));
    return end + 1;
  }

  /** Nothing follows: what is left is the last line. */
  end(last: Uint8Array = NOTHING): void {
    const line = joined(this.#rest, last);
    this.#rest = NOTHING;
    this.#found(line, 0, line.length);
  }

  /** Bytes of the line that has begun. */
  get restBytes(): number {
    return this.#rest.length;
  }

  /** Passes over the line that has begun. */
  skip(): void {
    this.#skips = true;
    this.#rest = NOTHING;
  }

  clear(): void {
    this.#skips = false;
    this.#rest = NOTHING;
  }

  #found(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  if (second.length === 0) return first;
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
