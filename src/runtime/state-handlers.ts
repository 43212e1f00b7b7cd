import PQueue from 'p-queue';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { TocsinEvent } from '../event/event.ts';
import type { Counters } from '../messages/counters.ts';
import type { Subscriber } from './subscriber.ts';
import type { SubscribeOptions } from './subscription.ts';

export interface StateHandlerOptions {
  /**
   * Called for each `die` and `oom`; the next one of the same container waits for what it returns. After a restart with
   * `after`, events that were being handled come again: `event.seq` tells.
   */
  handle(event: TocsinEvent, context: { readonly signal: AbortSignal }): void | Promise<void>;
  /** Hears of calls that failed or timed out, and of events that are not handled; `event` is absent for those that are gone. */
  onError?(error: TocsinError, event?: TocsinEvent): void;
  /** Until a call's signal is aborted and others get its place; its container's later calls wait on. Default 30,000. */
  readonly timeoutMs?: number;
  /** Calls at a time, at most. Default 16. */
  readonly concurrency?: number;
  /** `cursor` of an earlier run: everything behind it. Default: what comes from now on. */
  readonly after?: string;
}

export interface StateHandlerStats {
  readonly handled: number;
  readonly failed: number;
  readonly timedOut: number;
  /** Events that were not handled because too many of their container waited for a call that timed out. */
  readonly dropped: number;
  /** Events that were no longer retained when it came to them, whether or not they were any of ours; null when not known. */
  readonly missed: number;
  readonly waiting: number;
  /** Containers whose call has timed out and not come back. */
  readonly held: number;
}

/** Events of one container that wait; of all containers that are not held. Beyond them reading stops. */
const MAX_PER_CONTAINER = 1_000;
const MAX_WAITING = 10_000;
/** Events that wait for calls that timed out; beyond them such events are dropped. */
const MAX_HELD = 10_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_CONCURRENCY = 16;
const MAX_TIMER_MS = 2 ** 31 - 1;
const FILTER = ['type=container', 'event=die', 'event=oom'];

interface Queue {
  readonly events: TocsinEvent[];
  isRunning: boolean;
  /** Its call timed out and has not come back. */
  isHeld: boolean;
}

/**
 * State handlers: a cursor on the log that calls a function for what has stopped. Each container has its own order; a call
 * that takes too long gives its place away and keeps only its own container waiting.
 */
export class StateHandlers {
  readonly #options: Required<Pick<StateHandlerOptions, 'timeoutMs' | 'concurrency'>> & StateHandlerOptions;
  readonly #counters: Pick<Counters, 'add'>;
  readonly #calls: PQueue;
  readonly #queues = new Map<string, Queue>();
  /** Sequence numbers of events that are not done with, in order: the first one bounds `cursor`. */
  readonly #outstanding = new Map<number, string>();
  readonly #aborts = new Set<AbortController>();
  #subscriber: Subscriber | undefined;
  #lastCursor: string;
  #waiting = 0;
  #heldEvents = 0;
  #counts = { handled: 0, failed: 0, timedOut: 0, dropped: 0, missed: 0 };
  #held = 0;
  #goOn: (() => void) | undefined;
  #isClosed = false;
  #reading: Promise<void> = Promise.resolve();
  #onIdle: (() => void)[] = [];

