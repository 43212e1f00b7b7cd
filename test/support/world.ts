import type { ClientLimits } from '../../src/actors/client-rows.ts';
import { ClientsChecker } from '../../src/actors/clients-checker.ts';
import { Collector } from '../../src/actors/collector.ts';
import { Fanout } from '../../src/actors/fanout.ts';
import { HistoryBuffer } from '../../src/actors/buffer.ts';
import type { ClientHandle } from '../../src/actors/client.ts';
import type { Outbox } from '../../src/actors/actor.ts';
import { EventView } from '../../src/codec/event-record.ts';
import { Redactor } from '../../src/codec/redactor.ts';
import { makeEncoder } from '../../src/codec/formats.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import type { DurableHistory } from '../../src/actors/log-tail.ts';
import { type Epoch, formatCursor } from '../../src/event/cursor.ts';
import { Epochs } from '../../src/event/epochs.ts';
import type { Disk } from '../../src/history/disk.ts';
import { HistoryFiles, type HistoryLimits } from '../../src/history/history-files.ts';
import { HistoryWriter } from '../../src/history/history-writer.ts';
import { LogReader } from '../../src/history/log-reader.ts';
import { newLog, type Recovered } from '../../src/history/recovery.ts';
import type { RetentionLimits } from '../../src/history/retained-log.ts';
import type { SavedState } from '../../src/history/saved-state.ts';
import type { BufferRequest } from '../../src/messages/buffer.ts';
import { ClientTable } from '../../src/messages/client-table.ts';
import type {
  CollectorCommand,
  CollectorRequest,
  HistoryFileHead,
  HistoryFileNotice,
  HistoryNotice,
  KeeperNotice,
  LogNotice,
} from '../../src/messages/collector.ts';
import { CommitJournal } from '../../src/messages/commit-journal.ts';
import type { Subscription } from '../../src/messages/control.ts';
import type { FanoutCommand, FanoutNotice } from '../../src/messages/fanout.ts';
import { IntakeRing } from '../../src/messages/intake-ring.ts';
import { LogState } from '../../src/messages/log-state.ts';
import type { PublisherNotice } from '../../src/messages/publisher.ts';
import { PublishRing } from '../../src/messages/publish-ring.ts';
import { crc32 } from 'node:zlib';
import { CounterTable, ManualClock, MemoryOutbox } from './actors.ts';
import { EPOCH } from './log.ts';
import { packEvent } from './packed.ts';
import { RecordingSink } from './recording-sink.ts';

/** An event of the log as the test knows it. */
export interface LoggedEvent {
  readonly seq: number;
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly time: Timestamp;
  readonly args: string;
  readonly cursor: string;
  readonly pid: number;
  readonly exitCode: number;
  /** What its label `v` says, if it has one. */
  readonly version: number | undefined;
}

/** The disk of a world, and how the log is kept there. */
export interface WorldHistory {
  readonly disk: Disk;
  readonly durability: 'async' | 'sync';
  /** Names the life of the machine. */
  readonly boot: string;
  readonly limits: HistoryLimits;
  readonly fileBytes: number;
  readonly fileAgeSec: number;
  readonly newEpoch: () => Epoch;
}

/** Of the rings before the collector: records of the FIFO's, bytes of a publisher's. */
export interface RingSizes {
  readonly slots: number;
  readonly bytes: number;
}

/** @see World */
export interface WorldOptions {
  readonly shards?: number;
  readonly limits?: Partial<RetentionLimits>;
  readonly segmentBytes?: number;
  readonly rings?: RingSizes;
  /** Clients that a shard has room for. */
  readonly clientRows?: number;
  readonly clients?: Partial<ClientLimits>;
  readonly maxLagBytes?: number;
  readonly clock?: ManualClock;
  /** What an earlier life left; without it the log is new. */
  readonly recovered?: Recovered;
  readonly history?: WorldHistory;
  /** Hears of each event as it is appended, instead of `log`. */
  readonly onEvent?: (event: LoggedEvent) => void;
  /** Hears what the collector tells main's publisher, instead of `publisher`. */
  readonly toPublisher?: (notice: PublisherNotice) => void;
  /** Of what else may happen now: a disk that is done with something, say. */
  readonly alsoReady?: () => readonly (() => void)[];
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
  readonly clock: ManualClock;
  readonly counters = new CounterTable();
  readonly logState: LogState;
  readonly ring: IntakeRing;
  readonly published: PublishRing;
  readonly clientTable: ClientTable;
  readonly collector: Collector;
  readonly buffer: HistoryBuffer;
  readonly shards: readonly Fanout[];
  /** As each shard knows them. */
  readonly shardEpochs: readonly Epochs[];
  readonly checker: ClientsChecker;
  /** What the collector told the publisher of `published`. */
  readonly publisher = new MemoryOutbox<PublisherNotice>();
  /** What shards told main. */
  readonly main = new MemoryOutbox<FanoutNotice>();
  /** What the collector told main about the disk. */
  readonly reports = new MemoryOutbox<HistoryNotice | KeeperNotice>();
  /** Every event of the log, the expired ones too; event n at index n - 1. */
  readonly log: LoggedEvent[] = [];
  /** Promises that were broken to a sink. */
  readonly violations: unknown[] = [];
  readonly #links: Link[] = [];
  /** Each may be due at any moment: whatever an actor relies on, it is not the order of timers. */
  readonly #timers: (() => void)[] = [];
  readonly #epochs: Epochs;
  readonly #onEvent: (event: LoggedEvent) => void;
  readonly #alsoReady: () => readonly (() => void)[];
  readonly #toCollector: Outbox<CollectorCommand>;
  readonly #witness: LogReader;

