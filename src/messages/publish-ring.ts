import { PUBLISH } from './layout.ts';

const NOTHING = new Uint8Array(0);

/**
 * The ring between a publisher and the `collector`: packed event records of any length, one after another, and heads of batches
 * between them. One producer, one consumer; the sleep-and-look-again agreement is the intake ring's.
 */
export class PublishRing {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #length: number;

  /** @param length of the ring in bytes, a power of two */
  static allocate(length: number = PUBLISH.BYTES): SharedArrayBuffer {
    return new SharedArrayBuffer(PUBLISH.HEADER_BYTES + length);
  }

  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.#length = memory.byteLength - PUBLISH.HEADER_BYTES;
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

  /** Byte offset of the oldest record, or undefined when there is none. */
  peek(): number | undefined {
    if (this.isEmpty) return undefined;
    const at = Atomics.load(this.words, PUBLISH.TAIL) & (this.#length - 1);
    const offset = PUBLISH.HEADER_BYTES + at;
    if (this.words[offset >> 2] !== PUBLISH.WRAP) return offset;
    this.release(this.#length - at);
    return PUBLISH.HEADER_BYTES;
  }

  release(bytes: number): void {
    Atomics.store(this.words, PUBLISH.TAIL, (Atomics.load(this.words, PUBLISH.TAIL) + bytes) | 0);
  }

  /** Consumer: asks to be woken by the next record. @returns false when one already waits */
  sleepUntilRecords(): boolean {
    Atomics.store(this.words, PUBLISH.CONSUMER_WAITS, 1);
    if (this.isEmpty) return true;
    Atomics.store(this.words, PUBLISH.CONSUMER_WAITS, 0);
    return false;
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
