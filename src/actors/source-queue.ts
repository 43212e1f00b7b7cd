import { EventPacker } from '../codec/event-packer.ts';

/** A batch that is as long as this is closed: with an event of the usual size behind it, it fills 128 KiB of memory. */
const BATCH_BYTES = 120 * 1024;
const MAX_IDLE = 2;

/** Events of a source that wait for the log, in batches. The last batch takes more, the first one goes next. */
export class SourceQueue {
  readonly #source: string;
  readonly #batches: EventPacker[] = [];
  /** Batches whose memory is used again. */
  readonly #idle: EventPacker[] = [];
  /** Of all batches but the last. */
  #closedBytes = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** Bytes of the events that wait. */
  get bytes(): number {
    const last = this.#batches.at(-1);
    return this.#closedBytes + (last ? bytesIn(last) : 0);
  }

  /** Where the next event goes. */
  get open(): EventPacker {
    const last = this.#batches.at(-1);
    if (last && bytesIn(last) < BATCH_BYTES) return last;
    if (last) this.#closedBytes += bytesIn(last);
    const next = this.#idle.pop() ?? new EventPacker(this.#source);
    this.#batches.push(next);
    return next;
  }

  /** The batch that goes next, if it has an event. It is to be given back. */
  take(): EventPacker | undefined {
    const [first] = this.#batches;
    if (!first || first.count === 0) return undefined;
    this.#batches.shift();
    if (this.#batches.length > 0) this.#closedBytes -= bytesIn(first);
    return first;
  }

  giveBack(batch: EventPacker): void {
    batch.clear();
    if (this.#idle.length < MAX_IDLE) this.#idle.push(batch);
  }
}

function bytesIn(batch: EventPacker): number {
  return batch.bytesOf(batch.count);
}
