import type { Epochs } from '../event/epochs.ts';
import { assertNever, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';
import { compareTime } from '../event/time.ts';
import { LogReader } from '../history/log-reader.ts';
import type { BufferReply, BufferRequest } from '../messages/buffer.ts';
import type { CollectorCommand, CollectorReply, CollectorRequest, LogNotice } from '../messages/collector.ts';
import type { ClientInfo, LatencyCounts, Subscription } from '../messages/control.ts';
import type { FanoutCommand, FanoutNotice } from '../messages/fanout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Outbox } from './actor.ts';
import { admit } from './admission.ts';
import { Asks } from './asks.ts';
import { Client, type ClientHandle, type Sink } from './client.ts';
import { ClientWriter } from './client-writer.ts';
import { describeClient } from './client-info.ts';
import { type ClientLimits, ClientRows } from './client-rows.ts';
import { Delivery, type DeliveryEnv } from './delivery.ts';
import { LagPolicy } from './lag-policy.ts';

export interface FanoutEnv extends DeliveryEnv {
  readonly epochs: Epochs;
  readonly shard: number;
  /** No other shard has it, nor has had. */
  readonly life: number;
  readonly logState: LogState;
  readonly limits: ClientLimits;
  /** How far a client may fall behind; 0 = as far as history reaches. */
  readonly maxLagBytes: number;
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
  readonly #writer: ClientWriter;
  readonly #delivery: Delivery;
  readonly #clients = new Map<number, Client>();
  readonly #rows: ClientRows;
  readonly #lag: LagPolicy;
  #timeMark: { readonly time: Timestamp; readonly seq: number } | undefined;
  #isSealed = false;

  constructor(env: FanoutEnv) {
    this.#env = env;
    this.#log = new LogReader(env.logState.memory, env.shard + 1, env.headSeq);
    this.#asks = new Asks(env.buffer, env.collector, env.life);
    this.#rows = new ClientRows(env.shard, env.clients, env.logState, env.limits);
    this.#lag = new LagPolicy(env);
    const { counters, clock } = env;
    this.#writer = new ClientWriter({ counters, clock, failed: (client, error) => this.#cut(client, error) });
    this.#delivery = new Delivery({
      ...env,
      writer: this.#writer,
      log: this.#log,
      asks: this.#asks,
      lag: this.#lag,
      ended: (client) => this.#end(client),
      caughtUp: (client) => this.#endReplay(client),
    });
  }

  receive(message: LogNotice | FanoutCommand | BufferReply | CollectorReply): void {
    switch (message.type) {
      case 'segment-opened': {
        const segment = this.#log.open(message.memory);
        if (segment) this.#lag.opened(segment);
        return this.#delivery.arrived();
      }
      case 'appended':
        return this.#delivery.arrived();
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
      case 'containers-listed':
        return this.#asks.settle(message);
      default:
        return assertNever(message);
    }
  }

  /** The other actor has begun anew: it does not know what it was asked. */
  askAgain(name: 'buffer' | 'collector'): void {
    this.#asks.repeat(name);
  }

  /** Once a second: heartbeats, and what the client table says of clients that nothing was for. */
  tick(): void {
    const now = this.#env.clock.now();
    this.#delivery.tick();
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
        // Of events that have not come here yet, the epoch may not have been heard of either.
        if (client.nextSeq <= this.#delivery.headSeq + 1) this.#beat(client);
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
    return this.#isSealed;
  }

  get isHistoryWritable(): boolean {
    return !this.#env.logState.isHistoryFailed;
  }

  /** A client has to take something before it gets more, and may do so at any moment. */
  get awaitsClients(): boolean {
    return this.#writer.awaitsClients;
  }

  /** The containers that an engine has described and not removed, those that the limit shows. @throws ERR_PIPELINE_CLOSED */
  async containers(limit: readonly Term[]): Promise<readonly ContainerInfo[]> {
    this.#requireOpen();
    return this.#asks.listContainers(limit);
  }

  get latencies(): LatencyCounts {
    return this.#delivery.latencies.counts;
  }

  clients(): readonly ClientInfo[] {
    this.#delivery.settle();
    const { shard, epochs, clock } = this.#env;
    const view = { shard, epochs, headSeq: this.#delivery.headSeq, recent: this.#delivery.recent, now: clock.now() };
    return [...this.#clients.values()].map((client) => describeClient(client, view));
  }

  async #admit(subscription: Subscription): Promise<ClientHandle> {
    const { logState, epochs } = this.#env;
    const { until, follow } = subscription;
    this.#requireOpen();
    // Taken at once, before anything is waited for: whatever is appended meanwhile belongs to the client.
    const head = logState.headSeq;
    if (this.#delivery.headSeq < head) await this.#reach(head);
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
      drained: () => this.#delivery.drained(client),
      left: () => this.#leave(client),
    };
  }

  /** Until this shard has taken the event, and with it has heard of every epoch up to there: then it knows what cursors mean. */
  async #reach(seq: number): Promise<void> {
    while (this.#delivery.headSeq < seq) {
      this.#delivery.advance();
      if (this.#delivery.headSeq < seq) await new Promise<void>((resolve) => this.#env.defer(resolve));
    }
  }

  #requireOpen(): void {
    if (this.isSealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
  }

  #start(client: Client, sink: Sink): void {
    if (client.ended) return;
    client.sink = sink;
    if (client.lost && !this.#writer.tellGap(client, client.lost)) return;
    // At once: a client that is cut off before its first event knows where it began.
    if (client.subscription.heartbeatMs > 0) this.#beat(client);
    if (!client.ended) this.#delivery.begin(client);
  }

  #beat(client: Client): void {
    this.#writer.heartbeat(client, this.#env.epochs.cursor(client.nextSeq - 1));
  }

  #onTimeMark(mark: { readonly sec: number; readonly nanos: number; readonly seq: number }): void {
    this.#delivery.advance();
    this.#timeMark = { time: { sec: mark.sec, nanos: mark.nanos }, seq: mark.seq };
    // Clients that nothing was for are further than it says of them.
    this.#delivery.settle();
    for (const client of this.#clients.values()) this.#noticeUntil(client);
    this.#delivery.pumpAll();
  }

  /** Events behind a time mark are later than it: a client whose `until` it has reached ends there at the latest. */
  #noticeUntil(client: Client): void {
    const { until } = client.subscription;
    const mark = this.#timeMark;
    if (until && mark && compareTime(mark.time, until) >= 0) client.endSeq = Math.min(client.endSeq, mark.seq);
  }

  #onSealed(seq: number): void {
    this.#delivery.advance();
    this.#isSealed = true;
    this.#delivery.seal(seq);
    this.#reportDrained();
  }

  #onEndClient(command: Extract<FanoutCommand, { type: 'end-client' }>): void {
    const client = this.#clients.get(command.row);
    if (!client || client.generation !== command.generation) return;
    if (command.reason === 'lagged') {
      // One that nothing was for is further than the table says.
      client.lane?.settle();
      // One that takes what it is given is catching up, however far behind it is: it began there, or has just come back.
      if (client.blocked && this.#lag.isBeyondOwn(client)) this.#cutLagged(client);
      return;
    }
    this.#env.counters.add('cancelsSeen');
    this.#leave(client);
    this.#writer.end(client);
  }

  #cutLagged(client: Client): void {
    this.#env.counters.add('lagBreaches');
    this.#cut(client, this.#lag.error(client));
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
    this.#writer.end(client);
  }

  #cut(client: Client, error: TocsinError): void {
    if (client.ended) return;
    this.#env.counters.add('clientsCut');
    this.#forget(client);
    this.#writer.end(client, error);
  }

  #leave(client: Client): void {
    if (client.ended) return;
    this.#env.counters.add('clientsLeft');
    this.#forget(client);
  }

  #forget(client: Client): void {
    if (client.ended) return;
    client.ended = true;
    this.#writer.forget(client);
    this.#delivery.remove(client);
    this.#clients.delete(client.row);
    if (client.isReplaying) this.#endReplay(client);
    this.#rows.free(client.row);
    this.#reportDrained();
  }

  #reportDrained(): void {
    if (this.#isSealed && this.#clients.size === 0) this.#env.main.post({ type: 'drained' });
  }
}
