import assert from 'node:assert/strict';
import { type Epoch, parseCursor } from '../../src/event/cursor.ts';
import type { Lagged } from '../../src/event/event.ts';
import { compareTime } from '../../src/event/time.ts';
import type { Subscription } from '../../src/messages/control.ts';
import type { RecordingSink } from './recording-sink.ts';
import type { LoggedEvent, World } from './world.ts';

/** What a filter shows, said a second time and independently. */
export type Shows = (event: LoggedEvent) => boolean;

/**
 * A client that knows what it has been promised: every event of the log that its subscription shows, in order, once, or else
 * a gap with the right numbers. It accounts for each sequence number as it is told things.
 */
export class ModelledClient {
  readonly sink: RecordingSink;
  readonly subscription: Subscription;
  /** May end at any time: it left, was cancelled, or its sink is broken. */
  isExcused = false;
  readonly #world: World;
  readonly #epoch: Epoch;
  readonly #shows: Shows;
  /** First event that is not accounted for. */
  #next: number;
  readonly #endSeq: number;
  /** History may not reach as far back as it asked for: nobody owes it those events, nor a gap, before it has begun. */
  #mayBeginLater: boolean;

  constructor(world: World, epoch: Epoch, subscription: Subscription, sink: RecordingSink, shows: Shows) {
    this.sink = sink;
    this.subscription = subscription;
    this.#world = world;
    this.#epoch = epoch;
    this.#shows = shows;
    const head = world.logState.headSeq;
    const { start, follow } = subscription;
    this.#endSeq = follow ? Infinity : head;
    this.#mayBeginLater = start.from === 'time' || start.from === 'recent';
    this.#next = 1;
    if (start.from === 'live') this.#next = head + 1;
    else if (start.from === 'recent') this.#next = Math.max(1, head + 1 - start.count);
    else if (start.from === 'cursor') this.#next = Number(start.cursor.split('-')[1]) + 1;
    sink.onEvents = (seqs) => this.#onEvents(seqs);
    sink.onGap = (gap) => this.#onGap(gap);
    sink.onEnd = (error) => this.#onEnd(error?.code);
  }

  #onEvents(seqs: readonly (number | string)[]): void {
    this.#world.look();
    for (const seq of seqs) {
      assert.ok(typeof seq === 'number');
      assert.ok(seq >= this.#next, `event ${seq} came again, or out of order: ${this.#next} was next`);
      this.#accountUpTo(seq);
      const event = this.#world.log[seq - 1];
      assert.ok(event && this.#isWanted(event), `event ${seq} is not what it asked for`);
      this.#next = seq + 1;
    }
    this.#mayBeginLater = false;
  }

  #onGap({ from, to, missed, reason, oldest }: Lagged): void {
    assert.ok(from >= this.#next, `a gap from ${from}, where ${this.#next} was next`);
    this.#accountUpTo(from);
    assert.equal(missed, to + 1 - from);
    assert.equal(reason, 'retention');
    assert.ok(to < this.#world.logState.oldestSeq, `a gap to ${to}, which is still there`);
    const behind = parseCursor(oldest);
    assert.equal(behind.epoch, this.#epoch);
    // Behind the gap; further on where the gap ends with what the client asked for.
    const isLast = to === this.#endSeq || this.subscription.until !== undefined;
    assert.ok(
      behind.seq === to || (behind.seq > to && isLast),
      `${oldest} behind a gap to ${to}: ${JSON.stringify(this.subscription)}`,
    );
    this.#next = to + 1;
    this.#mayBeginLater = false;
  }

  #onEnd(code: string | undefined): void {
    this.#world.look();
    if (this.isExcused) return;
    const { lagLimit } = this.subscription;
    if (code === 'ERR_CLIENT_GAP') return assert.equal(this.sink.tellsGaps, false, 'cut though it can be told');
    if (code === 'ERR_CLIENT_LAGGED') {
      const lag = this.#world.logState.headSeq + 1 - this.#next;
      return assert.ok(lagLimit > 0 && lag > lagLimit, `cut ${lag} events behind with a limit of ${lagLimit}`);
    }
    assert.equal(code, undefined);
    assert.equal(this.sink.tellsGaps || this.sink.gaps.length === 0, true, 'a clean end though events were missed');
    // What comes after an `until` that has passed is later than it, so nothing that is appended from now on belongs to it.
    const { follow, until } = this.subscription;
    const last = this.#world.log.length;
    assert.ok(!follow || until || this.#world.shards.some((shard) => shard.isSealed), 'an end that nobody asked for');
    this.#accountUpTo(Math.min(last, this.#endSeq) + 1);
    this.#next = last + 1;
  }

  /** After the log was sealed: it must have ended, and nothing may have been appended behind a clean end. */
  checkAtEnd(): void {
    if (this.isExcused) return;
    assert.notEqual(this.sink.state, 'open', 'never ended');
    if (this.sink.state === 'ended') this.#accountUpTo(Math.min(this.#world.log.length, this.#endSeq) + 1);
  }

  /** Whatever lies before `seq` and was not told must not have been wanted. */
  #accountUpTo(seq: number): void {
    for (; this.#next < seq; this.#next += 1) {
      const event = this.#world.log[this.#next - 1];
      if (!event || !this.#isWanted(event)) continue;
      const isBeforeHistory = this.#mayBeginLater && event.seq < this.#world.logState.oldestSeq;
      assert.ok(isBeforeHistory, `event ${event.seq} was lost`);
    }
  }

  #isWanted(event: LoggedEvent): boolean {
    const { start, until } = this.subscription;
    if (event.seq > this.#endSeq) return false;
    if (start.from === 'time' && compareTime(event.time, start.time) < 0) return false;
    if (until && compareTime(event.time, until) > 0) return false;
    return this.#shows(event);
  }
}
