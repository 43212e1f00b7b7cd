import { LOG_STATE } from '../messages/layout.ts';
import { type Run, Segment, SegmentCursor } from './segment.ts';

/**
 * How a thread follows the log: the collector announces each new segment, the commit words tell the rest. A wake-up is only
 * sent to a reader that has said it sleeps, so a busy reader is never interrupted and an idle one never misses a batch.
 */
export class LogReader {
  readonly #waiting: SegmentCursor[] = [];
  readonly #asleep: Int32Array;
  readonly #index: number;
  #current: SegmentCursor | undefined;
  /** Number of the segment that was announced last. */
  #newest = 0;
  readonly #startSeq: number;

  /** @param index this reader's word in LOG_STATE.ASLEEP, @param startSeq the event before the first one that it will take */
  constructor(logState: SharedArrayBuffer, index: number, startSeq: number) {
    this.#startSeq = startSeq;
    this.#asleep = new Int32Array(logState, LOG_STATE.ASLEEP, LOG_STATE.MAX_READERS);
    this.#index = index;
  }

  /** Takes up an announced segment. Announcements arrive in order. @returns undefined for one that has been announced before */
  open(memory: SharedArrayBuffer): Segment | undefined {
    const segment = Segment.of(memory);
    if (segment.number <= this.#newest) return undefined;
    this.#newest = segment.number;
    this.#waiting.push(new SegmentCursor(segment));
    return segment;
  }

  /** Newest event that has been taken. */
  get takenSeq(): number {
    return this.#current ? this.#current.nextSeq - 1 : this.#startSeq;
  }

  /** The next records in order, or undefined when everything committed has been taken. */
  take(): Run | undefined {
    for (;;) {
      // The collector announces a successor only after the last commit, so an exhausted segment with one is finished.
      const run = this.#current?.take(this.#waiting[0]?.segment);
      if (run) return run;
      const next = this.#waiting.shift();
      if (!next) return undefined;
      this.#current = next;
    }
  }

  /** For a reader in no hurry: asks to be woken by one of the next commits, whatever has not been taken. */
  doze(): void {
    Atomics.store(this.#asleep, this.#index, 1);
  }

  /** Asks to be woken by the next commit. @returns false when there is something to take after all */
  sleep(): boolean {
    this.doze();
    if (this.#waiting.length === 0 && (!this.#current || this.#current.segment.committed === this.#current.at))
      return true;
    Atomics.store(this.#asleep, this.#index, 0);
    return false;
  }
}

/** The collector's side of the same agreement. @returns true when reader `index` slept and now must be sent a wake-up */
export function claimWakeUp(asleep: Int32Array, index: number): boolean {
  return Atomics.load(asleep, index) === 1 && Atomics.exchange(asleep, index, 0) === 1;
}
