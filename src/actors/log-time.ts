import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import type { Counters } from '../messages/counters.ts';
import type { Clock } from './actor.ts';

/** A source may be this far ahead of our clock before its time is not believed. */
const MAX_AHEAD_SEC = 5;

/**
 * The time of the log: strictly increasing, to the nanosecond. An event gets the source's time or ours, and at least one
 * nanosecond more than the event before it. The clock is read once a batch.
 */
export class LogTime {
  readonly #clock: Clock;
  readonly #counters: Counters;
  /** The time that was given last. */
  sec = 0;
  nanos = 0;
  #now: Timestamp = { sec: 0, nanos: 0 };
  #behind = false;
  /** History that is imported knows its times better than our clock does. */
  #trusts = false;

  constructor(clock: Clock, counters: Counters) {
    this.#clock = clock;
    this.#counters = counters;
  }

  /** Goes on behind the newest event of an earlier process. */
  restore({ sec, nanos }: Timestamp): void {
    this.sec = sec;
    this.nanos = nanos;
  }

  /** Of an empty log: begins anew, and believes every time. */
  beginImport(): void {
    this.sec = 0;
    this.nanos = 0;
    this.#trusts = true;
  }

  endImport(): void {
    this.#trusts = false;
  }

  beginBatch(): void {
    this.#now = this.#clock.now();
    const isBehind = compareTime(this.#now, this) < 0;
    if (isBehind && !this.#behind) this.#counters.add('clockSteps');
    this.#behind = isBehind;
  }

  /**
   * Advances to the next event's time.
   * @param wanted the source's time; seconds 0 = none
   * @returns true when the event got the time that it wanted, or wanted none
   */
  next(wanted?: Timestamp): boolean {
    const own = wanted !== undefined && wanted.sec > 0 && this.#isBelievable(wanted) ? wanted : undefined;
    const { sec, nanos } = own ?? this.#now;
    if (sec > this.sec || (sec === this.sec && nanos > this.nanos)) {
      this.sec = sec;
      this.nanos = nanos;
    } else if (this.nanos === 999_999_999) {
      this.sec += 1;
      this.nanos = 0;
    } else {
      this.nanos += 1;
    }
    const honoured = wanted === undefined || wanted.sec === 0 || compareTime(wanted, this) === 0;
    if (!honoured) this.#counters.add('timesBumped');
    return honoured;
  }

  #isBelievable({ sec, nanos }: Timestamp): boolean {
    if (this.#trusts) return true;
    const aheadSec = sec - this.#now.sec;
    return aheadSec < MAX_AHEAD_SEC || (aheadSec === MAX_AHEAD_SEC && nanos <= this.#now.nanos);
  }

  /** A moment that every later event will be later than: now, or the last event's time when that is ahead. */
  mark(): Timestamp {
    const now = this.#clock.now();
    if (compareTime(now, this) > 0) {
      this.sec = now.sec;
      this.nanos = now.nanos;
    }
    return { sec: this.sec, nanos: this.nanos };
  }
}
