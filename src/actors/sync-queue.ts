import type { NewBatch } from '../history/batch.ts';
import { type Batch, joined } from './log-batch.ts';

/** What goes to disk in one write. */
const MAX_FLUSH_BYTES = 4 * 1024 * 1024;

/** Under `sync`: batches that are not safe yet, in order. While the disk is busy, those that come are joined. */
export class SyncQueue {
  readonly #batches: Batch[] = [];
  #bytes = 0;
  /** Of the first ones: how many are on their way. */
  #inFlight = 0;

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** What it keeps waiting, more or less. */
  get bytes(): number {
    return this.#bytes;
  }

  get last(): Batch | undefined {
    return this.#batches.at(-1);
  }

  /** Nothing waits behind those that are on their way. */
  get isAllInFlight(): boolean {
    return this.#inFlight === this.#batches.length;
  }

  add(batch: Batch): void {
    const { last } = this;
    if (last && !this.isAllInFlight && last.segment === batch.segment && last.to === batch.from)
      this.#batches[this.#batches.length - 1] = joined(last, batch);
    else this.#batches.push(batch);
    this.#bytes += bytesOf(batch);
  }

  /**
   * Those that go to disk next, in one write; never so much that a reader would take it for garbage. They wait on until `settled`
   * or `failed`.
   * @returns undefined while some are on their way, and when none waits
   */
  take(): readonly Batch[] | undefined {
    if (this.#inFlight > 0 || this.isEmpty) return undefined;
    let bytes = 0;
    const count = this.#batches.findIndex((batch) => {
      bytes += batch.events.length;
      return bytes > MAX_FLUSH_BYTES;
    });
    const taken = this.#batches.slice(0, count < 0 ? undefined : Math.max(1, count));
    this.#inFlight = taken.length;
    return taken;
  }

  /** What was taken is safe. */
  settled(): void {
    this.#batches.splice(0, this.#inFlight);
    this.#inFlight = 0;
    this.#bytes = this.#batches.reduce((sum, batch) => sum + bytesOf(batch), 0);
  }

  /** What was taken is to be taken again. */
  failed(): void {
    this.#inFlight = 0;
  }
}

function bytesOf({ events, state }: NewBatch): number {
  return events.length + 256 * state.length + 1;
}
