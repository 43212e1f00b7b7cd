import type { ClientLimits } from '../../src/actors/client-rows.ts';
import { ClientsChecker } from '../../src/actors/clients-checker.ts';
import { Collector } from '../../src/actors/collector.ts';
import { Fanout } from '../../src/actors/fanout.ts';
import { HistoryBuffer } from '../../src/actors/buffer.ts';
import type { ClientHandle } from '../../src/actors/client.ts';
import type { Outbox } from '../../src/actors/actor.ts';
import { EventView } from '../../src/codec/event-record.ts';
import { makeEncoder } from '../../src/codec/formats.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { newLog } from '../../src/history/recovery.ts';
import { LogReader } from '../../src/history/log-reader.ts';
import type { RetentionLimits } from '../../src/history/retained-log.ts';
import type { BufferRequest } from '../../src/messages/buffer.ts';
import { ClientTable } from '../../src/messages/client-table.ts';
import type { CollectorCommand, CollectorRequest, LogNotice } from '../../src/messages/collector.ts';
import type { Subscription } from '../../src/messages/control.ts';
import type { FanoutCommand, FanoutNotice } from '../../src/messages/fanout.ts';
import { IntakeRing } from '../../src/messages/intake-ring.ts';
import { INTAKE } from '../../src/messages/layout.ts';
import { LogState } from '../../src/messages/log-state.ts';
import type { PublisherNotice } from '../../src/messages/publisher.ts';
import { PublishRing } from '../../src/messages/publish-ring.ts';
import { CounterTable, ManualClock, ManualDefer, MemoryOutbox } from './actors.ts';
import { EPOCH, EPOCHS } from './log.ts';
import { packEvent } from './packed.ts';
import { RecordingSink } from './recording-sink.ts';

/** An event of the log as the test knows it. */
export interface LoggedEvent {
  readonly seq: number;
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly time: Timestamp;
}

/** Messages from one actor to another on their way: they arrive in order, whenever the test lets them. */
interface Link {
  readonly queue: (() => void)[];
}

type ToShard = Parameters<Fanout['receive']>[0];

export const UNBOUNDED: RetentionLimits = { events: 1e9, bytes: 1e12, ageMs: 0 };

/**
 * Collector, history buffer, shards and clients-checker in one thread. Nothing happens by itself: messages lie in their links
 * and tasks in the deferred queue until the test moves them, so every order in which threads could do it can be tried.
 *
 *   publish --> collector --> buffer        subscribe --> shard --> sinks
 *                   |           ^                          ^
 *                   +-----------|--> shard 0..N <----------+-- clients-checker
 */
export class World {
  readonly clock = new ManualClock();
  readonly deferred = new ManualDefer();
  readonly counters = new CounterTable();
  readonly logState = new LogState(LogState.allocate());
  readonly published = new PublishRing(PublishRing.allocate());
  readonly clientTable: ClientTable;
  readonly collector: Collector;
  readonly buffer: HistoryBuffer;
  readonly shards: readonly Fanout[];
  readonly checker: ClientsChecker;
  /** What the collector told the publisher of `published`. */
  readonly publisher = new MemoryOutbox<PublisherNotice>();
  /** What shards told main. */
  readonly main = new MemoryOutbox<FanoutNotice>();
  /** Every event of the log, the expired ones too; event n at index n - 1. */
  readonly log: LoggedEvent[] = [];
  /** Promises that were broken to a sink. */
  readonly violations: unknown[] = [];
  readonly #links: Link[] = [];
  readonly #toCollector: Outbox<CollectorCommand>;
  readonly #witness: LogReader;

