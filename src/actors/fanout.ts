import type { Encoder } from '../codec/encoder.ts';
import { type Epoch, formatCursor, resolveCursor } from '../event/cursor.ts';
import { asTocsinError, assertNever, TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import { LogReader } from '../history/log-reader.ts';
import { type Run, Segment } from '../history/segment.ts';
import type { BufferReply, BufferRequest } from '../messages/buffer.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { CollectorReply, CollectorRequest, LogNotice } from '../messages/collector.ts';
import type { ClientInfo, LaneFormat, Subscription } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { FanoutCommand, FanoutNotice } from '../messages/fanout.ts';
import { CLIENT } from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Clock, Defer, Outbox } from './actor.ts';
import { Asks } from './asks.ts';
import { Client, type ClientHandle, type Sink } from './client.ts';
import { type Allocate, Lane } from './lane.ts';
import { makeMatcher } from './matcher.ts';
import { PageReader } from './page-reader.ts';

/** Encoded bytes that a lane keeps for clients that are a little behind; further back they read the log themselves. */
const LANE_BYTES = 4 * 1024 * 1024;
/** Runs of the log that a shard remembers, so that a client that comes up to the head need not ask for the last step. */
const RECENT_RUNS = 64;

export interface FanoutEnv {
  readonly shard: number;
  readonly epoch: Epoch;
  readonly logState: LogState;
  readonly clients: ClientTable;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly makeEncoder: (format: LaneFormat) => Encoder;
  readonly allocate: (format: LaneFormat) => Allocate;
  readonly collector: Outbox<CollectorRequest>;
  readonly buffer: Outbox<BufferRequest>;
  readonly main: Outbox<FanoutNotice>;
}

/**
 * A `fanout` shard: the subscribed clients of one thread, each a cursor on the log. New events are encoded once per lane and
 * written once per client and batch; a client that cannot take more stays where it is and costs nothing until it can.
 */
export class Fanout {
  readonly #env: FanoutEnv;
  readonly #log: LogReader;
  readonly #asks: Asks;
  readonly #pages: PageReader;
  readonly #lanes = new Map<string, Lane>();
  readonly #clients = new Map<number, Client>();
  /** Clients that read the log by themselves and neither wait for their socket nor for a page. */
  readonly #readers = new Set<Client>();
  readonly #recent: Run[] = [];
  #freeRows: number[] = [];
  #rowsTaken = 0;
  #headSeq = 0;
  #timeMark: { readonly time: Timestamp; readonly seq: number } | undefined;
  #sealedSeq: number | undefined;
  #readersDue = false;

  constructor(env: FanoutEnv) {
    this.#env = env;
    this.#log = new LogReader(env.logState.memory, env.shard + 1);
    this.#asks = new Asks(env.buffer, env.collector);
    this.#pages = new PageReader(env);
  }

  receive(message: LogNotice | FanoutCommand | BufferReply | CollectorReply): void {
    switch (message.type) {
      case 'segment-opened':
        this.#log.open(message.memory);
        return this.#advance();
      case 'appended':
        return this.#advance();
      case 'time-mark':
        return this.#onTimeMark(message);
      case 'sealed':
        return this.#onSealed(message.seq);
      case 'end-client':
        return this.#onEndClient(message);
      case 'cut-clients':
        return this.#cutClients();
      case 'page-read':
      case 'page-gone':
      case 'time-located':
      case 'container-resolved':
        return this.#asks.settle(message);
      default:
        return assertNever(message);
    }
  }

