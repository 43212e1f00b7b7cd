import type { Clock, Defer, Outbox } from '../../src/actors/actor.ts';
import type { Timestamp } from '../../src/event/event.ts';
import { addNanos } from '../../src/event/time.ts';
import { counterBytes, Counters, type CounterValues, readCounters } from '../../src/messages/counters.ts';
import { BASE_SEC } from './log.ts';

/** Keeps what was posted. */
export class MemoryOutbox<Message> implements Outbox<Message> {
  messages: Message[] = [];

  post(message: Message): void {
    this.messages.push(message);
  }

  /** What was posted since the last call. */
  take(): Message[] {
    const { messages } = this;
    this.messages = [];
    return messages;
  }
}

/** Stands still until it is told otherwise. */
export class ManualClock implements Clock {
  time: Timestamp = { sec: BASE_SEC, nanos: 0 };
  #elapsedMs = 0;

  /** Every look at it takes a while. */
  elapsedMs(): number {
    this.#elapsedMs += 0.3;
    return this.#elapsedMs;
  }

  now(): Timestamp {
    return this.time;
  }

  advance(nanos: number): void {
    this.time = addNanos(this.time, nanos);
  }
}

/** Keeps deferred tasks until a test runs them. */
export class ManualDefer {
  readonly tasks: (() => void)[] = [];

  readonly defer: Defer = (task) => {
    this.tasks.push(task);
  };

  /** @returns false when there was none */
  runOne(): boolean {
    const task = this.tasks.shift();
    task?.();
    return task !== undefined;
  }

  /** Until there is none left. */
  runAll(limit = 10_000): void {
    for (let count = 0; this.runOne(); count += 1) {
      if (count === limit) throw new Error(`still deferring after ${limit} tasks`);
    }
  }
}

/** The counter table of one test. */
export class CounterTable {
  readonly #shared = new SharedArrayBuffer(counterBytes(1));
  readonly writer = new Counters(this.#shared, 0);

  get values(): CounterValues {
    return readCounters(this.#shared);
  }
}
