import assert from 'node:assert/strict';
import type { ClientHandle } from '../../src/actors/client.ts';
import { EventView } from '../../src/codec/event-record.ts';
import { parseCursor } from '../../src/event/cursor.ts';
import { TocsinError } from '../../src/event/errors.ts';
import type { Lagged } from '../../src/event/event.ts';
import { compareTime } from '../../src/event/time.ts';
import type { LaneFormat, Subscription } from '../../src/messages/control.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import type { LoggedEvent, World } from '../support/world.ts';
import type { Tally } from './tally.ts';
import type { Trace } from './trace.ts';
import type { TrueLog } from './true-log.ts';

/** What a filter shows, said a second time and independently. */
export type Shows = (event: LoggedEvent) => boolean;

export interface ClientEnv {
  readonly truth: TrueLog;
  readonly tally: Tally;
  readonly trace: Trace;
  /** Where broken promises go: a shard contains what a sink throws. */
  readonly violations: unknown[];
}

/** What a client was given and counts on: a position in the log. */
interface Got {
  readonly seq: number;
  readonly cursor: string;
}

/**
 * A client over all its lives and those of the service. It accounts for every number of the log as it is told things: an event
 * that it asked for was given, or said to be missing when it is; nothing comes twice, or out of order, or otherwise than it is.
 */
export class SimulatedClient {
  readonly name: string;
  readonly format: LaneFormat;
  /** It connects with this one's help until it leaves, or is left. */
  sink: RecordingSink | undefined;
  /** Those that it had before, which may still hold what they were given. */
  readonly #formerSinks: RecordingSink[] = [];
  /** Behind the last thing that it has dealt with. */
  cursor: string | undefined;
  readonly #env: ClientEnv;
  readonly #shows: Shows;
  #world: World | undefined;
  #subscription!: Subscription;
  /** May end at any time: it left, was cancelled, or its sink is broken. */
  #isExcused = false;
  /** First event that is not accounted for. */
  #next = 1;
  #endSeq = Infinity;
  /** History may not reach as far back as it asked for: nobody owes it those events, nor a gap, before it has begun. */
  #mayBeginLater = false;
  /** Its cursor names an event that is no more. */
  #expectsLoss: boolean | 'perhaps' = false;
  #got: Got[] = [];

  constructor(name: string, format: LaneFormat, shows: Shows, env: ClientEnv) {
    this.name = name;
    this.format = format;
    this.#shows = shows;
    this.#env = env;
  }

  get isConnected(): boolean {
    return this.sink !== undefined;
  }

  /** Whether it was connected to this life before. */
  wasInLife(world: World): boolean {
    return this.#world === world;
  }

  /** Subscribes; what becomes of it is checked. */
  connect(
    world: World,
    shard: number,
    subscription: Subscription,
    options: Pick<RecordingSink, 'tellsGaps' | 'isFull' | 'heldWrites'>,
  ): void {
    const { tally, trace, violations } = this.#env;
    const sink = new RecordingSink(this.format, violations);
    Object.assign(sink, options);
    this.sink = sink;
    this.#world = world;
    this.#subscription = subscription;
    this.#isExcused = false;
    this.#begin(subscription);
    const { from } = subscription.start;
    trace.add(`${this.name} subscribes from ${from} ${from === 'cursor' ? this.cursor : this.#next}`);
    const epochs = world.shardEpochs[shard]!;
    sink.onBytes = (bytes) => this.#onBytes(bytes, (seq) => epochs.cursor(seq));
    sink.onGap = (gap) => this.#onGap(gap);
    sink.onHeartbeat = (cursor) => this.#onHeartbeat(cursor);
    sink.onEnd = (error) => this.#onEnd(sink, error);
    const isStill = (): boolean => this.sink === sink;
    const epoch = from === 'cursor' ? parseCursor(this.cursor!).epoch : undefined;
    // A shard may hear late of an epoch that began in this life; it says so, and misreads nothing.
    const isForeign = (): boolean => epoch !== undefined && !epochs.spans.some((span) => span.epoch === epoch);
    world.shards[shard]!.subscribe(subscription).then(
      (handle: ClientHandle) => {
        if (!isStill()) return handle.left();
        if (isForeign()) violations.push(new Error(`${this.name}: a foreign cursor was taken`));
        sink.start(handle);
      },
      (error: unknown) => {
        if (!isStill()) return;
        this.sink = undefined;
        const code = error instanceof TocsinError ? error.code : String(error);
        trace.add(`${this.name} is refused: ${code}`);
        if (code === 'ERR_PIPELINE_CLOSED') return;
        if (code === 'ERR_CONTAINER_UNKNOWN' && subscription.name) return;
        const { start, until } = subscription;
        if (code === 'ERR_SINCE_AFTER_UNTIL' && start.from === 'time' && until && compareTime(start.time, until) > 0)
          return;
        if (code === 'ERR_CURSOR_FOREIGN' && isForeign()) {
          tally.add('cursor foreign');
          this.#startOver();
          return;
        }
        violations.push(error);
      },
    );
  }

