import { INTAKE, MONITOR } from './layout.ts';
import { RingProgress } from './ring-progress.ts';

/** Of a slot. */
const LAST_WORD = (MONITOR.BYTES >> 2) - 1;

/**
 * The ring between `monitored` and the `collector`: whole monitor records in shared memory that main owns.
 *
 *   monitored: read straight into free slots -> commit(n)      collector: available() -> slotAt(i) -> release(n)
 *
 * One producer, one consumer. Each side that has nothing to do says so in a word and looks once more before it sleeps, so a
 * wake-up message is sent exactly when it is needed.
 */
export class IntakeRing {
  readonly bytes: Uint8Array;
  /** The same memory; slots begin on word boundaries. */
  readonly words: Int32Array;
  /** The collector's: TAIL. */
  readonly progress: RingProgress;
  readonly #slots: number;

  /** @param slots a power of two */
  static allocate(slots: number = INTAKE.SLOTS): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(INTAKE.HEADER_BYTES + slots * MONITOR.BYTES);
    const ring = new IntakeRing(memory);
    for (let slot = 0; slot < slots; slot += 1) ring.#markFree(slot);
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.progress = new RingProgress(memory, INTAKE.PROGRESS, INTAKE.PROGRESS_CELLS);
    this.#slots = (memory.byteLength - INTAKE.HEADER_BYTES) / MONITOR.BYTES;
  }

  /** Byte offset of the slot that is `ahead` records behind the last committed one. */
  get writeOffset(): number {
    return this.#offset(Atomics.load(this.words, INTAKE.HEAD));
  }

  /** Free slots from `writeOffset` on without wrapping. */
  get contiguousFree(): number {
    const head = Atomics.load(this.words, INTAKE.HEAD);
    const used = (head - Atomics.load(this.words, INTAKE.TAIL)) | 0;
    return Math.min(this.#slots - used, this.#slots - (head & (this.#slots - 1)));
  }

  /** Hands the first `records` free slots to the consumer. @returns true when it sleeps and must be woken */
  commit(records: number): boolean {
    const head = Atomics.load(this.words, INTAKE.HEAD);
    Atomics.store(this.words, INTAKE.HEAD, (head + records) | 0);
    return (
      Atomics.load(this.words, INTAKE.CONSUMER_WAITS) === 1 &&
      Atomics.exchange(this.words, INTAKE.CONSUMER_WAITS, 0) === 1
    );
  }

  /** For a producer that goes on where another one died: slots that it had filled whole, and not handed over. */
  get abandoned(): number {
    const { contiguousFree } = this;
    const first = Atomics.load(this.words, INTAKE.HEAD) & (this.#slots - 1);
    let records = 0;
    while (records < contiguousFree && this.#isFilled(first + records)) records += 1;
    return records;
  }

  /** Undoes what a partial read left in free slots, so that they read as free again. */
  resetFree(bytes: number): void {
    const first = Atomics.load(this.words, INTAKE.HEAD) & (this.#slots - 1);
    for (let slot = first; (slot - first) * MONITOR.BYTES < bytes; slot += 1) this.#markFree(slot);
  }

  /** Producer: asks to be woken when slots become free. @returns false when some already are */
  sleepUntilFree(): boolean {
    Atomics.store(this.words, INTAKE.PRODUCER_WAITS, 1);
    if (this.contiguousFree === 0) return true;
    Atomics.store(this.words, INTAKE.PRODUCER_WAITS, 0);
    return false;
  }

  /** Committed records that have not been released. */
  get available(): number {
    return (Atomics.load(this.words, INTAKE.HEAD) - Atomics.load(this.words, INTAKE.TAIL)) | 0;
  }

  /** Byte offset of the `index`-th waiting record. */
  slotAt(index: number): number {
    return this.#offset((Atomics.load(this.words, INTAKE.TAIL) + index) | 0);
  }

  /**
   * Gives the oldest `records` slots back. The producer, which sleeps on a full ring only, is woken once half of it is free:
   * then it has something to do for a while.
   * @returns true when it sleeps and must be woken
   */
  release(records: number): boolean {
    const { tail } = this;
    for (let index = 0; index < records; index += 1) this.#markFree((tail + index) & (this.#slots - 1));
    Atomics.store(this.words, INTAKE.TAIL, (tail + records) | 0);
    return (
      this.available <= this.#slots / 2 &&
      Atomics.load(this.words, INTAKE.PRODUCER_WAITS) === 1 &&
      Atomics.exchange(this.words, INTAKE.PRODUCER_WAITS, 0) === 1
    );
  }

  /** Counts records; wraps at 2^32. */
  get tail(): number {
    return Atomics.load(this.words, INTAKE.TAIL);
  }

  /**
   * Consumer: asks to be woken by the next commit.
   * @param taken records that it has and will release; @returns false when others already wait
   */
  sleepUntilRecords(taken = 0): boolean {
    Atomics.store(this.words, INTAKE.CONSUMER_WAITS, 1);
    if (this.available === taken) return true;
    Atomics.store(this.words, INTAKE.CONSUMER_WAITS, 0);
    return false;
  }

  #offset(counter: number): number {
    return INTAKE.HEADER_BYTES + (counter & (this.#slots - 1)) * MONITOR.BYTES;
  }

  #markFree(slot: number): void {
    const first = (INTAKE.HEADER_BYTES + slot * MONITOR.BYTES) >> 2;
    this.words[first] = INTAKE.SENTINEL;
    this.words[first + LAST_WORD] = INTAKE.SENTINEL;
  }

  #isFilled(slot: number): boolean {
    const first = (INTAKE.HEADER_BYTES + slot * MONITOR.BYTES) >> 2;
    return this.words[first] !== INTAKE.SENTINEL && this.words[first + LAST_WORD] !== INTAKE.SENTINEL;
  }
}