  /** Four times a second: heartbeats, and the client table for whoever looks at it. */
  tick(): void {
    const now = this.#env.clock.now();
    for (const client of this.#clients.values()) {
      this.#env.clients.progress(client.row, client.nextSeq, client.delivered, client.missed);
      const everyMs = client.subscription.heartbeatMs;
      if (everyMs > 0 && client.sink && !client.blocked && (now.sec - client.lastWriteSec) * 1000 >= everyMs) {
        client.lastWriteSec = now.sec;
        client.sink.heartbeat(formatCursor(this.#env.epoch, client.nextSeq - 1));
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

  clients(): readonly ClientInfo[] {
    return [...this.#clients.values()].map((client) => this.#describe(client));
  }

  async #admit(subscription: Subscription): Promise<ClientHandle> {
    const { logState, epoch } = this.#env;
    if (this.#sealedSeq !== undefined) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
    const { start, until, name, follow } = subscription;
    if (start.from === 'time' && until && compareTime(start.time, until) > 0) {
      throw new TocsinError('ERR_SINCE_AFTER_UNTIL', '`since` cannot be after `until`');
    }
    // Fixed now, before anything is asked: whatever is appended while we wait belongs to the client.
    const head = logState.headSeq;
    const endSeq = follow ? Number.MAX_SAFE_INTEGER : head;
    const id = name ? await this.#asks.resolveContainer(name) : undefined;
    const matcher = await makeMatcher(id, subscription.filter);
    let nextSeq = head + 1;
    if (start.from === 'cursor') nextSeq = resolveCursor(start.cursor, epoch, head) + 1;
    else if (start.from === 'recent') nextSeq = Math.max(logState.oldestSeq, head + 1 - start.count);
    else if (start.from === 'time') nextSeq = await this.#asks.locateTime(start.time);
    if (this.#sealedSeq !== undefined) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');

    const row = this.#takeRow();
    const generation = this.#env.clients.take(row, { lagLimit: subscription.lagLimit, until });
    const client = new Client({
      row,
      generation,
      subscription,
      matcher,
      nextSeq,
      endSeq,
      expectsAll: start.from === 'cursor' || start.from === 'live',
      nowSec: this.#env.clock.now().sec,
    });
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

  #start(client: Client, sink: Sink): void {
    if (client.ended) return;
    client.sink = sink;
    if (this.#sealedSeq !== undefined) client.endSeq = Math.min(client.endSeq, this.#sealedSeq);
    this.#readers.add(client);
    this.#read(client);
  }

  /** Everything newly committed: to the lanes, then to the clients on them, then to those that read by themselves. */
  #advance(): void {
    do {
      for (let run = this.#log.take(); run; run = this.#log.take()) this.#deliver(run);
    } while (!this.#log.sleep());
    for (const client of this.#readers) this.#read(client);
  }

  #deliver(run: Run): void {
    this.#recent.push(run);
    if (this.#recent.length > RECENT_RUNS) this.#recent.shift();
    for (const lane of this.#lanes.values()) {
      const encoded = lane.append(run);
      if (encoded > 0) this.#env.counters.add('eventsEncoded', encoded);
    }
    this.#headSeq = this.#log.takenSeq;
    for (const lane of this.#lanes.values()) {
      for (const client of lane.clients) if (!client.blocked) this.#writeLane(client, lane);
      lane.trim(LANE_BYTES);
      for (const client of lane.clients) if (!lane.mark(client.mark)) this.#leaveLane(client);
    }
  }

  /** Gives a client all that its lane has for it, one write a slab, until it is full. */
  #writeLane(client: Client, lane: Lane): void {
    const { until } = client;
    while (client.mark < lane.headIndex) {
      const step = lane.step(client.mark);
      if (!step) return this.#leaveLane(client);
      const { mark } = step;
      // The mark holds an event behind `until`: the client takes the last stretch by itself, event by event.
      if (until && compareTime(mark, until) > 0) return this.#leaveLane(client);
      const events = mark.events - lane.mark(client.mark)!.events;
      client.mark = step.index;
      client.nextSeq = mark.nextSeq;
      if (events > 0 && !this.#write(client, step.bytes, events)) return;
    }
  }

  /** @returns false when the client must be waited for (or is gone) */
  #write(client: Client, bytes: Uint8Array, events: number): boolean {
    const { counters } = this.#env;
    client.delivered += events;
    if (client.subscription.heartbeatMs > 0) client.lastWriteSec = this.#env.clock.now().sec;
    counters.add('delivered', events);
    counters.add('bytesWritten', bytes.length);
    counters.add('writes');
    try {
      if (client.sink!.write(bytes, events)) return !client.ended;
    } catch (error) {
      this.#cut(client, asTocsinError(error, 'ERR_CLIENT_FAILED'));
      return false;
    }
    client.blocked = true;
    client.page = undefined;
    this.#readers.delete(client);
    counters.add('writesBlocked');
    return false;
  }

  #onDrained(client: Client): void {
    if (client.ended || !client.blocked) return;
    client.blocked = false;
    if (client.lane) this.#writeLane(client, client.lane);
    if (!client.lane && !client.blocked && !client.ended) {
      this.#readers.add(client);
      this.#read(client);
    }
  }

  #joinLane(client: Client): void {
    let lane = this.#lanes.get(client.laneKey);
    if (!lane) {
      const { format } = client.subscription;
      const { makeEncoder, allocate } = this.#env;
      lane = new Lane(client.laneKey, makeEncoder(format), client.matcher, allocate(format), client.nextSeq);
      this.#lanes.set(client.laneKey, lane);
    }
    lane.clients.add(client);
    client.lane = lane;
    client.mark = lane.headIndex;
    client.page = undefined;
    this.#readers.delete(client);
  }

  #leaveLane(client: Client): void {
    const { lane } = client;
    if (!lane) return;
    lane.clients.delete(client);
    if (lane.clients.size === 0) this.#lanes.delete(lane.key);
    client.lane = undefined;
    if (!client.blocked && !client.ended) {
      this.#readers.add(client);
      this.#readSoon();
    }
  }

  /** One page's worth for a client that reads by itself; it comes again while there is more. */
  #read(client: Client): void {
    if (client.ended || client.blocked || client.awaitsPage || client.lane || !client.sink) return;
    if (client.nextSeq > Math.min(client.endSeq, this.#sealedSeq ?? Infinity)) return this.#end(client);
    if (client.nextSeq > this.#headSeq) return this.#atHead(client);
    const run = this.#runAt(client);
    if (!run) return void this.#readPage(client);
    const read = this.#pages.read(client, run, Math.min(client.endSeq, this.#headSeq));
    client.nextSeq = read.nextSeq;
    client.page = read.rest;
    client.expectsAll = true;
    const goesOn = read.events === 0 || this.#write(client, read.bytes, read.events);
    if (client.ended) return;
    if (read.reachedUntil) return this.#end(client);
    if (goesOn) this.#readSoon();
  }

  /** The client has read everything: it ends if that is all it wanted, else it shares its lane from here on. */
  #atHead(client: Client): void {
    const { until } = client;
    const mark = this.#timeMark;
    if (until && mark && compareTime(mark.time, until) >= 0 && client.nextSeq > mark.seq) return this.#end(client);
    if (client.since === undefined && client.endSeq === Number.MAX_SAFE_INTEGER) this.#joinLane(client);
  }

  /** Records from the client's position on, if this shard has them at hand. */
  #runAt(client: Client): Run | undefined {
    if (client.page?.firstSeq === client.nextSeq) return client.page;
    const first = this.#recent[0];
    if (!first || client.nextSeq < first.firstSeq) return undefined;
    return this.#recent.findLast((run) => run.firstSeq <= client.nextSeq);
  }

  async #readPage(client: Client): Promise<void> {
    client.awaitsPage = true;
    const reply = await this.#asks.readPage(client.nextSeq);
    client.awaitsPage = false;
    if (client.ended) return;
    if (reply.type === 'page-gone') this.#onGap(client, reply.oldestSeq);
    else {
      const { from, to, firstSeq } = reply;
      client.page = { segment: Segment.of(reply.memory), from, to, firstSeq };
    }
    client.expectsAll = true;
    if (!client.ended) this.#read(client);
  }

  #onGap(client: Client, oldestSeq: number): void {
    const from = client.nextSeq;
    const missed = oldestSeq - from;
    client.nextSeq = oldestSeq;
    if (!client.expectsAll || missed <= 0) return;
    client.missed += missed;
    this.#env.counters.add('gaps');
    this.#env.counters.add('eventsMissed', missed);
    const oldest = formatCursor(this.#env.epoch, oldestSeq - 1);
    const told = client.sink!.gap({ type: 'gap', missed, from, to: oldestSeq - 1, reason: 'retention', oldest });
    if (!told) this.#cut(client, new TocsinError('ERR_CLIENT_GAP', `${missed} events are no longer retained`));
  }

  #readSoon(): void {
    if (this.#readersDue) return;
    this.#readersDue = true;
    this.#env.defer(() => {
      this.#readersDue = false;
      for (const client of this.#readers) this.#read(client);
    });
  }

  #onTimeMark(mark: { readonly sec: number; readonly nanos: number; readonly seq: number }): void {
    this.#advance();
    this.#timeMark = { time: { sec: mark.sec, nanos: mark.nanos }, seq: mark.seq };
    for (const client of this.#clients.values()) {
      const { lane, until } = client;
      if (!until || compareTime(this.#timeMark.time, until) < 0) continue;
      // On a lane and with nothing left to take, it has passed the mark; everyone else finds out when it gets to the head.
      if (lane && client.mark === lane.headIndex) this.#leaveLane(client);
    }
    for (const client of this.#readers) this.#read(client);
  }

  #onSealed(seq: number): void {
    this.#advance();
    this.#sealedSeq = seq;
    for (const client of this.#clients.values()) {
      client.endSeq = Math.min(client.endSeq, seq);
      if (client.lane && client.mark === client.lane.headIndex) this.#leaveLane(client);
    }
    for (const client of this.#readers) this.#read(client);
    this.#reportDrained();
  }

  #onEndClient(command: Extract<FanoutCommand, { type: 'end-client' }>): void {
    const client = this.#clients.get(command.row);
    if (!client || client.generation !== command.generation) return;
    if (command.reason === 'lagged') {
      const lag = this.#env.logState.headSeq + 1 - client.nextSeq;
      if (lag <= client.subscription.lagLimit) return;
      return this.#cut(client, new TocsinError('ERR_CLIENT_LAGGED', `${lag} events behind; the limit is ${client.subscription.lagLimit}`));
    }
    client.sink?.end();
    this.#leave(client);
  }

  #cutClients(): void {
    for (const client of this.#clients.values()) {
      this.#cut(client, new TocsinError('ERR_DRAIN_TIMEOUT', 'not everything was read before the drain timeout'));
    }
  }

  #end(client: Client): void {
    this.#env.counters.add('clientsEnded');
    this.#forget(client);
    client.sink?.end();
  }

  #cut(client: Client, error: TocsinError): void {
    this.#env.counters.add('clientsCut');
    this.#forget(client);
    client.sink?.end(error);
  }

  #leave(client: Client): void {
    if (client.ended) return;
    this.#env.counters.add('clientsLeft');
    this.#forget(client);
  }

  #forget(client: Client): void {
    if (client.ended) return;
    client.ended = true;
    client.page = undefined;
    this.#readers.delete(client);
    this.#leaveLane(client);
    this.#clients.delete(client.row);
    this.#env.clients.free(client.row);
    this.#freeRows.push(client.row);
    this.#reportDrained();
  }