  /** It is gone, or the service is. Of what it got last it may have dealt with less than everything. @param forgets so many */
  disconnect(how: 'left' | 'cancelled' | 'broken' | 'crash', forgets = 0): void {
    const { sink } = this;
    if (!sink) return;
    this.#env.trace.add(`${this.name} disconnects: ${how}, without the last ${forgets}`);
    this.#isExcused = true;
    if (how === 'left') sink.leave();
    if (how === 'cancelled') {
      if (sink.handle) this.#world!.clientTable.cancel(sink.handle.row, sink.handle.generation);
      return;
    }
    if (how === 'broken') {
      sink.onWrite = () => {
        throw new Error('EPIPE');
      };
      return;
    }
    this.#let(sink);
    const kept = this.#got.at(-1 - forgets);
    if (forgets > 0 && kept) {
      this.#got.length -= forgets;
      this.cursor = kept.cursor;
    }
  }

  /** Nothing more will come, and everything was read. */
  checkAtRest(): void {
    const { sink } = this;
    for (const former of this.#formerSinks) former.send();
    sink?.send();
    if (!sink || this.#isExcused) return;
    assert.ok(!sink.isBlocked, `${this.name} is full for ever`);
    this.#accountUpTo(Math.min(this.#env.truth.headSeq, this.#endSeq) + 1);
  }

  /** Begins anew, from anywhere. */
  #startOver(): void {
    this.cursor = undefined;
    this.#got = [];
  }

  #begin({ start, follow }: Subscription): void {
    const { truth } = this.#env;
    const head = this.#world!.logState.headSeq;
    this.#world!.look();
    this.#endSeq = follow ? Infinity : head;
    this.#mayBeginLater = start.from === 'time' || start.from === 'recent';
    this.#expectsLoss = false;
    this.#next = 1;
    if (start.from === 'live') this.#next = head + 1;
    else if (start.from === 'recent') this.#next = Math.max(1, head + 1 - start.count);
    if (start.from !== 'cursor') {
      this.#got = [];
      return;
    }
    const { epoch, seq } = parseCursor(start.cursor);
    this.#next = seq + 1;
    const isOther = seq > 0 && start.cursor !== truth.cursorAt(seq);
    // Of what cannot be read any more, nobody may know in which epoch it was; and all of it may be told as what it is, a hole.
    const isHole = truth.at(seq)?.isHole === true;
    this.#expectsLoss = seq > head || (isOther && (isHole ? 'perhaps' : true));
    if (!this.#expectsLoss && truth.knowsEpoch(epoch) && epoch !== parseCursor(truth.cursorAt(head)).epoch)
      this.#env.tally.add('cursor of an earlier epoch');
  }

  #onBytes(bytes: Uint8Array, cursorOf: (seq: number) => string): void {
    const { truth, trace } = this.#env;
    this.#world!.look();
    assert.ok(this.#expectsLoss !== true, 'events before it was told of the loss');
    this.#expectsLoss = false;
    for (const { seq, args, cursor } of this.format === 'packed' ? packedEvents(bytes) : jsonEvents(bytes)) {
      assert.ok(seq >= this.#next, `event ${seq} came again, or out of order: ${this.#next} was next`);
      this.#accountUpTo(seq);
      const event = truth.at(seq);
      assert.ok(event, `event ${seq} is not in the log`);
      assert.equal(args, event.args, `event ${seq} is another one`);
      assert.equal(cursor ?? cursorOf(seq), event.cursor);
      assert.ok(this.#isWanted(event), `event ${seq} is not what it asked for`);
      this.#next = seq + 1;
      this.cursor = cursorOf(seq);
      this.#got.push({ seq, cursor: this.cursor });
      this.#mayBeginLater = false;
    }
    trace.add(`${this.name} has all up to ${this.cursor}`);
  }

  #onGap(gap: Lagged): void {
    const { truth, tally, trace } = this.#env;
    const { from, to, missed, reason, oldest } = gap;
    trace.add(`${this.name} is told ${JSON.stringify(gap)}`);
    this.#world!.look();
    const behind = parseCursor(oldest);
    if (reason === 'crash') {
      assert.ok(this.#expectsLoss, `a loss that was none: ${JSON.stringify(gap)}`);
      const named = parseCursor((this.#subscription.start as { readonly cursor: string }).cursor);
      assert.deepEqual({ missed, to, before: behind.seq }, { missed: null, to: named.seq, before: from - 1 });
      for (const { seq, cursor } of this.#got) {
        const isThere = seq < from;
        if (isThere !== (truth.at(seq)?.cursor === cursor) && !(isThere && truth.mayBeMissing(seq, 0)))
          throw new Error(`${cursor} is ${isThere ? 'gone' : 'there'}, the loss is said to begin with ${from}`);
      }
      this.#got = this.#got.filter(({ seq }) => seq < from);
      this.#expectsLoss = false;
      tally.add('gap: crash');
    } else {
      assert.ok(this.#expectsLoss !== true, 'a gap before it was told of the loss');
      this.#expectsLoss = false;
      assert.ok(reason === 'retention' || reason === 'corruption', reason);
      assert.ok(from >= this.#next, `a gap from ${from}, where ${this.#next} was next`);
      this.#accountUpTo(from);
      assert.equal(missed, to + 1 - from);
      const { oldestSeq } = this.#world!.logState;
      for (let seq = from; seq <= to; seq += 1)
        assert.ok(truth.mayBeMissing(seq, oldestSeq), `a gap over event ${seq}, which is there`);
      // Behind the gap; further on where the gap ends with what the client asked for.
      const isLast = to === this.#endSeq || this.#subscription.until !== undefined;
      assert.ok(behind.seq === to || (behind.seq > to && isLast), `${oldest} behind a gap to ${to}`);
      tally.add(reason === 'retention' ? 'gap: retention' : 'gap: corruption');
    }
    this.#next = reason === 'crash' ? from : to + 1;
    this.#mayBeginLater = false;
    // Whoever has no words for it has not heard it.
    if (this.sink?.tellsGaps) this.cursor = oldest;
  }

  #onHeartbeat(cursor: string): void {
    const { seq } = parseCursor(cursor);
    const { truth, tally } = this.#env;
    this.#world!.look();
    assert.ok(this.#expectsLoss !== true, 'a heartbeat before it was told of the loss');
    assert.ok(seq + 1 >= this.#next, `a heartbeat at ${cursor}, where ${this.#next} was next`);
    if (!this.#mayBeginLater) this.#accountUpTo(seq + 1);
    if (this.#mayBeginLater) return;
    if (seq > 0) assert.equal(cursor, truth.cursorAt(seq), 'a heartbeat');
    this.#next = seq + 1;
    this.cursor = cursor;
    tally.add('heartbeat');
  }

  #onEnd(sink: RecordingSink, error: TocsinError | undefined): void {
    const { tally, trace, truth } = this.#env;
    const world = this.#world!;
    world.look();
    const code = error?.code;
    trace.add(`${this.name} ends: ${code ?? 'clean'}`);
    const wasExcused = this.#isExcused;
    this.#let(sink);
    if (wasExcused) return;
    const { lagLimit, follow, until } = this.#subscription;
    if (code === 'ERR_CLIENT_GAP') {
      tally.add('cut: gap');
      assert.equal(sink.tellsGaps, false, 'cut though it can be told');
      return this.#startOver();
    }
    if (code === 'ERR_CLIENT_LAGGED') {
      tally.add('cut: lagged');
      const lag = world.logState.headSeq + 1 - this.#next;
      return assert.ok(lagLimit > 0 && lag > lagLimit, `cut ${lag} events behind with a limit of ${lagLimit}`);
    }
    assert.equal(code, undefined);
    tally.add('clean end');
    assert.ok(this.#expectsLoss !== true, 'a clean end before it was told of the loss');
    assert.ok(sink.tellsGaps || sink.gaps.length === 0, 'a clean end though events were missed');
    assert.ok(!follow || until || world.shards.some((shard) => shard.isSealed), 'an end that nobody asked for');
    // What comes after an `until` that has passed is later than it, so nothing that is appended from now on belongs to it.
    this.#accountUpTo(Math.min(truth.headSeq, this.#endSeq) + 1);
    // It has everything that it asked for; the next time it asks for something else.
    if (until || !follow) this.#startOver();
  }

  #let(sink: RecordingSink): void {
    if (this.sink !== sink) return;
    this.sink = undefined;
    this.#formerSinks.push(sink);
  }

  /** Whatever lies before `seq` and was not told must not have been wanted. */
  #accountUpTo(seq: number): void {
    const { truth } = this.#env;
    for (; this.#next < seq; this.#next += 1) {
      const event = truth.at(this.#next);
      if (!event || !this.#isWanted(event)) continue;
      const { oldestSeq } = this.#world!.logState;
      const isExcused = this.#mayBeginLater && truth.mayBeMissing(event.seq, oldestSeq);
      assert.ok(isExcused, `event ${event.cursor} was lost`);
    }
  }

  #isWanted(event: LoggedEvent): boolean {
    const { start, until } = this.#subscription;
    if (event.seq > this.#endSeq) return false;
    if (start.from === 'time' && compareTime(event.time, start.time) < 0) return false;
    if (until && compareTime(event.time, until) > 0) return false;
    return this.#shows(event);
  }
}

interface Told {
  readonly seq: number;
  readonly args: string;
  /** Where the format has it. */
  readonly cursor?: string;
}

function packedEvents(bytes: Uint8Array): Told[] {
  // The lane's memory begins anywhere; a view wants records on eight-byte boundaries.
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  const view = new EventView(copy.buffer);
  const events: Told[] = [];
  for (; view.at < bytes.length; view.at += view.byteLength) events.push({ seq: view.seq, args: view.args });
  return events;
}

function jsonEvents(bytes: Uint8Array): Told[] {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Told);
}
