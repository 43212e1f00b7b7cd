import { type Epoch, formatCursor, parseCursor } from './cursor.ts';
import { TocsinError } from './errors.ts';

/** A stretch of the log that was written without a loss: from `firstSeq` on, up to where the next one begins. */
export interface EpochSpan {
  readonly epoch: Epoch;
  readonly firstSeq: number;
}

/** Where a cursor leads. */
export interface Resolved {
  /** The event that the cursor names, or the last one that was recovered before it. */
  readonly seq: number;
  /** The number that the cursor names when events up to it were lost in a crash, and which they were is not known. */
  readonly lostUpTo: number | undefined;
}

/**
 * The lives of one log, oldest first. A log gets a new epoch when events that clients have seen may be lost, so that the same
 * number in two lives is never taken for the same event.
 */
export class Epochs {
  #spans: readonly EpochSpan[];
  #current: EpochSpan;
  /** Spans before this one ended with a process, and whatever that had not made durable. Later ones go on without a loss. */
  readonly #live: number;

  /** @param spans at least one, in order */
  constructor(spans: readonly EpochSpan[]) {
    this.#spans = spans;
    this.#current = spans.at(-1)!;
    this.#live = spans.length - 1;
  }

  get spans(): readonly EpochSpan[] {
    return this.#spans;
  }

  get current(): Epoch {
    return this.#current.epoch;
  }

  /** The log goes on under another epoch. One that is known already changes nothing. */
  begin(span: EpochSpan): void {
    if (this.#spans.some(({ epoch }) => epoch === span.epoch)) return;
    this.#spans = [...this.#spans, span];
    this.#current = span;
  }

  /** The epoch that the event belongs to. */
  at(seq: number): Epoch {
    if (seq >= this.#current.firstSeq) return this.#current.epoch;
    return this.#spans.findLast((span) => span.firstSeq <= seq)?.epoch ?? this.#spans[0]!.epoch;
  }

  cursor(seq: number): string {
    return formatCursor(this.at(seq), seq);
  }

  /**
   * The position behind which a cursor of this log, or of an earlier life of it, goes on.
   * @throws ERR_CURSOR_INVALID, ERR_CURSOR_FOREIGN, ERR_CURSOR_FUTURE
   */
  resolve(text: string, headSeq: number): Resolved {
    const { epoch, seq } = parseCursor(text);
    const index = this.#spans.findIndex((span) => span.epoch === epoch);
    if (index < 0)
      throw new TocsinError('ERR_CURSOR_FOREIGN', `cursor ${text} belongs to another log; this one is ${this.current}`);
    if (index < this.#live) {
      const last = this.#spans[index + 1]!.firstSeq - 1;
      return seq <= last ? { seq, lostUpTo: undefined } : { seq: last, lostUpTo: seq };
    }
    if (seq > headSeq) {
      throw new TocsinError('ERR_CURSOR_FUTURE', `cursor ${text} is beyond the newest event ${this.cursor(headSeq)}`);
    }
    return { seq, lostUpTo: undefined };
  }
}