  #reportDrained(): void {
    if (this.#sealedSeq !== undefined && this.#clients.size === 0) this.#env.main.post({ type: 'drained' });
  }

  #takeRow(): number {
    const freed = this.#freeRows.pop();
    if (freed !== undefined) return freed;
    if (this.#rowsTaken === CLIENT.ROWS_PER_SHARD) {
      throw new TocsinError('ERR_CLIENTS_EXHAUSTED', `this shard has ${CLIENT.ROWS_PER_SHARD} clients, its limit`);
    }
    this.#rowsTaken += 1;
    return this.#env.shard * CLIENT.ROWS_PER_SHARD + this.#rowsTaken - 1;
  }

  #describe(client: Client): ClientInfo {
    const { subscription, row, generation } = client;
    const position = client.nextSeq;
    return {
      id: `${row}.${generation}`,
      shard: this.#env.shard,
      door: subscription.door,
      peer: subscription.peer,
      filter: client.matcher.key,
      cursor: formatCursor(this.#env.epoch, position - 1),
      lagEvents: Math.max(0, this.#headSeq + 1 - position),
      delivered: client.delivered,
      missed: client.missed,
      policy: subscription.lagLimit > 0 ? 'disconnect' : 'catch-up',
      state: client.blocked ? 'blocked' : client.lane ? 'live' : 'replaying',
    };
  }
}