  /** @throws ERR_OPTION_INVALID */
  constructor(options: StateHandlerOptions, head: string, counters: Pick<Counters, 'add'>) {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, concurrency = DEFAULT_CONCURRENCY } = options;
    if (typeof options.handle !== 'function')
      throw new TocsinError('ERR_OPTION_INVALID', 'handle: expected a function');
    checkCount('timeoutMs', timeoutMs, MAX_TIMER_MS);
    checkCount('concurrency', concurrency, 10_000);
    this.#options = { ...options, timeoutMs, concurrency, handle: options.handle.bind(options) };
    this.#calls = new PQueue({ concurrency });
    this.#lastCursor = options.after ?? head;
    this.#counters = counters;
  }

  /** @throws what subscribing throws */
  async start(subscribe: (options: SubscribeOptions) => Promise<Subscriber>): Promise<void> {
    const attach = (): Promise<Subscriber> => subscribe({ filter: FILTER, after: this.#lastCursor });
    this.#subscriber = await attach();
    this.#reading = this.#readAll(this.#subscriber, attach);
  }

  /** Everything up to here is done with; `after` for the next run. */
  get cursor(): string {
    const [first] = this.#outstanding.values();
    return first ?? this.#lastCursor;
  }

  get stats(): StateHandlerStats {
    return { ...this.#counts, waiting: this.#waiting + this.#heldEvents, held: this.#held };
  }

  /** Resolves when the log has ended, or the handlers were closed, and every call has come back. */
  async finished(): Promise<void> {
    await this.#reading;
    if (this.#outstanding.size > 0 && !this.#isClosed) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Aborts what is running and takes nothing more. What was not done with comes again with `after: cursor`. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#subscriber?.cancel();
    this.#calls.clear();
    for (const abort of this.#aborts) abort.abort(closedError());
    this.#goOn?.();
    this.#settleIdle();
    await this.#reading;
  }

  /** Through as many subscriptions as it takes: one ends with its shard when that dies. */
  async #readAll(first: Subscriber, attach: () => Promise<Subscriber>): Promise<void> {
    let subscriber = first;
    for (;;) {
      try {
        return await this.#read(subscriber);
      } catch (error) {
        if (this.#isClosed) return;
        const { code } = asTocsinError(error);
        if (code !== 'ERR_ACTOR_DIED') return this.#report(asTocsinError(error));
      }
      try {
        subscriber = await attach();
      } catch (error) {
        if (!this.#isClosed) this.#report(asTocsinError(error));
        return;
      }
      this.#subscriber = subscriber;
      if (this.#isClosed) subscriber.cancel();
    }
  }

  async #read(subscriber: Subscriber): Promise<void> {
    let cursor = this.#lastCursor;
    for await (const delivery of subscriber) {
      if ('missed' in delivery) {
        const missed = delivery.missed ?? 0;
        this.#counts.missed += missed;
        this.#report(new TocsinError('ERR_CLIENT_GAP', `${delivery.missed ?? 'some'} events are no longer retained`));
        continue;
      }
      // Before it, everything but what is outstanding is done with.
      this.#outstanding.set(delivery.seq, cursor);
      cursor = delivery.cursor;
      this.#lastCursor = cursor;
      await this.#accept(delivery);
      if (this.#isClosed) return;
    }
  }

  async #accept(event: TocsinEvent): Promise<void> {
    const queue = this.#queueOf(event.id);
    while (!queue.isHeld && (queue.events.length >= MAX_PER_CONTAINER || this.#waiting >= MAX_WAITING)) {
      await new Promise<void>((resolve) => (this.#goOn = resolve));
      if (this.#isClosed) return;
    }
    if (queue.isHeld && (queue.events.length >= MAX_PER_CONTAINER || this.#heldEvents >= MAX_HELD)) {
      this.#counts.dropped += 1;
      this.#counters.add('handlersDropped');
      this.#report(new TocsinError('ERR_HANDLER_DROPPED', `too many events of ${event.id} wait already`), event);
      return this.#done(event);
    }
    // It may have gone idle, and been forgotten, meanwhile.
    this.#queues.set(event.id, queue);
    queue.events.push(event);
    if (queue.isHeld) this.#heldEvents += 1;
    else this.#waiting += 1;
    this.#schedule(event.id, queue);
  }

  #queueOf(id: string): Queue {
    return this.#queues.get(id) ?? { events: [], isRunning: false, isHeld: false };
  }

  #schedule(id: string, queue: Queue): void {
    if (queue.isRunning || this.#isClosed) return;
    if (queue.events.length === 0) {
      this.#queues.delete(id);
      return;
    }
    queue.isRunning = true;
    void this.#calls.add(() => this.#callNext(id, queue));
  }

  /** Resolves when the call has come back or its time is over: then another one gets its place. */
  async #callNext(id: string, queue: Queue): Promise<void> {
    const event = queue.events.shift()!;
    this.#waiting -= 1;
    this.#goOn?.();
    const abort = new AbortController();
    this.#aborts.add(abort);
    const call = this.#call(event, abort.signal).finally(() => {
      this.#aborts.delete(abort);
      if (queue.isHeld) this.#release(queue);
      this.#done(event);
      queue.isRunning = false;
      this.#schedule(id, queue);
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#onLate(event, queue, abort);
        resolve();
      }, this.#options.timeoutMs);
      // Closed: nobody waits for a call that does not end, the process least of all.
      abort.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    });
    await Promise.race([call, late]);
    clearTimeout(timer);
  }

  async #call(event: TocsinEvent, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.handle(event, { signal });
      this.#counts.handled += 1;
      this.#counters.add('handlersRun');
    } catch (error) {
      // After its time the failure is what was to be expected, and has been reported.
      if (signal.aborted) return;
      this.#counts.failed += 1;
      this.#counters.add('handlersFailed');
      this.#report(asTocsinError(error, 'ERR_HANDLER_FAILED'), event);
    }
  }

  #onLate(event: TocsinEvent, queue: Queue, abort: AbortController): void {
    const { timeoutMs } = this.#options;
    this.#counts.timedOut += 1;
    this.#counters.add('handlersTimedOut');
    const error = new TocsinError('ERR_HANDLER_TIMEOUT', `the handler of ${event.id} took more than ${timeoutMs} ms`);
    queue.isHeld = true;
    this.#held += 1;
    this.#waiting -= queue.events.length;
    this.#heldEvents += queue.events.length;
    this.#goOn?.();
    abort.abort(error);
    this.#report(error, event);
  }

  #release(queue: Queue): void {
    queue.isHeld = false;
    this.#held -= 1;
    this.#heldEvents -= queue.events.length;
    this.#waiting += queue.events.length;
  }

  #done(event: TocsinEvent): void {
    this.#outstanding.delete(event.seq);
    if (this.#outstanding.size === 0) this.#settleIdle();
  }

  #settleIdle(): void {
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #report(error: TocsinError, event?: TocsinEvent): void {
    try {
      this.#options.onError?.(error, event);
    } catch {
      // There is nobody left to tell.
    }
  }
}

function checkCount(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new TocsinError(
    'ERR_OPTION_INVALID',
    `${name}: expected a whole number from 1 to ${max}, got ${String(value)}`,
  );
}

function closedError(): TocsinError {
  return new TocsinError('ERR_PIPELINE_CLOSED', 'the state handlers were closed');
}
