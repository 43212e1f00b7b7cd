import type { MessagePort } from 'node:worker_threads';
import { EventView } from '../codec/event-record.ts';
import type { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { Delivery } from '../event/event.ts';
import type { SubscriberCommand, SubscriberNotice } from '../messages/subscriber.ts';

/**
 * The embedding program's end of a subscription: batches of packed records come in, events come out one by one. A batch is
 * acknowledged when its last event has been taken, so what is in flight stays bounded however slow the program is.
 */
export class Subscriber implements AsyncIterableIterator<Delivery> {
  readonly #port: MessagePort;
  readonly #epochs: Epochs;
  readonly #notices: SubscriberNotice[] = [];
  #batch: { readonly view: EventView; readonly to: number } | undefined;
  /** Calls of `next` that wait for something to arrive. */
  #waiting: (() => void)[] = [];
  #onDone: (() => void)[] = [];
  #done = false;

  constructor(port: MessagePort, epochs: Epochs) {
    this.#port = port;
    this.#epochs = epochs;
    port.on('message', (notice: SubscriberNotice) => this.#arrive(notice));
    // The shard went away without an `ended`: it died.
    port.on('close', () => this.#arrive({ type: 'ended', error: closed().toData() }));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next delivery. @throws the error with which the shard ended the stream */
  async next(): Promise<IteratorResult<Delivery, undefined>> {
    for (;;) {
      const delivery = this.#take();
      if (delivery) return { value: delivery, done: false };
      if (this.#done) return { value: undefined, done: true };
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Ends the subscription from this side; what has not been taken is dropped. */
  async return(): Promise<IteratorResult<Delivery, undefined>> {
    this.cancel();
    return { value: undefined, done: true };
  }

  cancel(): void {
    if (this.#done) return;
    this.#notices.length = 0;
    this.#batch = undefined;
    this.#port.postMessage({ type: 'unsubscribe' } satisfies SubscriberCommand);
    this.#finish();
  }

  /** Cancels when the signal is aborted; lets go of the signal when the subscription ends before. */
  cancelOn(signal: AbortSignal): void {
    if (this.#done) return;
    if (signal.aborted) return this.cancel();
    const abort = (): void => this.cancel();
    signal.addEventListener('abort', abort, { once: true });
    this.onDone(() => signal.removeEventListener('abort', abort));
  }

  /** Calls back once when the subscription has ended, from whichever side. */
  onDone(call: () => void): void {
    if (this.#done) call();
    else this.#onDone.push(call);
  }

  #finish(): void {
    this.#done = true;
    this.#port.close();
    for (const call of this.#onDone.splice(0)) call();
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #take(): Delivery | undefined {
    for (;;) {
      if (this.#batch) {
        const { view, to } = this.#batch;
        const event = view.toEvent(this.#epochs);
        view.at += view.byteLength;
        if (view.at >= to) {
          this.#batch = undefined;
          this.#port.postMessage({ type: 'batch-consumed' } satisfies SubscriberCommand);
        }
        return event;
      }
      const notice = this.#notices.shift();
      if (!notice) return undefined;
      if (notice.type === 'gap') return notice.gap;
      if (notice.type === 'ended') {
        this.#finish();
        if (notice.error) throw TocsinError.fromData(notice.error);
        return undefined;
      }
      const view = new EventView(notice.memory);
      view.at = notice.from;
      this.#batch = { view, to: notice.to };
    }
  }

  #arrive(notice: SubscriberNotice): void {
    if (this.#done) return;
    this.#notices.push(notice);
    this.#wakeAll();
  }
}

function closed(): TocsinError {
  return new TocsinError('ERR_ACTOR_DIED', 'the shard of this subscription is gone');
}
