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
import type { ContainerSpec, NewEvent, Timestamp } from '../../src/event/event.ts';
import type { DurableHistory } from '../../src/actors/log-tail.ts';
import { type Epoch, formatCursor } from '../../src/event/cursor.ts';
import { Epochs } from '../../src/event/epochs.ts';
import type { Disk } from '../../src/history/disk.ts';
import { HistoryFiles, type HistoryLimits } from '../../src/history/history-files.ts';
import { HistoryWriter } from '../../src/history/history-writer.ts';
import { LogReader } from '../../src/history/log-reader.ts';
import { headsOf, newLog, type Recovered } from '../../src/history/recovery.ts';
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
import { CommitJournal, positionOf } from '../../src/messages/commit-journal.ts';
import type { Subscription } from '../../src/messages/control.ts';
import type { FanoutCommand, FanoutNotice } from '../../src/messages/fanout.ts';
import { IntakeRing } from '../../src/messages/intake-ring.ts';
import { LogState } from '../../src/messages/log-state.ts';
import type { PublisherNotice } from '../../src/messages/publisher.ts';
import { PublishRing } from '../../src/messages/publish-ring.ts';
import { crc32 } from 'node:zlib';
import { LogKeeper } from '../../src/runtime/log-keeper.ts';
import { CounterTable, ManualClock, MemoryOutbox } from './actors.ts';
import { EPOCH } from './log.ts';
import { Life } from './mortal.ts';
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
  collector!: Collector;
  buffer!: HistoryBuffer;
  readonly shards: Fanout[] = [];
  /** As each shard knows them. */
  readonly shardEpochs: Epochs[] = [];
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
  readonly #timers: { readonly of: string; readonly run: () => void }[] = [];
  readonly #epochs: Epochs;
  readonly #onEvent: (event: LoggedEvent) => void;
  readonly #alsoReady: () => readonly (() => void)[];
  readonly #toCollector: Outbox<CollectorCommand>;
  readonly #witness: LogReader;
  readonly #options: WorldOptions;
  readonly #recovered: Recovered;
  readonly #journal: CommitJournal;
  readonly #keeper: LogKeeper;
  /** As main knows them. */
  readonly #mainEpochs: Epochs;
  /** What is on its way to an actor, and lost when that dies. */
  readonly #to = new Map<string, Link[]>();
  readonly #toShards: Outbox<ToShard>[];
  readonly #fromBuffer: Outbox<ToShard>[];
  readonly #toBuffer: Outbox<LogNotice | HistoryFileNotice>;
  readonly #intakes: { readonly ring: PublishRing; readonly publisher: Outbox<PublisherNotice> }[] = [];
  #life = new Life();
  #mainPublisher: Outbox<PublisherNotice> | undefined;
  #lives = 0;

  constructor(options: WorldOptions = {}) {
    const { recovered = newLog(EPOCH), rings } = options;
    this.ring = new IntakeRing(IntakeRing.allocate(rings?.slots));
    this.published = new PublishRing(PublishRing.allocate(rings?.bytes));
    const clock = options.clock ?? new ManualClock();
    this.clock = clock;
    const logState = new LogState(LogState.allocate(recovered.headSeq, recovered.files[0]?.firstSeq));
    this.logState = logState;
    this.#onEvent = options.onEvent ?? ((event) => this.log.push(event));
    this.#alsoReady = options.alsoReady ?? (() => []);
    this.#options = options;
    this.#recovered = recovered;
    this.#epochs = new Epochs(recovered.epochs);
    this.#mainEpochs = new Epochs(recovered.epochs);
    const { headSeq } = recovered;
    const count = options.shards ?? 1;
    this.clientTable = new ClientTable(ClientTable.allocate(count, options.clientRows), options.clientRows);
    this.#witness = new LogReader(logState.memory, count + 1, headSeq);
    this.#journal = new CommitJournal(CommitJournal.allocate(positionOf(recovered)));
    this.#keeper = new LogKeeper(this.#journal, logState, recovered);
    const shards = Array.from({ length: count }, (_, shard) => shard);
    this.#toShards = shards.map((shard) =>
      this.#link<ToShard>((message) => this.#tellShard(shard, message), `shard ${shard}`),
    );
    this.#fromBuffer = shards.map((shard) =>
      this.#link<ToShard>((message) => this.#tellShard(shard, message), `shard ${shard}`),
    );
    this.#toBuffer = this.#link<LogNotice | HistoryFileNotice>((notice) => this.buffer.receive(notice), 'buffer');
    this.#toCollector = this.#linkToCollector();
    this.#makeBuffer();
    for (const shard of shards) this.#makeShard(shard);
    this.checker = new ClientsChecker({
      clients: this.clientTable,
      logState,
      clock,
      collector: this.#linkToCollector(),
      shards: shards.map((shard) =>
        this.#link<FanoutCommand>((command) => this.#tellShard(shard, command), `shard ${shard}`),
      ),
    });
    this.#makeCollector();
  }

  #makeBuffer(anew?: readonly SharedArrayBuffer[]): void {
    const { history, limits } = this.#options;
    const { logState, clock, counters } = this;
    this.buffer = new HistoryBuffer({
      logState,
      clock,
      counters: counters.writer,
      headSeq: anew ? this.#keeper.oldestFirstSeq - 1 : this.#recovered.headSeq,
      limits: { ...UNBOUNDED, ...limits, ...(history ? { events: 0 } : {}) },
      files:
        history &&
        new HistoryFiles({
          disk: history.disk,
          crc32,
          limits: history.limits,
          files: anew ? headsOf(history.disk, crc32) : this.#recovered.files,
          onCorrupt: (length) => counters.writer.add('historyCorrupt', length),
        }),
      scans: undefined,
      defer: this.#tasks('buffer'),
      epochs: new Epochs(this.#mainEpochs.spans),
      kept: { events: (history ? history.limits.events : limits?.events) ?? 0 },
    });
    for (const memory of anew ?? []) this.buffer.receive({ type: 'segment-opened', memory });
  }

  #makeShard(shard: number, anew?: readonly SharedArrayBuffer[]): void {
    const { clients, maxLagBytes = 0 } = this.#options;
    const { logState, clock, counters } = this;
    const epochs = new Epochs(this.#mainEpochs.spans);
    this.#lives += 1;
    this.shardEpochs[shard] = epochs;
    this.shards[shard] = new Fanout({
      shard,
      life: this.#lives,
      epochs,
      headSeq: anew ? this.#keeper.newestFirstSeq - 1 : this.#recovered.headSeq,
      logState,
      clients: this.clientTable,
      counters: counters.writer,
      clock,
      defer: this.#tasks(`shard ${shard}`),
      later: this.#later(`shard ${shard}`),
      maxDelayMs: 1,
      closeEvents: 4,
      limits: { clients: 0, replays: 0, ...clients },
      maxLagBytes,
      makeEncoder: (format) => makeEncoder(format, epochs),
      allocate: () => (byteLength) => new Uint8Array(byteLength),
      redactor: new Redactor(),
      collector: this.#link<CollectorRequest | CollectorCommand>(
        (message) =>
          this.#life.turn(() => {
            if (message.type === 'resolve-container' || message.type === 'list-containers')
              this.#toShards[shard]!.post(this.collector.answer(message));
            else this.collector.receive(message);
          }),
        'collector',
      ),
      buffer: this.#link<BufferRequest>((request) => this.buffer.answer(request, this.#fromBuffer[shard]!), 'buffer'),
      main: this.main,
    });
    for (const memory of anew ?? []) this.shards[shard].receive({ type: 'segment-opened', memory });
  }

  #makeCollector(isAnew = false): void {
    const lastSegment = isAnew ? this.#keeper.segments.at(-1) : undefined;
    const { history, segmentBytes = 64 * 1024, toPublisher } = this.#options;
    const life = new Life();
    this.#life = life;
    const epochs = new Epochs(this.#mainEpochs.spans);
    const witness: Outbox<LogNotice> = {
      post: (notice) => {
        if (notice.type === 'segment-opened') this.#witness.open(notice.memory);
        // What is shown behind it belongs to it.
        if (notice.type === 'epoch-began') this.#epochs.begin(notice.span);
      },
    };
    const publisher = toPublisher ? (this.#mainPublisher ??= this.link(toPublisher)) : this.publisher;
    const main: Outbox<HistoryNotice | KeeperNotice> = {
      post: (notice) => {
        if (notice.type === 'segment-opened' || notice.type === 'state-log-opened') this.#keeper.keep(notice);
        else this.reports.post(notice);
      },
    };
    life.turn(() => {
      this.collector = new Collector({
        ring: life.of(new IntakeRing(this.ring.words.buffer as SharedArrayBuffer)),
        published: life.of(new PublishRing(this.published.words.buffer as SharedArrayBuffer)),
        publisher: life.of({
          post: (notice: PublisherNotice) => {
            if (notice.type === 'epoch-began') this.#mainEpochs.begin(notice.span);
            publisher.post(notice);
          },
        }),
        logState: life.of(this.logState),
        readers: [this.#toBuffer, ...this.#toShards, witness].map((reader) => life.of(reader)),
        bufferEvery: 1,
        monitored: { post: () => {} },
        counters: life.of(this.counters.writer),
        clock: this.clock,
        defer: this.#tasks('collector', life),
        later: this.#later('collector', life),
        main: life.of(main),
        epochs,
        journal: life.of(this.#journal),
        lastSegment,
        known: this.#keeper.known(),
        openHistory:
          history &&
          ((snapshot) => {
            const durable = openHistory(
              { ...history, disk: life.of(history.disk) },
              {
                epochs,
                last: this.#journal.position,
                inherited: isAnew ? { safeBefore: this.#journal.position.safeBefore } : undefined,
                snapshot,
                nowSec: () => this.clock.now().sec,
                opened: (file) => life.of(this.#toBuffer).post({ type: 'history-file-opened', file }),
                secured: (firstSeq) => life.of(this.#toBuffer).post({ type: 'history-file-secured', firstSeq }),
              },
            );
            return { ...durable, writer: life.of(durable.writer) };
          }),
        segmentBytes,
        unknownContainers: 'pass',
      });
    });
  }

  // Deaths

  /** How many segments main keeps. */
  get segmentsKept(): number {
    this.#keeper.tidy();
    return this.#keeper.segments.length;
  }

  get isCollectorDead(): boolean {
    return this.#life.isDead;
  }

  /** It dies in the midst of something, some time: with the `uses`-th use of what it was given. */
  armCollector(uses: number): void {
    this.#life.arm(uses);
  }

  /** What was on its way to it is lost, what it has said is not; the others ask it again. */
  restartCollector(): void {
    this.#life.isDead = true;
    this.#bury('collector');
    this.#keeper.finishCommit();
    this.look();
    for (const shard of this.shards) shard.askAgain('collector');
    this.#makeCollector(true);
    for (const { ring, publisher } of this.#intakes) this.#life.turn(() => this.#openIntake(ring, publisher));
    this.wakeCollector();
  }

  restartBuffer(): void {
    this.#bury('buffer');
    this.#life.turn(() => this.collector.introduce(this.#toBuffer));
    this.#makeBuffer(this.#keeper.segments);
    for (const shard of this.shards) shard.askAgain('buffer');
  }

  /** Its clients are cut off. */
  restartShard(shard: number): void {
    this.#bury(`shard ${shard}`);
    this.clientTable.clear(shard);
    this.logState.clients.clear(shard);
    this.logState.replays.clear(shard);
    this.#life.turn(() => this.collector.introduce(this.#toShards[shard]!));
    this.#makeShard(shard, this.#keeper.segments.slice(-1));
  }

  #bury(actor: string): void {
    for (const { queue } of this.#to.get(actor) ?? []) queue.length = 0;
    for (let index = this.#timers.length - 1; index >= 0; index -= 1)
      if (this.#timers[index]!.of === actor) this.#timers.splice(index, 1);
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
    this.#settle();
    this.collector.receive({ type: 'seal' });
  }

  /** As main does before the end: whoever is dead begins anew, and nobody dies any more. */
  #settle(): void {
    if (this.isCollectorDead) this.restartCollector();
    this.#life.disarm();
  }

  /** An engine describes a container; where the collector is dead, it does so again. */
  describe(id: string, spec: ContainerSpec): void {
    this.#settle();
    this.collector.putContainer(id, spec);
  }

  /** Everything is numbered, then the log is closed. */
  seal(): void {
    this.#toCollector.post({ type: 'seal' });
  }

  /** Lets one message arrive or one task run. @param pick chooses among so many */
  async step(pick: (count: number) => number = () => 0): Promise<boolean> {
    const waiting = this.#links.filter(({ queue }) => queue.length > 0);
    const also = [...this.#alsoReady(), ...(this.isCollectorDead ? [() => this.restartCollector()] : [])];
    const count = waiting.length + also.length + this.#timers.length;
    if (count === 0) return false;
    const picked = pick(count);
    if (picked < waiting.length) waiting[picked]!.queue.shift()!();
    else if (picked < waiting.length + also.length) also[picked - waiting.length]!();
    else this.#timers.splice(picked - waiting.length - also.length, 1)[0]!.run();
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
    this.#intakes.push({ ring, publisher });
    this.#life.turn(() => this.#openIntake(ring, publisher));
    return this.#linkToCollector();
  }

  #openIntake(ring: PublishRing, publisher: Outbox<PublisherNotice>): void {
    const own = new PublishRing(ring.words.buffer as SharedArrayBuffer);
    this.collector.openIntake(this.#life.of(own), this.#life.of(publisher));
  }

  #linkToCollector(): Outbox<CollectorCommand> {
    return this.#link((command) => this.#life.turn(() => this.collector.receive(command)), 'collector');
  }

  /** Tells the collector what waits in a ring. */
  wakeCollector(): void {
    this.#toCollector.post({ type: 'records-available' });
  }

  #tellShard(shard: number, message: ToShard): void {
    this.shards[shard]!.receive(message);
  }

  /** Tasks that an actor has put off: one after the other, as messages that it sends itself. */
  #tasks(of: string, life?: Life): (task: () => void) => void {
    const queue: (() => void)[] = [];
    this.#register({ queue }, of);
    return (task) => void queue.push(life ? () => life.turn(task) : task);
  }

  #later(of: string, life?: Life): (ms: number, task: () => void) => void {
    return (_, task) => {
      if (!life?.isDead) this.#timers.push({ of, run: life ? () => life.turn(task) : task });
    };
  }

  /** @param to whose death takes with it what is on its way */
  #link<Message>(deliver: (message: Message) => void, to = 'nobody'): Outbox<Message> {
    const queue: (() => void)[] = [];
    this.#register({ queue }, to);
    return { post: (message) => void queue.push(() => deliver(message)) };
  }

  #register(link: Link, to: string): void {
    this.#links.push(link);
    this.#to.set(to, [...(this.#to.get(to) ?? []), link]);
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
    readonly inherited: { readonly safeBefore: number } | undefined;
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
const PROMISE_TURNS = 24;

/** Everything that promises have been waiting for has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < PROMISE_TURNS; turn += 1) await Promise.resolve();
}
