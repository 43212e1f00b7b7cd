import { PUBLISH } from './layout.ts';

/**
 * The ring between a publisher and the `collector`: packed event records of any length, one after another. One producer, one
 * consumer; the sleep-and-look-again agreement is the intake ring's.
 */
export class PublishRing {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(PUBLISH.HEADER_BYTES + PUBLISH.BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
  }

  /**
   * Copies a packed record into the ring.
   * @returns `full` when there is no room, else whether the consumer sleeps and must be woken
   */
  offer(record: Uint8Array): 'full' | 'wake' | 'queued' {
    const head = Atomics.load(this.words, PUBLISH.HEAD);
    const used = (head - Atomics.load(this.words, PUBLISH.TAIL)) | 0;
    const at = head & (PUBLISH.BYTES - 1);
    const toEnd = PUBLISH.BYTES - at;
    const skipped = toEnd < record.length ? toEnd : 0;
    if (used + skipped + record.length > PUBLISH.BYTES) return 'full';
    if (skipped > 0) this.words[(PUBLISH.HEADER_BYTES + at) >> 2] = PUBLISH.WRAP;
    this.bytes.set(record, PUBLISH.HEADER_BYTES + (skipped > 0 ? 0 : at));
    Atomics.store(this.words, PUBLISH.HEAD, (head + skipped + record.length) | 0);
    const wake =
      Atomics.load(this.words, PUBLISH.CONSUMER_WAITS) === 1 &&
      Atomics.exchange(this.words, PUBLISH.CONSUMER_WAITS, 0) === 1;
    return wake ? 'wake' : 'queued';
  }

  get isEmpty(): boolean {
    return Atomics.load(this.words, PUBLISH.HEAD) === Atomics.load(this.words, PUBLISH.TAIL);
  }

  /** Byte offset of the oldest record, or undefined when there is none. */
  peek(): number | undefined {
    if (this.isEmpty) return undefined;
    const at = Atomics.load(this.words, PUBLISH.TAIL) & (PUBLISH.BYTES - 1);
    const offset = PUBLISH.HEADER_BYTES + at;
    if (this.words[offset >> 2] !== PUBLISH.WRAP) return offset;
    this.release(PUBLISH.BYTES - at);
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
}
