import type { Encoder } from '../codec/encoder.ts';
import type { Redactor } from '../codec/redactor.ts';
import type { GapReason, Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import type { LogReader } from '../history/log-reader.ts';
import { RecentRuns } from '../history/recent-runs.ts';
import { type Run, Segment } from '../history/segment.ts';
import type { WantedEvents } from '../messages/buffer.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { LaneFormat } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { Clock, Defer, Later } from './actor.ts';
import type { Asks } from './asks.ts';
import type { Client } from './client.ts';
import type { ClientWriter } from './client-writer.ts';
import { Convoy } from './convoy.ts';
import type { LagPolicy } from './lag-policy.ts';
import { LatencyTally } from './latency-tally.ts';
import type { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Pacer } from './pacer.ts';
import type { Allocate } from './slab-pool.ts';

/** Encoded bytes that all lanes of a shard keep for clients that are a little behind; who is further back gets a lane of its own. */
const ALL_LANES_BYTES = 32 * 1024 * 1024;
const MAX_LANE_BYTES = 8 * 1024 * 1024;
const MIN_LANE_BYTES = 256 * 1024;
/** Of a backlog, lanes that wait in the index get so many events each, on average, before these are written. */
const GATHERED_EVENTS = 16;
/** Steps of one lane before the others, and messages, get their turn. */
const STEPS_PER_TURN = 4;
/** What a turn of a costly filter may cost: some milliseconds. */
const TURN_COST = 4096;

export interface DeliveryEnv {
  /** The newest event that an earlier process left. */
  readonly headSeq: number;
  readonly clients: ClientTable;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly later: Later;
  /** How long events may wait for others while the shard is busy; 0 = not at all. */
  readonly maxDelayMs: number;
  /** Whoever is so few events behind reads on by himself; others wait for each other, and go on together. */
  readonly closeEvents: number;
  readonly makeEncoder: (format: LaneFormat) => Encoder;
  readonly allocate: (format: LaneFormat) => Allocate;
  /** Shows events to clients that are to see no secrets. */
  readonly redactor: Redactor;
}

/** Who a delivery serves, and who decides what becomes of its clients. */
export interface DeliveryOwner {
  readonly log: LogReader;
  readonly asks: Asks;
  readonly lag: LagPolicy;
  readonly writer: ClientWriter;
  /** The client has got everything that it asked for. */
  readonly ended: (client: Client) => void;
  /** It has come to where the log was when it began. */
  readonly caughtUp: (client: Client) => void;
}

/**
 * The way of events from the log to the clients of one shard: over lanes, and from the pages of the past for those that are behind.
 *
 *   log --> lanes at the head, found by look-up --> one write a client and batch
 *   pages, recent runs --> lanes that walk ------->
 */
export class Delivery {
  readonly #env: DeliveryEnv & DeliveryOwner;
  readonly #log: LogReader;
  readonly #lanes: Lanes;
  /** Lanes that could go on at once but let others go first. */
  readonly #due = new Set<Lane>();
  readonly #convoy: Convoy;
  readonly recent = new RecentRuns();
  readonly #pacer: Pacer;
  #headSeq: number;
  #sealedSeq: number | undefined;
  readonly latencies = new LatencyTally();

  constructor(env: DeliveryEnv & DeliveryOwner) {
    this.#env = env;
    this.#log = env.log;
    this.#headSeq = env.headSeq;
    this.#lanes = new Lanes(env);
    this.#convoy = new Convoy(env.clock, env.closeEvents);
    this.#pacer = new Pacer(env, () => this.#flush());
  }

  /** The newest event that has been taken up. */
  get headSeq(): number {
    return this.#headSeq;
  }

  /** There are new events: takes them up, at once or a moment later. */
  arrived(): void {
    this.#pacer.arrived();
  }

  /** Serves the client from its position on. */
  begin(client: Client): void {
    this.#pump(this.#lanes.place(client));
  }

  remove(client: Client): void {
    this.#lanes.remove(client);
    this.release();
  }

  /** Lets lanes go on that have waited for others long enough. */
  release(): void {
    for (const lane of this.#convoy.released()) this.#pumpSoon(lane);
  }

  /** Nothing will come behind this event. */
  seal(seq: number): void {
    this.#sealedSeq = seq;
    this.pumpAll();
  }

  /** Something has changed for clients besides new events. */
  pumpAll(): void {
    for (const lane of this.#lanes) this.#pump(lane);
  }

  /** Once a second. */
  tick(): void {
    this.report();
    this.release();
    this.#lanes.shrink();
  }

  /** Brings the client table up to date with clients that nothing was for. */
  report(): void {
    for (const lane of this.#lanes.index) this.#report(lane);
  }

  /** As `report`, for the clients themselves. */
  settle(): void {
    for (const lane of this.#lanes.index) lane.settle();
  }

  #flush(): void {
    const startedMs = this.#env.clock.elapsedMs();
    const { writer } = this.#env;
    const { writes, writtenBytes } = writer;
    const from = this.#headSeq + 1;
    this.advance();
    if (writer.writes > writes) this.#timed(from);
    this.#pacer.flushed(startedMs, writer.writes - writes, writer.writtenBytes - writtenBytes);
  }

  /** The first of the events that were taken up was the one that waited longest. */
  #timed(seq: number): void {
    const since = this.recent.timeOf(seq);
    const { sec, nanos } = this.#env.clock.now();
    if (since) this.latencies.add(sec - since.sec + (nanos - since.nanos) / 1e9);
  }

  /** Takes up everything newly committed, gives it to the lanes that wait for it, and lets the others read on. */
  advance(): void {
    const { index } = this.#lanes;
    do {
      for (let run = this.#log.take(); run; run = this.#log.take()) {
        this.recent.add(run);
        index.scan(run, this.#log.takenSeq + 1);
        if (index.encoded >= GATHERED_EVENTS * index.size) this.#writeIndexed();
      }
      this.#writeIndexed();
    } while (!this.#log.sleep());
    this.#headSeq = this.#log.takenSeq;
    for (const lane of this.#lanes.walking) {
      if (this.#lanes.isCostly(lane)) this.#pumpSoon(lane);
      else if (!this.#convoy.has(lane)) this.#pump(lane);
    }
  }

  #writeIndexed(): void {
    const { index } = this.#lanes;
    if (index.encoded === 0) return;
    this.#env.counters.add('eventsEncoded', index.encoded);
    for (const lane of index.take()) this.#writeAll(lane);
  }

  #report(lane: Lane): void {
    lane.settle();
    for (const { row, nextSeq, delivered, missed } of lane.clients)
      this.#env.clients.progress(row, nextSeq, delivered, missed);
  }

  /** Writes what the lane has; encodes more while a client wants it, for one turn. Others may have waited for that. */
  #pump(lane: Lane): void {
    this.#turn(lane);
    this.release();
  }

  #turn(lane: Lane): void {
    const isCostly = this.#lanes.isCostly(lane);
    const maxLooked = isCostly ? Math.max(1, Math.floor(TURN_COST / lane.matcher.cost)) : undefined;
    for (let steps = isCostly ? STEPS_PER_TURN - 1 : 0; steps < STEPS_PER_TURN; steps += 1) {
      this.#writeAll(lane);
      if (!lane.isWanted || lane.awaitsPage) return;
      if (lane.nextSeq > this.#headSeq) return this.#atHead(lane);
      const target = this.#lanes.merge(lane);
      if (target) return this.#pumpSoon(target);
      if (this.#convoy.holds(lane, this.#lanes.of(lane.key), this.#headSeq)) {
        // As for a slow client.
        lane.page = undefined;
        return;
      }
      const run = this.#runAt(lane);
      if (!run) return void this.#readPage(lane);
      const encoded = lane.encode(run, Math.min(this.#headSeq, this.#lanes.lastBeforeNext(lane)), maxLooked);
      if (encoded > 0) this.#env.counters.add('eventsEncoded', encoded);
    }
    this.#pumpSoon(lane);
  }

  #writeAll(lane: Lane): void {
    for (const client of lane.clients) if (!client.blocked) this.#writeLane(client, lane);
    const { count } = this.#lanes;
    lane.trim(Math.max(MIN_LANE_BYTES, Math.min(MAX_LANE_BYTES, ALL_LANES_BYTES / count)));
    for (const client of lane.clients)
      if (!lane.mark(client.mark)) this.#pumpSoon(this.#lanes.place(client, lane.bounds.until));
    lane.rewind();
    // A slow client holds no history: the page is asked for again when it is wanted.
    if (!lane.isWanted) lane.page = undefined;
  }

  /** Gives a client all that its lane has for it, one write a slab, until it is full; ends it behind a finished lane. */
  #writeLane(client: Client, lane: Lane): void {
    const { until } = client.subscription;
    while (client.mark < lane.headIndex) {
      const step = lane.step(client.mark);
      if (!step) return;
      const { mark } = step;
      if (until && !lane.bounds.until && compareTime(mark, until) > 0) {
        // The step may hold an event behind `until`: the client goes on by itself, to the exact end.
        return this.#pumpSoon(this.#lanes.place(client, until));
      }
      const events = mark.events - lane.mark(client.mark)!.events;
      if (client.sink?.isClear?.()) client.heldFrom = client.mark;
      client.mark = step.index;
      client.nextSeq = mark.nextSeq;
      client.expectsAll = true;
      if (!mark.awaitsSince) client.since = undefined;
      if (client.isReplaying && client.nextSeq > client.headAtStart) this.#env.caughtUp(client);
      const goesOn =
        events === 0 ||
        this.#env.writer.write(client, step.bytes, events, lane.clients.size > 1 ? mark.slab : undefined);
      this.#env.clients.progress(client.row, client.nextSeq, client.delivered, client.missed);
      if (!goesOn) return;
    }
    if (lane.isFinished || client.isServed) this.#env.ended(client);
  }

  /** The client takes more. */
  drained(client: Client): void {
    if (!this.#env.writer.unblock(client)) return;
    if (client.subscription.dropsOldest && !this.#moveOn(client)) return;
    // Not at once: others that drain at the same time are then served together, and stay together.
    if (client.lane) this.#pumpSoon(client.lane);
  }

  /** @returns false when the client had to be told of a gap and has no words for that */
  #moveOn(client: Client): boolean {
    client.lane?.settle();
    const gap = this.#env.lag.moveOn(client, this.#headSeq);
    if (!gap) return true;
    this.#env.counters.add('lagBreaches');
    if (!this.#env.writer.tellGap(client, gap)) return false;
    this.#lanes.place(client, client.lane?.bounds.until);
    return true;
  }

  /** The lane has read the whole log: clients end that wanted no more than that; lanes that meet here become one. */
  #atHead(lane: Lane): void {
    if (this.#sealedSeq !== undefined && lane.nextSeq > this.#sealedSeq) {
      for (const client of lane.clients) if (!client.blocked && client.mark === lane.headIndex) this.#env.ended(client);
    }
    if (!this.#lanes.merge(lane)) this.#lanes.rest(lane);
  }

  /** Records from the lane's position on, if this shard has them at hand. */
  #runAt(lane: Lane): Run | undefined {
    if (lane.page?.firstSeq === lane.nextSeq) return lane.page;
    return this.recent.at(lane.nextSeq);
  }

  async #readPage(lane: Lane): Promise<void> {
    lane.awaitsPage = true;
    const reply = await this.#env.asks.readPage(lane.nextSeq, wantedOf(lane));
    lane.awaitsPage = false;
    const { from, to, firstSeq, nextSeq, reason, oldest } = reply;
    const page: Run = { segment: Segment.of(reply.memory), from, to, firstSeq, ...(nextSeq ? { nextSeq } : {}) };
    if (firstSeq === lane.nextSeq) {
      lane.page = page;
      return this.#pump(lane);
    }
    for (const client of lane.clients) {
      if (client.mark === lane.headIndex && !client.blocked) this.#onGap(client, lane, page, { reason, oldest });
    }
  }

  /** The client goes on with the oldest event that is left; if it had a claim to those before, it is told, or cut. */
  #onGap(client: Client, lane: Lane, page: Run, why: { readonly reason: GapReason; readonly oldest: string }): void {
    const from = client.nextSeq;
    const to = Math.min(page.firstSeq - 1, client.endSeq);
    const missed = to + 1 - from;
    client.nextSeq = page.firstSeq;
    // It has no claim to what was before its `since`.
    if (client.expectsAll && missed > 0 && !isBefore(page, client.since)) {
      if (!this.#env.writer.tellGap(client, { type: 'gap', missed, from, to, ...why })) return;
    }
    const next = this.#lanes.place(client, lane.bounds.until);
    // With the page itself: asking for the oldest event again would find it gone as well.
    if (next.nextSeq === page.firstSeq) next.page = page;
    this.#pumpSoon(next);
  }

  #pumpSoon(lane: Lane): void {
    if (this.#due.size === 0) this.#env.defer(() => this.#takeTurns());
    this.#due.add(lane);
  }

  /** All that are due, but of the costly ones only the first: new events, and clients, are not to wait for more than one. */
  #takeTurns(): void {
    const due = [...this.#due];
    this.#due.clear();
    const [first, ...others] = due.filter((lane) => this.#lanes.isCostly(lane));
    // Before the first has had its turn, behind which it may want another one.
    for (const lane of others) this.#pumpSoon(lane);
    for (const lane of due) if (!this.#due.has(lane)) this.#pump(lane);
    if (first) this.#env.counters.add('costlyTurns');
  }
}

/** Whether the page begins before that time. */
function isBefore({ segment, from, to }: Run, time: Timestamp | undefined): boolean {
  if (!time || from === to) return false;
  const { view } = segment;
  view.at = from;
  return compareTime({ sec: view.timeSec, nanos: view.timeNanos }, time) < 0;
}

/** What a lane looks for in history: a client that comes back for what it missed goes before one that has only just begun. */
function wantedOf({ matcher, clients }: Lane): WantedEvents | undefined {
  if (!matcher.wanted) return undefined;
  let isResume = false;
  for (const { subscription } of clients) isResume ||= subscription.start.from === 'cursor';
  return { ...matcher.wanted, isResume };
}