  constructor(
    options: {
      shards?: number;
      limits?: Partial<RetentionLimits>;
      segmentBytes?: number;
      clients?: Partial<ClientLimits>;
      maxLagBytes?: number;
    } = {},
  ) {
    const { logState, clock, counters } = this;
    const count = options.shards ?? 1;
    this.clientTable = new ClientTable(ClientTable.allocate(count));
    this.#witness = new LogReader(logState.memory, count + 1, 0);
    const toShards = Array.from({ length: count }, (_, shard) =>
      this.#link<ToShard>((message) => this.shards[shard]!.receive(message)),
    );
    const fromBuffer = toShards.map((_, shard) =>
      this.#link<ToShard>((message) => this.shards[shard]!.receive(message)),
    );
    const toBuffer = this.#link<LogNotice>((notice) => this.buffer.receive(notice));
    this.#toCollector = this.#link<CollectorCommand>((command) => this.collector.receive(command));
    const witness: Outbox<LogNotice> = {
      post: (notice) => {
        if (notice.type === 'segment-opened') this.#witness.open(notice.memory);
      },
    };

    this.buffer = new HistoryBuffer({
      logState,
      clock,
      counters: counters.writer,
      headSeq: 0,
      limits: { ...UNBOUNDED, ...options.limits },
      files: undefined,
      scans: undefined,
      epochs: EPOCHS,
      maxEvents: options.limits?.events ?? 0,
    });
    this.shards = toShards.map(
      (toShard, shard) =>
        new Fanout({
          shard,
          epochs: EPOCHS,
          headSeq: 0,
          logState,
          clients: this.clientTable,
          counters: counters.writer,
          clock,
          defer: this.deferred.defer,
          later: (_, task) => this.deferred.defer(task),
          maxDelayMs: 1,
          limits: { clients: 0, replays: 0, ...options.clients },
          maxLagBytes: options.maxLagBytes ?? 0,
          makeEncoder: (format) => makeEncoder(format, EPOCHS),
          allocate: () => (byteLength) => new Uint8Array(byteLength),
          collector: this.#link<CollectorRequest | CollectorCommand>((message) => {
            if (message.type === 'resolve-container') toShard.post(this.collector.answer(message));
            else this.collector.receive(message);
          }),
          buffer: this.#link<BufferRequest>((request) => this.buffer.answer(request, fromBuffer[shard]!)),
          main: this.main,
        }),
    );
    this.checker = new ClientsChecker({
      clients: this.clientTable,
      logState,
      clock,
      collector: this.#link<CollectorCommand>((command) => this.collector.receive(command)),
      shards: this.shards.map((shard) => this.#link<FanoutCommand>((command) => shard.receive(command))),
    });
    this.collector = new Collector({
      // No records come this way, so its slots need no marks.
      ring: new IntakeRing(new SharedArrayBuffer(INTAKE.HEADER_BYTES)),
      published: this.published,
      publisher: this.publisher,
      logState,
      readers: [toBuffer, ...toShards, witness],
      bufferEvery: 1,
      monitored: { post: () => {} },
      counters: counters.writer,
      clock,
      defer: this.deferred.defer,
      later: (_, task) => this.deferred.defer(task),
      main: { post: () => {} },
      epochs: EPOCHS,
      recovered: newLog(EPOCH),
      openHistory: undefined,
      segmentBytes: options.segmentBytes ?? 64 * 1024,
      unknownContainers: 'pass',
    });
  }

  /** Messages that have not arrived, and tasks that were put off. */
  get pending(): number {
    return this.#links.reduce((sum, { queue }) => sum + queue.length, this.deferred.tasks.length);
  }

  publish(...events: readonly NewEvent[]): void {
    for (const event of events) {
      const outcome = this.published.offer(packEvent(event));
      if (outcome === 'full') throw new Error('the publish ring is full');
      if (outcome === 'wake') this.#toCollector.post({ type: 'records-available' });
    }
  }

  /** Everything is numbered, then the log is closed. */
  seal(): void {
    this.#toCollector.post({ type: 'seal' });
  }

  /** Lets one message arrive or one task run. @param pick chooses among so many */
  async step(pick: (count: number) => number = () => 0): Promise<boolean> {
    const ready = this.#links.filter(({ queue }) => queue.length > 0).map(({ queue }) => queue);
    if (this.deferred.tasks.length > 0) ready.push(this.deferred.tasks);
    const queue = ready[pick(ready.length)];
    if (!queue) return false;
    queue.shift()?.();
    await settled();
    this.look();
    if (this.violations.length > 0) throw this.violations[0];
    return true;
  }

  /** Until nothing is on its way any more. */
  async run(pick?: (count: number) => number): Promise<void> {
    for (let steps = 0; await this.step(pick); steps += 1) {
      if (steps > 200_000) throw new Error('the pipeline does not come to rest');
    }
  }

  /** Subscribes and lets messages arrive until that is answered. */
  async attach(
    subscription: Partial<Subscription> = {},
    sink = this.sink(subscription),
    shard = 0,
  ): Promise<RecordingSink> {
    await this.attachLater(subscription, sink, shard);
    return sink;
  }

  /** Subscribes now; the answer comes when the test has let the messages for it arrive. */
  async attachLater(subscription: Partial<Subscription>, sink: RecordingSink, shard = 0): Promise<ClientHandle> {
    let handle: ClientHandle | undefined;
    let failure: unknown;
    let isAnswered = false;
    void this.shards[shard]!.subscribe({ ...EVERYTHING, ...subscription }).then(
      (admitted) => {
        isAnswered = true;
        handle = admitted;
      },
      (error: unknown) => {
        isAnswered = true;
        failure = error;
      },
    );
    for (await settled(); !isAnswered; )
      if (!(await this.step())) throw new Error('the subscription is never answered');
    if (!handle) throw failure;
    sink.start(handle);
    await settled();
    return handle;
  }

  sink(subscription: Partial<Subscription> = {}): RecordingSink {
    return new RecordingSink(subscription.format ?? EVERYTHING.format, this.violations);
  }

  #link<Message>(deliver: (message: Message) => void): Outbox<Message> {
    const queue: (() => void)[] = [];
    this.#links.push({ queue });
    return { post: (message) => void queue.push(() => deliver(message)) };
  }

  /** Takes down what has been appended; also from within a write, which may be of what was appended just now. */
  look(): void {
    for (let run = this.#witness.take(); run; run = this.#witness.take()) {
      const view = new EventView(run.segment.memory);
      for (view.at = run.from; view.at < run.to; view.at += view.byteLength) {
        const { seq, type, action, id, timeSec: sec, timeNanos: nanos } = view;
        this.log.push({ seq, type, action, id, time: { sec, nanos } });
      }
    }
  }
}

/** Everything from now on. */
export const EVERYTHING: Subscription = {
  door: 'test',
  peer: 'test',
  format: 'packed',
  start: { from: 'live' },
  follow: true,
  filter: [],
  lagLimit: 0,
  heartbeatMs: 0,
};

/** Everything that promises have been waiting for has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