  constructor(options: WorldOptions = {}) {
    const { counters } = this;
    const { recovered = newLog(EPOCH), history, rings } = options;
    this.ring = new IntakeRing(IntakeRing.allocate(rings?.slots));
    this.published = new PublishRing(PublishRing.allocate(rings?.bytes));
    const clock = options.clock ?? new ManualClock();
    this.clock = clock;
    const logState = new LogState(LogState.allocate(recovered.headSeq, recovered.files[0]?.firstSeq));
    this.logState = logState;
    this.#onEvent = options.onEvent ?? ((event) => this.log.push(event));
    this.#alsoReady = options.alsoReady ?? (() => []);
    this.#epochs = new Epochs(recovered.epochs);
    const { headSeq } = recovered;
    const count = options.shards ?? 1;
    this.clientTable = new ClientTable(ClientTable.allocate(count, options.clientRows), options.clientRows);
    this.#witness = new LogReader(logState.memory, count + 1, headSeq);
    const toShards = Array.from({ length: count }, (_, shard) =>
      this.#link<ToShard>((message) => this.#tellShard(shard, message)),
    );
    const fromBuffer = toShards.map((_, shard) => this.#link<ToShard>((message) => this.#tellShard(shard, message)));
    const toBuffer = this.#link<LogNotice | HistoryFileNotice>((notice) => this.buffer.receive(notice));
    this.#toCollector = this.#link<CollectorCommand>((command) => this.collector.receive(command));
    const witness: Outbox<LogNotice> = {
      post: (notice) => {
        if (notice.type === 'segment-opened') this.#witness.open(notice.memory);
        // What is shown behind it belongs to it.
        if (notice.type === 'epoch-began') this.#epochs.begin(notice.span);
      },
    };

    this.buffer = new HistoryBuffer({
      logState,
      clock,
      counters: counters.writer,
      headSeq,
      limits: { ...UNBOUNDED, ...options.limits, ...(history ? { events: 0 } : {}) },
      files:
        history &&
        new HistoryFiles({
          disk: history.disk,
          crc32,
          limits: history.limits,
          files: recovered.files,
          onCorrupt: (length) => counters.writer.add('historyCorrupt', length),
        }),
      scans: undefined,
      defer: this.#tasks(),
      epochs: new Epochs(recovered.epochs),
      kept: { events: (history ? history.limits.events : options.limits?.events) ?? 0 },
    });
    this.shardEpochs = toShards.map(() => new Epochs(recovered.epochs));
    this.shards = toShards.map((toShard, shard) => {
      const epochs = this.shardEpochs[shard]!;
      return new Fanout({
        shard,
        life: shard + 1,
        epochs,
        headSeq,
        logState,
        clients: this.clientTable,
        counters: counters.writer,
        clock,
        defer: this.#tasks(),
        later: (_, task) => void this.#timers.push(task),
        maxDelayMs: 1,
        limits: { clients: 0, replays: 0, ...options.clients },
        maxLagBytes: options.maxLagBytes ?? 0,
        makeEncoder: (format) => makeEncoder(format, epochs),
        allocate: () => (byteLength) => new Uint8Array(byteLength),
        redactor: new Redactor(),
        collector: this.#link<CollectorRequest | CollectorCommand>((message) => {
          if (message.type === 'resolve-container' || message.type === 'list-containers')
            toShard.post(this.collector.answer(message));
          else this.collector.receive(message);
        }),
        buffer: this.#link<BufferRequest>((request) => this.buffer.answer(request, fromBuffer[shard]!)),
        main: this.main,
      });
    });
    this.checker = new ClientsChecker({
      clients: this.clientTable,
      logState,
      clock,
      collector: this.#link<CollectorCommand>((command) => this.collector.receive(command)),
      shards: this.shards.map((shard) => this.#link<FanoutCommand>((command) => shard.receive(command))),
    });
    const epochs = new Epochs(recovered.epochs);
    const { tail, time } = recovered;
    const file = { file: tail?.firstSeq ?? 0, fileLength: tail?.length ?? 0 };
    const journal = new CommitJournal(CommitJournal.allocate({ headSeq, ...time, ...file }));
    this.collector = new Collector({
      ring: this.ring,
      published: this.published,
      publisher: options.toPublisher ? this.link(options.toPublisher) : this.publisher,
      logState,
      readers: [toBuffer, ...toShards, witness],
      bufferEvery: 1,
      monitored: { post: () => {} },
      counters: counters.writer,
      clock,
      defer: this.#tasks(),
      later: (_, task) => void this.#timers.push(task),
      main: this.reports,
      epochs,
      journal,
      lastSegment: undefined,
      known: recovered,
      openHistory:
        history &&
        ((snapshot) =>
          openHistory(history, {
            epochs,
            last: journal.position,
            snapshot,
            nowSec: () => clock.now().sec,
            opened: (file) => toBuffer.post({ type: 'history-file-opened', file }),
            secured: (firstSeq) => toBuffer.post({ type: 'history-file-secured', firstSeq }),
          })),
      segmentBytes: options.segmentBytes ?? 64 * 1024,
      unknownContainers: 'pass',
    });
  }

