import { ANSWER, PUBLISH } from './layout.ts';
import { RingProgress } from './ring-progress.ts';

const NOTHING = new Uint8Array(0);
const ANSWER_BYTES = ANSWER.COUNT * ANSWER.WORDS * 4;

/** What became of a batch. */
export interface BatchAnswer {
  readonly requestId: number;
  /** None of its events was appended: their numbers do not follow. */
  readonly isRefused: boolean;
  /** Where its newest event is in the log, or the number that the publisher's next event must have. */
  readonly seq: number;
  readonly appended: number;
  readonly repeated: number;
}

/**
 * The ring between a publisher and the `collector`: packed event records of any length, one after another, and heads of batches
 * between them; the answers to batches go the other way. One producer, one consumer; the sleep-and-look-again agreement is the
 * intake ring's. Positions in it are counters of bytes that wrap at 2^32.
 */
export class PublishRing {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** As 64-bit words: entries are whole ones. */
  readonly longs: BigInt64Array;
  /** The collector's: see PUBLISH.PROGRESS. */
  readonly progress: RingProgress;
  readonly #length: number;

  /** @param length of the ring in bytes, a power of two */
  static allocate(length: number = PUBLISH.BYTES): SharedArrayBuffer {
    return new SharedArrayBuffer(PUBLISH.HEADER_BYTES + length + ANSWER_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.longs = new BigInt64Array(memory, 0, memory.byteLength >> 3);
    this.progress = new RingProgress(memory, PUBLISH.PROGRESS, PUBLISH.PROGRESS_CELLS);
    this.#length = memory.byteLength - PUBLISH.HEADER_BYTES - ANSWER_BYTES;
  }

  /**
   * Copies entries into the ring, together or not at all: those of `first`, behind them those of `rest`.
   * @returns `full` when there is no room, `closed` when nothing more is taken, else whether the consumer sleeps and must be woken
   */
  offer(first: Uint8Array, rest: Uint8Array = NOTHING): 'full' | 'closed' | 'wake' | 'queued' {
    const length = first.length + rest.length;
    const head = Atomics.load(this.words, PUBLISH.HEAD);
    const skipped = this.#skipped(head, length);
    if (this.isClosed) return 'closed';
    if (!this.#hasRoom(head, skipped + length)) return 'full';
    const at = head & (this.#length - 1);
    if (skipped > 0) this.words[(PUBLISH.HEADER_BYTES + at) >> 2] = PUBLISH.WRAP;
    const to = PUBLISH.HEADER_BYTES + (skipped > 0 ? 0 : at);
    this.bytes.set(first, to);
    this.bytes.set(rest, to + first.length);
    Atomics.store(this.words, PUBLISH.HEAD, (head + skipped + length) | 0);
    // Closed meanwhile: the collector looks once more after it has closed, so one of the two sees the other.
    if (this.isClosed) return 'closed';
    const wake =
      Atomics.load(this.words, PUBLISH.CONSUMER_WAITS) === 1 &&
      Atomics.exchange(this.words, PUBLISH.CONSUMER_WAITS, 0) === 1;
    return wake ? 'wake' : 'queued';
  }

  /** Producer: asks to be told when there is room. @returns false when there already is */
  sleepUntilRoom(bytes: number): boolean {
    Atomics.store(this.words, PUBLISH.PRODUCER_WAITS, 1);
    const head = Atomics.load(this.words, PUBLISH.HEAD);
    if (!this.#hasRoom(head, this.#skipped(head, bytes) + bytes)) return true;
    Atomics.store(this.words, PUBLISH.PRODUCER_WAITS, 0);
    return false;
  }

  /**
   * Consumer, after it has taken something. Half a free ring has room for any entry, and something to do for a while.
   * @returns true when the producer sleeps and must be woken
   */
  claimProducer(): boolean {
    const used = (Atomics.load(this.words, PUBLISH.HEAD) - Atomics.load(this.words, PUBLISH.TAIL)) | 0;
    return (
      used <= this.#length / 2 &&
      Atomics.load(this.words, PUBLISH.PRODUCER_WAITS) === 1 &&
      Atomics.exchange(this.words, PUBLISH.PRODUCER_WAITS, 0) === 1
    );
  }

  /** Consumer: refuses whatever comes now. What was offered before is still there. */
  close(): void {
    Atomics.store(this.words, PUBLISH.CLOSED, 1);
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, PUBLISH.CLOSED) === 1;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.words, PUBLISH.HEAD) === Atomics.load(this.words, PUBLISH.TAIL);
  }

  /** Where what has not been released begins. */
  get tail(): number {
    return Atomics.load(this.words, PUBLISH.TAIL);
  }

  /** Consumer: where the first entry from this position on is, or undefined when there is none. */
  entryFrom(position: number): number | undefined {
    if (position === Atomics.load(this.words, PUBLISH.HEAD)) return undefined;
    if (this.words[this.offsetOf(position) >> 2] !== PUBLISH.WRAP) return position;
    return (position + this.#length - (position & (this.#length - 1))) | 0;
  }

  /** Of the entry at this position, in bytes of the memory. */
  offsetOf(position: number): number {
    return PUBLISH.HEADER_BYTES + (position & (this.#length - 1));
  }

  /** Consumer: entries before this position are not needed any more. */
  release(position: number): void {
    Atomics.store(this.words, PUBLISH.TAIL, position);
  }

  /** Consumer: asks to be woken by the next record. @returns false when one already waits behind this position */
  sleepUntilRecords(position: number): boolean {
    Atomics.store(this.words, PUBLISH.CONSUMER_WAITS, 1);
    if (position === Atomics.load(this.words, PUBLISH.HEAD)) return true;
    Atomics.store(this.words, PUBLISH.CONSUMER_WAITS, 0);
    return false;
  }

  /** Consumer: puts an answer where the producer will find the `index`-th one. */
  writeAnswer(index: number, { requestId, isRefused, seq, appended, repeated }: BatchAnswer): void {
    const at = this.#answer(index);
    this.words[at + ANSWER.REQUEST_ID] = requestId;
    this.words[at + ANSWER.REFUSED] = isRefused ? 1 : 0;
    this.words[at + ANSWER.SEQ_LOW] = seq | 0;
    this.words[at + ANSWER.SEQ_HIGH] = Math.floor(seq / 0x100000000);
    this.words[at + ANSWER.APPENDED] = appended;
    this.words[at + ANSWER.REPEATED] = repeated;
  }

  answer(index: number): BatchAnswer {
    const at = this.#answer(index);
    const word = (field: number): number => this.words[at + field]! >>> 0;
    return {
      requestId: word(ANSWER.REQUEST_ID),
      isRefused: word(ANSWER.REFUSED) === 1,
      seq: word(ANSWER.SEQ_LOW) + word(ANSWER.SEQ_HIGH) * 0x100000000,
      appended: word(ANSWER.APPENDED),
      repeated: word(ANSWER.REPEATED),
    };
  }

  /** How many answers can be read; counts on beyond 2^32 from 0. */
  get answered(): number {
    return Atomics.load(this.words, PUBLISH.ANSWERED) >>> 0;
  }
  /** Consumer only. */
  set answered(count: number) {
    Atomics.store(this.words, PUBLISH.ANSWERED, count);
  }

  #answer(index: number): number {
    const place = index & (ANSWER.COUNT - 1);
    return ((PUBLISH.HEADER_BYTES + this.#length) >> 2) + place * ANSWER.WORDS;
  }

  #hasRoom(head: number, bytes: number): boolean {
    return ((head - Atomics.load(this.words, PUBLISH.TAIL)) | 0) + bytes <= this.#length;
  }

  /** Bytes at the end of the ring that these entries leave unused. */
  #skipped(head: number, bytes: number): number {
    const toEnd = this.#length - (head & (this.#length - 1));
    return toEnd < bytes ? toEnd : 0;
  }
}
