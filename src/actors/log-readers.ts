import { claimWakeUp } from '../history/log-reader.ts';
import type { LogNotice } from '../messages/collector.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Outbox } from './actor.ts';

/** Its place among the readers. */
const BUFFER = 0;
/** While there is more to take, readers are told of new events each time there are so many: waking a thread costs as much as ten. */
const ANNOUNCE_EVERY = 1_024;

/** Who reads the log besides the collector: told everything in order, and woken when there is more and they sleep. */
export class LogReaders {
  readonly #outboxes: readonly Outbox<LogNotice>[];
  readonly #logState: LogState;
  readonly #bufferEvery: number;
  #announcedAt: number;
  #bufferToldAt = 0;

  /**
   * @param outboxes index = word in LOG_STATE.ASLEEP: the buffer first, then the shards
   * @param bufferEvery the buffer is told each time there are so many events: it is in no hurry
   */
  constructor(outboxes: readonly Outbox<LogNotice>[], logState: LogState, bufferEvery: number) {
    this.#outboxes = outboxes;
    this.#logState = logState;
    this.#bufferEvery = bufferEvery;
    this.#announcedAt = logState.headSeq;
  }

  /** So much is new that they should not wait until everything has been taken. */
  get isDue(): boolean {
    return this.#logState.headSeq - this.#announcedAt >= ANNOUNCE_EVERY;
  }

  tell(notice: LogNotice): void {
    for (const outbox of this.#outboxes) outbox.post(notice);
  }

  /** Wakes those that sleep, if there is something new. */
  announce(): void {
    const head = this.#logState.headSeq;
    if (head === this.#announcedAt) return;
    this.#announcedAt = head;
    this.#outboxes.forEach((outbox, index) => {
      if (index === BUFFER && head - this.#bufferToldAt < this.#bufferEvery) return;
      if (index === BUFFER) this.#bufferToldAt = head;
      if (claimWakeUp(this.#logState.asleep, index)) outbox.post({ type: 'appended' });
    });
  }
}