  /** Messages that have not arrived, and tasks that were put off. */
  get pending(): number {
    return this.#links.reduce((sum, { queue }) => sum + queue.length, this.#timers.length);
  }

  publish(...events: readonly NewEvent[]): void {
    for (const event of events) {
      const outcome = this.published.offer(packEvent(event));
      if (outcome === 'full') throw new Error('the publish ring is full');
      if (outcome === 'wake') this.#toCollector.post({ type: 'records-available' });
    }
  }

  /** As `seal`, told at once. */
  receiveSeal(): void {
    this.collector.receive({ type: 'seal' });
  }

  /** Everything is numbered, then the log is closed. */
  seal(): void {
    this.#toCollector.post({ type: 'seal' });
  }

  /** Lets one message arrive or one task run. @param pick chooses among so many */
  async step(pick: (count: number) => number = () => 0): Promise<boolean> {
    const waiting = this.#links.filter(({ queue }) => queue.length > 0);
    const also = this.#alsoReady();
    const count = waiting.length + also.length + this.#timers.length;
    if (count === 0) return false;
    const picked = pick(count);
    if (picked < waiting.length) waiting[picked]!.queue.shift()!();
    else if (picked < waiting.length + also.length) also[picked - waiting.length]!();
    else this.#timers.splice(picked - waiting.length - also.length, 1)[0]!();
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

  /** What is said to `to` on the way that is returned arrives in order, some time. */
  link<Message>(to: (message: Message) => void): Outbox<Message> {
    return this.#link(to);
  }

  /** One more way into the log, besides main's. */
  openIntake(ring: PublishRing, publisher: Outbox<PublisherNotice>): Outbox<CollectorCommand> {
    this.collector.openIntake(ring, publisher);
    return this.#link<CollectorCommand>((command) => this.collector.receive(command));
  }

  /** Tells the collector what waits in a ring. */
  wakeCollector(): void {
    this.#toCollector.post({ type: 'records-available' });
  }

  #tellShard(shard: number, message: ToShard): void {
    this.shards[shard]!.receive(message);
  }

  /** Tasks that an actor has put off: one after the other, as messages that it sends itself. */
  #tasks(): (task: () => void) => void {
    const queue: (() => void)[] = [];
    this.#links.push({ queue });
    return (task) => void queue.push(task);
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
        this.#onEvent(loggedEvent(view, this.#epochs));
      }
    }
  }
}

function openHistory(
  { disk, durability, boot, fileBytes, fileAgeSec, newEpoch }: WorldHistory,
  env: {
    readonly epochs: Epochs;
    readonly last: Timestamp;
    readonly snapshot: () => Iterable<SavedState>;
    readonly nowSec: () => number;
    readonly opened: (file: HistoryFileHead) => void;
    readonly secured: (firstSeq: number) => void;
  },
): DurableHistory {
  const { last, ...rest } = env;
  const settings = { disk, crc32, writer: { boot, durability }, fileBytes, fileAgeSec };
  return {
    writer: new HistoryWriter({ ...settings, ...rest }, last),
    durability,
    newEpoch,
  };
}

/** The event that the view stands on. */
export function loggedEvent(view: EventView, epochs: Epochs): LoggedEvent {
  const { seq, type, action, id, args, pid, exitCode, timeSec: sec, timeNanos: nanos } = view;
  const label = [...view.attributes()].find(([key]) => key === 'v');
  return {
    seq,
    type,
    action,
    id,
    args,
    pid,
    exitCode,
    time: { sec, nanos },
    cursor: formatCursor(epochs.at(seq), seq),
    version: label && Number(label[1]),
  };
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

/** No chain of promises is longer. */
const PROMISE_TURNS = 16;

/** Everything that promises have been waiting for has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < PROMISE_TURNS; turn += 1) await Promise.resolve();
}
