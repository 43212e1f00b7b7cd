import type { Encoder } from '../codec/encoder.ts';
import type { Epochs } from '../event/epochs.ts';
import { asTocsinError, assertNever, TocsinError } from '../event/errors.ts';
import type { GapReason, Lagged, Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import { LogReader } from '../history/log-reader.ts';
import { RecentRuns } from '../history/recent-runs.ts';
import { type Run, Segment } from '../history/segment.ts';
import type { BufferReply, BufferRequest, WantedEvents } from '../messages/buffer.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { CollectorCommand, CollectorReply, CollectorRequest, LogNotice } from '../messages/collector.ts';
import type { ClientInfo, LaneFormat, Subscription } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { FanoutCommand, FanoutNotice } from '../messages/fanout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Clock, Defer, Later, Outbox } from './actor.ts';
import { admit } from './admission.ts';
import { Asks } from './asks.ts';
import { Client, type ClientHandle, type Sink } from './client.ts';
import { describeClient } from './client-info.ts';
import { type ClientLimits, ClientRows } from './client-rows.ts';
import { LagPolicy } from './lag-policy.ts';
import type { Allocate, Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Pacer } from './pacer.ts';

/** Encoded bytes that all lanes of a shard keep for clients that are a little behind; who is further back gets a lane of its own. */
const ALL_LANES_BYTES = 32 * 1024 * 1024;
const MAX_LANE_BYTES = 8 * 1024 * 1024;
const MIN_LANE_BYTES = 256 * 1024;
/** Of a backlog, lanes that wait in the index get so many events each, on average, before these are written. */
const GATHERED_EVENTS = 8;
/** Steps of one lane before the others, and messages, get their turn. */
const STEPS_PER_TURN = 4;

export interface FanoutEnv {
  readonly shard: number;
  readonly epochs: Epochs;
  /** The newest event that an earlier process left. */
  readonly headSeq: number;
  readonly logState: LogState;
  readonly clients: ClientTable;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly later: Later;
  /** How long events may wait for others while the shard is busy; 0 = not at all. */
  readonly maxDelayMs: number;
  readonly limits: ClientLimits;
  /** How far a client may fall behind; 0 = as far as history reaches. */
  readonly maxLagBytes: number;
  readonly makeEncoder: (format: LaneFormat) => Encoder;
  readonly allocate: (format: LaneFormat) => Allocate;
  readonly collector: Outbox<CollectorRequest | CollectorCommand>;
  readonly buffer: Outbox<BufferRequest>;
  readonly main: Outbox<FanoutNotice>;
}

/**
 * A `fanout` shard: the subscribed clients of one thread, each a position on a lane. New events are encoded once per lane and
 * written once per client and batch; a client that cannot take more stays where it is and costs nothing until it can.
 */
export class Fanout {
  readonly #env: FanoutEnv;
  readonly #log: LogReader;
  readonly #asks: Asks;
  readonly #lanes: Lanes;
  readonly #clients = new Map<number, Client>();
  readonly #rows: ClientRows;
  readonly #lag: LagPolicy;
  /** Lanes that could go on at once but let others go first. */
  readonly #due = new Set<Lane>();
  readonly #recent = new RecentRuns();
  readonly #pacer: Pacer;
  #headSeq: number;
  /** Clients that can take nothing now. */
  #blocked = 0;
  /** Since the shard began. */
  #writes = 0;
  #writtenBytes = 0;
  #timeMark: { readonly time: Timestamp; readonly seq: number } | undefined;
  #sealedSeq: number | undefined;

  constructor(env: FanoutEnv) {
    this.#env = env;
    this.#log = new LogReader(env.logState.memory, env.shard + 1, env.headSeq);
    this.#headSeq = env.headSeq;
    this.#asks = new Asks(env.buffer, env.collector);
    this.#lanes = new Lanes(env);
    this.#rows = new ClientRows(env.shard, env.clients, env.logState, env.limits);
    this.#lag = new LagPolicy(env);
    this.#pacer = new Pacer(env, () => this.#flush());
  }

  receive(message: LogNotice | FanoutCommand | BufferReply | CollectorReply): void {
    switch (message.type) {
      case 'segment-opened':
        this.#lag.opened(this.#log.open(message.memory));
        return this.#pacer.arrived();
      case 'appended':
        return this.#pacer.arrived();
      case 'time-mark':
        return this.#onTimeMark(message);
      case 'epoch-began':
        return this.#env.epochs.begin(message.span);
      case 'sealed':
        return this.#onSealed(message.seq);
      case 'end-client':
        return this.#onEndClient(message);
      case 'cut-clients':
        return this.cutClients(
          new TocsinError('ERR_DRAIN_TIMEOUT', 'not everything was read before the drain timeout'),
        );
      case 'page-read':
      case 'time-located':
      case 'container-resolved':
        return this.#asks.settle(message);
      default:
        return assertNever(message);
    }
  }

  /** Once a second: heartbeats, and what the client table says of clients that nothing was for. */
  tick(): void {
    const now = this.#env.clock.now();
    for (const lane of this.#lanes.index) this.#report(lane);
    for (const client of this.#clients.values()) {
      if (client.isReplaying && client.nextSeq > client.headAtStart) this.#endReplay(client);
      if (client.blocked && this.#lag.isTooFar(client)) this.#cutLagged(client);
      const everyMs = client.subscription.heartbeatMs;
      if (
        !client.ended &&
        everyMs > 0 &&
        client.sink &&
        !client.blocked &&
        Math.abs(now.sec - client.lastWriteSec) * 1000 >= everyMs
      ) {
        client.lastWriteSec = now.sec;
        this.#beat(client);
      }
    }
  }

  /**
   * Admits a client and fixes where it begins. Nothing is delivered before `start`.
   * @throws ERR_PIPELINE_CLOSED, ERR_SINCE_AFTER_UNTIL, ERR_CLIENTS_EXHAUSTED, ERR_CONTAINER_*, ERR_CURSOR_*, ERR_FILTER_INVALID
   */
  async subscribe(subscription: Subscription): Promise<ClientHandle> {
    try {
      return await this.#admit(subscription);
    } catch (error) {
      this.#env.counters.add('clientsRefused');
      throw error;
    }
  }

  /** No event will come any more: the service is shutting down. */
  get isSealed(): boolean {
    return this.#sealedSeq !== undefined;
  }

  get isHistoryWritable(): boolean {
    return !this.#env.logState.isHistoryFailed;
  }

  /** A client has to take something before it gets more. */
  get awaitsClients(): boolean {
    return this.#blocked > 0;
  }

  clients(): readonly ClientInfo[] {
    for (const lane of this.#lanes.index) lane.settle();
    const { shard, epochs, clock } = this.#env;
    const view = { shard, epochs, headSeq: this.#headSeq, recent: this.#recent, now: clock.now() };
    return [...this.#clients.values()].map((client) => describeClient(client, view));
  }

  async #admit(subscription: Subscription): Promise<ClientHandle> {
    const { logState, epochs } = this.#env;
    const { until, follow } = subscription;
    this.#requireOpen();
    // Taken at once, before anything is waited for: whatever is appended meanwhile belongs to the client.
    const head = logState.headSeq;
    if (this.#headSeq < head) await this.#reach(head);
    const { matcher, nextSeq, lost } = await admit(subscription, { logState, epochs, asks: this.#asks, head });
    this.#requireOpen();

    const { row, generation } = this.#rows.take(subscription, nextSeq <= head);
    const nowSec = this.#env.clock.now().sec;
    const client = new Client({ row, generation, subscription, matcher, nextSeq, headSeq: head, nowSec });
    if (!follow) client.endSeq = head;
    client.lost = lost;
    this.#noticeUntil(client);
    // Behind the mark nothing can be for it any more; the checker would ask for one too, a moment later.
    if (until && client.endSeq === Number.MAX_SAFE_INTEGER && compareTime(until, this.#env.clock.now()) <= 0)
      this.#env.collector.post({ type: 'prompt-time-mark' });
    this.#env.clients.progress(row, nextSeq, 0, 0);
    this.#clients.set(row, client);
    this.#env.counters.add('clientsAttached');
    return {
      row,
      generation,
      start: (sink) => this.#start(client, sink),
      drained: () => this.#onDrained(client),
      left: () => this.#leave(client),
    };
  }

  /** Until this shard has taken the event, and with it has heard of every epoch up to there: then it knows what cursors mean. */
  async #reach(seq: number): Promise<void> {
    while (this.#headSeq < seq) {
      this.#advance();
      if (this.#headSeq < seq) await new Promise<void>((resolve) => this.#env.defer(resolve));
    }
  }

  #requireOpen(): void {
    if (this.isSealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
  }

  #start(client: Client, sink: Sink): void {
    if (client.ended) return;
    client.sink = sink;
    if (client.lost && !this.#tellGap(client, client.lost)) return;
    // At once: a client that is cut off before its first event knows where it began.
    if (client.subscription.heartbeatMs > 0) this.#beat(client);
    if (!client.ended) this.#pump(this.#lanes.place(client));
  }

  #beat(client: Client): void {
    this.#tell(client, (sink) => sink.heartbeat(this.#env.epochs.cursor(client.nextSeq - 1)));
  }

  #flush(): void {
    const startedMs = this.#env.clock.elapsedMs();
    const [writes, bytes] = [this.#writes, this.#writtenBytes];
    this.#advance();
    this.#pacer.flushed(startedMs, this.#writes - writes, this.#writtenBytes - bytes);
  }

  /** Takes up everything newly committed, gives it to the lanes that wait for it, and lets the others read on. */
  #advance(): void {
    const { index } = this.#lanes;
    do {
      for (let run = this.#log.take(); run; run = this.#log.take()) {
        this.#recent.add(run);
        index.scan(run, this.#log.takenSeq + 1);
        if (index.encoded >= GATHERED_EVENTS * index.size) this.#writeIndexed();
      }
      this.#writeIndexed();
    } while (!this.#log.sleep());
    this.#headSeq = this.#log.takenSeq;
    for (const lane of this.#lanes.walking) this.#pump(lane);
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

  /** Writes what the lane has; encodes more while a client wants it, for one turn. */
  #pump(lane: Lane): void {
    for (let steps = 0; steps < STEPS_PER_TURN; steps += 1) {
      this.#writeAll(lane);
      if (!lane.isWanted || lane.awaitsPage) return;
      if (lane.nextSeq > this.#headSeq) return this.#atHead(lane);
      const target = this.#lanes.merge(lane);
      if (target) return this.#pumpSoon(target);
      const run = this.#runAt(lane);
      if (!run) return void this.#readPage(lane);
      const encoded = lane.encode(run, Math.min(this.#headSeq, this.#lanes.lastBeforeNext(lane)));
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
      client.mark = step.index;
      client.nextSeq = mark.nextSeq;
      client.expectsAll = true;
      if (!mark.awaitsSince) client.since = undefined;
      if (client.isReplaying && client.nextSeq > client.headAtStart) this.#endReplay(client);
      const goesOn = events === 0 || this.#write(client, step.bytes, events, lane.clients.size > 1);
      this.#env.clients.progress(client.row, client.nextSeq, client.delivered, client.missed);
      if (!goesOn) return;
    }
    if (lane.isFinished || client.isServed) this.#end(client);
  }

  /** @returns false when the client must be waited for (or is gone) */
  #write(client: Client, bytes: Uint8Array, events: number, isShared: boolean): boolean {
    const { counters, clock } = this.#env;
    client.delivered += events;
    this.#writes += 1;
    this.#writtenBytes += bytes.length;
    if (client.subscription.heartbeatMs > 0) client.lastWriteSec = clock.now().sec;
    counters.add('delivered', events);
    counters.add('bytesWritten', bytes.length);
    counters.add('writes');
    const takesMore = this.#tell(client, (sink) => sink.write(bytes, events, isShared));
    if (takesMore || client.ended) return !client.ended;
    client.blocked = true;
    this.#blocked += 1;
    counters.add('writesBlocked');
    return false;
  }

  /** Calls the client's sink; one that throws is cut, and harms nobody else. */
  #tell<Result>(client: Client, call: (sink: Sink) => Result): Result | undefined {
    try {
      return call(client.sink!);
    } catch (error) {
      this.#cut(client, asTocsinError(error, 'ERR_CLIENT_FAILED'));
      return undefined;
    }
  }

  #onDrained(client: Client): void {
    if (client.ended || !client.blocked) return;
    client.blocked = false;
    this.#blocked -= 1;
    if (client.subscription.dropsOldest && !this.#moveOn(client)) return;
    // Not at once: others that drain at the same time are then served together, and stay together.
    if (client.lane) this.#pumpSoon(client.lane);
  }

  /** The lane has read the whole log: clients end that wanted no more than that; lanes that meet here become one. */
  #atHead(lane: Lane): void {
    if (this.#sealedSeq !== undefined && lane.nextSeq > this.#sealedSeq) {
      for (const client of lane.clients) if (!client.blocked && client.mark === lane.headIndex) this.#end(client);
    }
    if (!this.#lanes.merge(lane)) this.#lanes.rest(lane);
  }

  /** Records from the lane's position on, if this shard has them at hand. */
  #runAt(lane: Lane): Run | undefined {
    if (lane.page?.firstSeq === lane.nextSeq) return lane.page;
    return this.#recent.at(lane.nextSeq);
  }

  async #readPage(lane: Lane): Promise<void> {
    lane.awaitsPage = true;
    const reply = await this.#asks.readPage(lane.nextSeq, wantedOf(lane));
    lane.awaitsPage = false;
    const { from, to, firstSeq, nextSeq, reason } = reply;
    const page: Run = { segment: Segment.of(reply.memory), from, to, firstSeq, ...(nextSeq ? { nextSeq } : {}) };
    if (firstSeq === lane.nextSeq) {
      lane.page = page;
      return this.#pump(lane);
    }
    for (const client of lane.clients) {
      if (client.mark === lane.headIndex && !client.blocked) this.#onGap(client, lane, page, reason);
    }
  }

  /** The client goes on with the oldest event that is left; if it had a claim to those before, it is told, or cut. */
  #onGap(client: Client, lane: Lane, page: Run, reason: GapReason): void {
    const from = client.nextSeq;
    const to = Math.min(page.firstSeq - 1, client.endSeq);
    const missed = to + 1 - from;
    client.nextSeq = page.firstSeq;
    if (client.expectsAll && missed > 0) {
      const oldest = this.#env.epochs.cursor(page.firstSeq - 1);
      if (!this.#tellGap(client, { type: 'gap', missed, from, to, reason, oldest })) return;
    }
    const next = this.#lanes.place(client, lane.bounds.until);
    // With the page itself: asking for the oldest event again would find it gone as well.
    if (next.nextSeq === page.firstSeq) next.page = page;
    this.#pumpSoon(next);
  }

  /** @returns false when the client has no words for it, and was cut */
  #tellGap(client: Client, gap: Lagged): boolean {
    const { missed } = gap;
    client.missed += missed ?? 0;
    this.#env.counters.add('gaps');
    this.#env.counters.add('eventsMissed', missed ?? 0);
    const told = this.#tell(client, (sink) => sink.gap(gap));
    if (client.ended) return false;
    if (told) return true;
    const what = missed === null ? 'events were lost in a crash' : `${missed} events are no longer retained`;
    this.#cut(client, new TocsinError('ERR_CLIENT_GAP', what));
    return false;
  }

  #pumpSoon(lane: Lane): void {
    if (this.#due.size === 0) {
      this.#env.defer(() => {
        const due = [...this.#due];
        this.#due.clear();
        for (const next of due) this.#pump(next);
      });
    }
    this.#due.add(lane);
  }

  #onTimeMark(mark: { readonly sec: number; readonly nanos: number; readonly seq: number }): void {
    this.#advance();
    this.#timeMark = { time: { sec: mark.sec, nanos: mark.nanos }, seq: mark.seq };
    for (const client of this.#clients.values()) this.#noticeUntil(client);
    for (const lane of this.#lanes) this.#pump(lane);
  }

  /** Events behind a time mark are later than it: a client whose `until` it has reached ends there at the latest. */
  #noticeUntil(client: Client): void {
    const { until } = client.subscription;
    const mark = this.#timeMark;
    if (until && mark && compareTime(mark.time, until) >= 0) client.endSeq = Math.min(client.endSeq, mark.seq);
  }

  #onSealed(seq: number): void {
    this.#advance();
    this.#sealedSeq = seq;
    for (const lane of this.#lanes) this.#pump(lane);
    this.#reportDrained();
  }

  #onEndClient(command: Extract<FanoutCommand, { type: 'end-client' }>): void {
    const client = this.#clients.get(command.row);
    if (!client || client.generation !== command.generation) return;
    if (command.reason === 'lagged') {
      const lag = this.#env.logState.headSeq + 1 - client.nextSeq;
      // One that takes what it is given is catching up, however far behind it is: it began there, or has just come back.
      if (!client.blocked || lag <= client.subscription.lagLimit) return;
      return this.#cutLagged(client);
    }
    this.#env.counters.add('cancelsSeen');
    this.#leave(client);
    this.#endSink(client);
  }

  #cutLagged(client: Client): void {
    this.#env.counters.add('lagBreaches');
    this.#cut(client, this.#lag.error(client));
  }

  /** @returns false when the client had to be told of a gap and has no words for that */
  #moveOn(client: Client): boolean {
    client.lane?.settle();
    const gap = this.#lag.moveOn(client, this.#headSeq);
    if (!gap) return true;
    this.#env.counters.add('lagBreaches');
    if (!this.#tellGap(client, gap)) return false;
    this.#lanes.place(client, client.lane?.bounds.until);
    return true;
  }

  #endReplay(client: Client): void {
    client.isReplaying = false;
    this.#rows.endReplay();
  }

  /** Ends everybody who is left, now and abnormally. */
  cutClients(error: TocsinError): void {
    for (const client of this.#clients.values()) this.#cut(client, error);
  }

  #end(client: Client): void {
    this.#env.counters.add('clientsEnded');
    this.#forget(client);
    this.#endSink(client);
  }

  #cut(client: Client, error: TocsinError): void {
    if (client.ended) return;
    this.#env.counters.add('clientsCut');
    this.#forget(client);
    this.#endSink(client, error);
  }

  #endSink(client: Client, error?: TocsinError): void {
    try {
      client.sink?.end(error);
    } catch {
      // It is forgotten already, and there is nobody left to tell.
    }
  }

  #leave(client: Client): void {
    if (client.ended) return;
    this.#env.counters.add('clientsLeft');
    this.#forget(client);
  }

  #forget(client: Client): void {
    if (client.ended) return;
    client.ended = true;
    if (client.blocked) this.#blocked -= 1;
    this.#lanes.remove(client);
    this.#clients.delete(client.row);
    if (client.isReplaying) this.#endReplay(client);
    this.#rows.free(client.row);
    this.#reportDrained();
  }

  #reportDrained(): void {
    if (this.#sealedSeq !== undefined && this.#clients.size === 0) this.#env.main.post({ type: 'drained' });
  }
}

/** What a lane looks for in history: a client that comes back for what it missed goes before one that has only just begun. */
function wantedOf({ matcher, clients }: Lane): WantedEvents | undefined {
  if (!matcher.wanted) return undefined;
  let isResume = false;
  for (const { subscription } of clients) isResume ||= subscription.start.from === 'cursor';
  return { ...matcher.wanted, isResume };
}
