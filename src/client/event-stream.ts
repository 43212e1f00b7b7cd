import type { Delivery } from '../event/event.ts';
import { eventsIn } from './line-splitter.ts';
import type { ResumingStream } from './resuming-stream.ts';

/**
 * Events and gaps, one by one, as a subscriber of the embedded pipeline gets them. What has arrived and was not taken is at most
 * what one read of the socket brings.
 */
export class EventStream implements AsyncIterableIterator<Delivery, undefined> {
  readonly #stream: ResumingStream;
  readonly #deliveries: AsyncGenerator<Delivery, undefined>;
  #cursor: string | undefined;

  /** @param after the position at which the stream begins, if it has one */
  constructor(stream: ResumingStream, after: string | undefined) {
    this.#stream = stream;
    this.#cursor = after;
    this.#deliveries = this.#deliver();
  }

  /**
   * The position behind the last delivery; heartbeats advance it as well. `after: cursor` goes on exactly there. Undefined as
   * long as a stream that began without a position has not heard of one.
   */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next delivery. @throws TocsinError: what no other try can mend, or without `reconnect` any abnormal end */
  next(): Promise<IteratorResult<Delivery, undefined>> {
    return this.#deliveries.next();
  }

  /** Closes the connection; a `next` that waits ends. */
  async return(): Promise<IteratorResult<Delivery, undefined>> {
    await this.#stream.return();
    return this.#deliveries.return(undefined);
  }

  async *#deliver(): AsyncGenerator<Delivery, undefined> {
    for await (const { bytes, cursor, gap } of this.#stream) {
      if (gap) {
        this.#cursor = cursor;
        yield gap;
        continue;
      }
      for (const event of eventsIn(bytes)) {
        if (this.#stream.isStopped) return;
        this.#cursor = event.cursor;
        yield event;
      }
      this.#cursor = cursor;
    }
  }
}
