import { TocsinError } from './errors.ts';

/** How far a named publisher has come. */
export interface SavedPublisher {
  readonly name: string;
  /** The publisher's number that its next event must have. */
  readonly next: number;
  /** Where its newest event is in the log. */
  readonly seq: number;
}

/** Events that a batch begins with and that are in the log, the newest of them at `seq`. */
export interface Repeated {
  readonly count: number;
  readonly seq: number;
}

/** Of a batch before which events of its publisher are missing. */
export function sequenceError(publisher: string, expected: number, sequence: number): TocsinError {
  return new TocsinError(
    'ERR_PUBLISHER_SEQUENCE',
    `publisher ${JSON.stringify(publisher)}: expected sequence ${expected}, got ${sequence}`,
    { detail: { expected } },
  );
}

interface Entry {
  /** The publisher's number that its next event must have. */
  readonly next: number;
  /** Where its newest event is in the log. */
  readonly seq: number;
}

/**
 * How far each named publisher has come, so that a retry is recognised. Of fixed size: the publisher that has been silent for
 * longest is forgotten first.
 */
export class PublisherTable {
  readonly #entries = new Map<string, Entry>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * How many of the events that begin with number `sequence` have been appended by an earlier try, or, when events are missing
   * before them, the number that was `expected`. A publisher that is not known may begin anywhere.
   */
  repeated(publisher: string, sequence: number, events: number): Repeated | { readonly expected: number } {
    const entry = this.#entries.get(publisher);
    if (!entry) return { count: 0, seq: 0 };
    if (sequence > entry.next) return { expected: entry.next };
    return { count: Math.min(events, entry.next - sequence), seq: entry.seq };
  }

  /** Takes up what an earlier process knew, the one that was silent for longest first. */
  restore(saved: readonly SavedPublisher[]): void {
    for (const { name, next, seq } of saved) this.#entries.set(name, { next, seq });
  }

  *saved(): IterableIterator<SavedPublisher> {
    for (const [name, { next, seq }] of this.#entries) yield { name, next, seq };
  }

  /** Takes note of what was appended. @returns whether another publisher had to be forgotten for it */
  note(publisher: string, next: number, seq: number): boolean {
    this.#entries.delete(publisher);
    this.#entries.set(publisher, { next, seq });
    if (this.#entries.size <= this.#max) return false;
    const [oldest = ''] = this.#entries.keys();
    this.#entries.delete(oldest);
    return true;
  }
}
