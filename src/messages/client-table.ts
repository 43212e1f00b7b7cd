import type { Timestamp } from '../event/event.ts';
import { CLIENT } from './layout.ts';

const WORDS = CLIENT.ROW_BYTES / 4;
/** In place of the nanoseconds. */
const NO_UNTIL = -1;
const CELLS = CLIENT.ROW_BYTES / 8;

/** The shared client table: who is there and how far, for the clients-checker and statistics. Layout and writers: layout.ts. */
export class ClientTable {
  readonly #words: Int32Array;
  readonly #cells: Float64Array;
  readonly rows: number;
  readonly rowsPerShard: number;

  static allocate(shards: number, rowsPerShard: number = CLIENT.ROWS_PER_SHARD): SharedArrayBuffer {
    return new SharedArrayBuffer(shards * rowsPerShard * CLIENT.ROW_BYTES);
  }

  constructor(memory: SharedArrayBuffer, rowsPerShard: number = CLIENT.ROWS_PER_SHARD) {
    this.rowsPerShard = rowsPerShard;
    this.#words = new Int32Array(memory);
    this.#cells = new Float64Array(memory);
    this.rows = memory.byteLength / CLIENT.ROW_BYTES;
  }

  /** Shard: takes a row. @returns the row's generation */
  take(row: number, client: { readonly lagLimit: number; readonly until?: Timestamp | undefined }): number {
    const word = row * WORDS;
    // Never 0: that is a row nobody ever took.
    const generation = (this.#words[word + CLIENT.GENERATION]! + 1) | 0 || 1;
    this.#words[word + CLIENT.GENERATION] = generation;
    this.#words[word + CLIENT.LAG_LIMIT] = client.lagLimit;
    this.#words[word + CLIENT.UNTIL_SEC] = client.until?.sec ?? 0;
    this.#words[word + CLIENT.UNTIL_NANOS] = client.until?.nanos ?? NO_UNTIL;
    for (const cell of [CLIENT.NEXT_SEQ, CLIENT.DELIVERED, CLIENT.MISSED]) this.#cells[row * CELLS + cell] = 0;
    Atomics.store(this.#words, word + CLIENT.CANCELLED, 0);
    Atomics.store(this.#words, word + CLIENT.STATE, CLIENT.ACTIVE);
    return generation;
  }

  /** Shard: gives a row back. */
  free(row: number): void {
    Atomics.store(this.#words, row * WORDS + CLIENT.STATE, CLIENT.FREE);
  }

  /** The shard is gone, and its clients with it. @returns how many there were */
  clear(shard: number): number {
    let clients = 0;
    const first = shard * this.rowsPerShard;
    for (let row = first; row < first + this.rowsPerShard && this.isUsed(row); row += 1) {
      if (this.isActive(row)) clients += 1;
      this.free(row);
    }
    return clients;
  }

  /** Shard: how far the client is. */
  progress(row: number, nextSeq: number, delivered: number, missed: number): void {
    this.#cells[row * CELLS + CLIENT.NEXT_SEQ] = nextSeq;
    this.#cells[row * CELLS + CLIENT.DELIVERED] = delivered;
    this.#cells[row * CELLS + CLIENT.MISSED] = missed;
  }

  /** Anyone: asks for the client's end. The generation keeps a late cancel from hitting the row's next client. */
  cancel(row: number, generation: number): void {
    if (this.generation(row) === generation) Atomics.store(this.#words, row * WORDS + CLIENT.CANCELLED, generation);
  }

  /** Whether the row has ever been taken. A shard takes its rows from the first on, so behind one that was not come no others. */
  isUsed(row: number): boolean {
    return this.generation(row) !== 0;
  }

  isActive(row: number): boolean {
    return Atomics.load(this.#words, row * WORDS + CLIENT.STATE) === CLIENT.ACTIVE;
  }

  isCancelled(row: number): boolean {
    return Atomics.load(this.#words, row * WORDS + CLIENT.CANCELLED) === this.generation(row);
  }

  generation(row: number): number {
    return this.#words[row * WORDS + CLIENT.GENERATION]!;
  }

  lagLimit(row: number): number {
    return this.#words[row * WORDS + CLIENT.LAG_LIMIT]!;
  }

  nextSeq(row: number): number {
    return this.#cells[row * CELLS + CLIENT.NEXT_SEQ]!;
  }

  /** Whether the client has an `until` that is not later than `now`. */
  untilPassed(row: number, now: Timestamp): boolean {
    const sec = this.#words[row * WORDS + CLIENT.UNTIL_SEC]! >>> 0;
    const nanos = this.#words[row * WORDS + CLIENT.UNTIL_NANOS]!;
    if (nanos === NO_UNTIL) return false;
    return sec < now.sec || (sec === now.sec && nanos <= now.nanos);
  }
}
