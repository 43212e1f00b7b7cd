import { BUILT_IN_ATTRIBUTES } from '../codec/format-record.ts';
import { describeContainer } from '../event/container-table.ts';
import type { Epochs, EpochSpan } from '../event/epochs.ts';
import { assertNever, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, ContainerSpec } from '../event/event.ts';
import type { Recovered } from '../history/recovery.ts';
import type { SavedState } from '../history/saved-state.ts';
import type {
  CollectorCommand,
  CollectorReply,
  CollectorRequest,
  ContainerResolved,
  HistoryNotice,
  KeeperNotice,
  LogNotice,
  ResolveContainer,
} from '../messages/collector.ts';
import type { CommitJournal } from '../messages/commit-journal.ts';
import type { Counters } from '../messages/counters.ts';
import type { IntakeRing } from '../messages/intake-ring.ts';
import type { LogState } from '../messages/log-state.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { Clock, Defer, Later, Outbox } from './actor.ts';
import { EngineContainers } from './engine-containers.ts';
import { EventAppender } from './event-appender.ts';
import type { IntakeProgress } from './intake-progress.ts';
import type { IntakeTally } from './intake-tally.ts';
import { KnownState } from './known-state.ts';
import { LogReaders } from './log-readers.ts';
import { type DurableHistory, LogTail } from './log-tail.ts';
import { LogTime } from './log-time.ts';
import { PublishIntake } from './publish-intake.ts';
import { RecordIntake } from './record-intake.ts';
import { RecordObjects } from './record-objects.ts';

/** Records taken from one intake before the next gets its turn. */
const TURN = 256;
/** Turns of every intake before messages get theirs, and what was taken becomes a batch. */
const TURNS_PER_BATCH = 4;
/** Threads that publish through a ring of their own, besides main and what reads engines. */
const MAX_CONNECTED = 64;

/**
 * The `collector`: takes records from the intakes in turn, gives each its object's attributes, its time and its number, and
 * appends it to the log. A batch is committed with one store and announced to the readers that sleep.
 */
export class Collector {
  readonly #env: CollectorEnv;
  readonly #known: KnownState;
  readonly #time: LogTime;
  /** The last commit of the collector before this one: behind it nothing that is written down in a ring has come true. */
  readonly #goesOnBehind: number;
  readonly #records: RecordIntake;
  readonly #appender: EventAppender;
  readonly #accept = (bytes: Uint8Array, at: number): void => this.#appender.appendRecord(bytes, at);
  readonly #engineContainers: EngineContainers;
  readonly #intakes = new Set<PublishIntake>();
  /** Those of threads that have connected and are there. */
  readonly #connected = new Set<PublishIntake>();
  /** Intakes whose publisher is gone. */
  readonly #leaving = new Set<PublishIntake>();
  readonly #main: PublishIntake;
  readonly #tail: LogTail;
  readonly #readers: LogReaders;
  /** More work is due without a wake-up. */
  #working = false;
  #sealing = false;
  #sealed = false;
  #importing = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(env: CollectorEnv) {
    this.#env = env;
    this.#time = new LogTime(env.clock, env.counters);
    const { logState, journal, epochs, counters, readers } = env;
    const { position } = journal;
    this.#known = new KnownState(env.known, position.headSeq);
    this.#engineContainers = new EngineContainers(this.#known.containers, counters);
    this.#time.restore(position);
    this.#readers = new LogReaders(readers, logState, env.bufferEvery);
    this.#tail = new LogTail({
      logState,
      epochs,
      counters,
      readers,
      journal,
      lastSegment: env.lastSegment,
      keeper: env.main,
      snapshot: () => this.#known.saved(),
      segmentBytes: env.segmentBytes,
      later: env.later,
      elapsedMs: () => env.clock.elapsedMs(),
      history: env.openHistory?.(() => this.#known.saved()),
      moved: () => this.#onMoved(),
      epochBegan: (span) => this.#onEpoch(span),
      failed: (error) => env.main.post({ type: 'history-failed', error: error.toData() }),
      recovered: () => {
        env.main.post({ type: 'history-recovered' });
        this.#wake();
      },
      slow: (ms) => env.main.post({ type: 'history-slow', ms }),
    });
    this.#goesOnBehind = journal.number;
    this.#records = new RecordIntake(env.ring, env.monitored, this.#goesOnBehind);
    this.#appender = new EventAppender({
      tail: this.#tail,
      time: this.#time,
      table: this.#known.containers,
      objects: new RecordObjects(this.#known.containers, env.ring.words, env.unknownContainers),
      counters,
      commit: () => this.#commit(),
    });
    if (env.lastSegment) this.#records.greet();
    this.#main = this.openIntake(env.published, env.publisher);
    this.#work();
  }

  /** What has come in since the actor began. */
  get intake(): IntakeTally {
    return this.#appender.intake;
  }

  /** A reader that has begun anew knows nothing. */
  introduce(reader: Outbox<LogNotice>): void {
    this.#tail.introduce(reader);
    if (this.#sealed) this.#tail.after(() => reader.post({ type: 'sealed', seq: this.#tail.nextSeq - 1 }));
  }

  /** Somebody who hands over records has begun anew: what was to be said to the one before, and by that one, is made up for. */
  greet(): void {
    this.#records.greet();
    for (const intake of this.#intakes) this.#greet(intake);
    this.#wake();
  }

  receive(command: CollectorCommand): void {
    switch (command.type) {
      case 'records-available':
        return this.#wake();
      case 'prompt-time-mark':
        return this.#markTime();
      case 'seal':
        this.#sealing = true;
        return this.#wake();
      default:
        return assertNever(command);
    }
  }

  /** A shard asks; the answer goes back to that shard. */
  answer(request: ResolveContainer): ContainerResolved;
  answer(request: CollectorRequest): CollectorReply;
  answer(request: CollectorRequest): CollectorReply {
    return this.#known.answer(request);
  }

  putContainer(id: string, spec: ContainerSpec): ContainerInfo {
    const container = this.#known.containers.put(id, spec);
    const shadowed = Object.keys(container.spec.labels ?? {}).filter((key) => BUILT_IN_ATTRIBUTES.has(key));
    this.#env.counters.add('attributesShadowed', shadowed.length);
    this.#wake();
    return describeContainer(container);
  }

  removeContainer(id: string): boolean {
    const isRemoved = this.#known.containers.remove(id);
    this.#wake();
    return isRemoved;
  }

  /** Resolves when what has been said so far about containers cannot be forgotten any more. */
  committed(): Promise<void> {
    if (!this.#sealed) this.#commit();
    return new Promise((resolve) => this.#tail.after(resolve));
  }

  containers(): readonly ContainerInfo[] {
    return this.#known.containers.list();
  }

  /** A thread connects: one more publisher, until `closeIntake`. @throws ERR_PIPELINE_CLOSED, ERR_CLIENTS_EXHAUSTED */
  connectIntake(ring: PublishRing, publisher: Outbox<PublisherNotice>): PublishIntake {
    if (this.#connected.size === MAX_CONNECTED)
      throw new TocsinError('ERR_CLIENTS_EXHAUSTED', `there are ${MAX_CONNECTED} connected publishers, the limit`);
    const intake = this.openIntake(ring, publisher);
    this.#connected.add(intake);
    return intake;
  }

  /** One more publisher with a ring of its own. @throws ERR_PIPELINE_CLOSED */
  openIntake(ring: PublishRing, publisher: Outbox<PublisherNotice>): PublishIntake {
    if (this.#sealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
    const intake = new PublishIntake(ring, publisher, {
      table: this.#known.publishers,
      sources: this.#known.sources,
      containers: this.#engineContainers,
      counters: this.#env.counters,
      commit: this.#goesOnBehind,
    });
    this.#intakes.add(intake);
    // What a collector before this one had not come to say.
    if (this.#env.lastSegment) this.#greet(intake);
    // Its publisher wakes nobody who has not said that he sleeps.
    this.#wake();
    return intake;
  }

  #greet(intake: PublishIntake): void {
    for (const span of this.#env.epochs.spans) intake.post({ type: 'epoch-began', span });
    intake.greet();
  }

  /** The publisher is gone: what it has offered is still taken, nothing more. */
  closeIntake(intake: PublishIntake): void {
    intake.close();
    this.#connected.delete(intake);
    this.#leaving.add(intake);
    this.#wake();
  }

  /**
   * From now on only main's publisher is heard, and its events keep their times; everyone else waits.
   * @throws ERR_LOG_NOT_EMPTY
   */
  beginImport(): void {
    const { nextSeq } = this.#tail;
    if (nextSeq > 1 || this.#importing || !this.#main.isEmpty)
      throw new TocsinError('ERR_LOG_NOT_EMPTY', `the log has events already, ${nextSeq - 1} of them`);
    this.#importing = true;
    this.#time.beginImport();
    // Whatever mark was given before says nothing about the times to come.
    this.#readers.tell({ type: 'time-mark', sec: 0, nanos: 0, seq: 0 });
  }

  endImport(): void {
    this.#importing = false;
    this.#time.endImport();
    this.#wake();
  }

  #wake(): void {
    if (!this.#working) this.#work();
  }

  /** Takes what is there; comes back by itself while there is more, sleeps on all intakes once there is not. */
  #work(): void {
    if (this.#sealed) return;
    this.#working = false;
    // It comes back when the disk does.
    if (this.#tail.isStalled) return;
    this.#time.beginBatch();
    for (let turn = 0; turn < TURNS_PER_BATCH; turn += 1) {
      let records = this.#importing ? 0 : this.#records.take(TURN, this.#accept);
      for (const intake of this.#heard()) records += intake.take(TURN, this.#appender);
      if (records === 0) break;
    }
    this.#commit();
    this.#dropLeft();
    const isIdle = this.#sleep();
    if (isIdle || this.#readers.isDue) this.#readers.announce();
    if (!isIdle) {
      this.#working = true;
      return this.#env.defer(() => this.#work());
    }
    if (this.#sealing && !this.#importing) this.#seal();
  }

  /** Asks every intake for a wake-up. @returns false when there is something to take after all */
  #sleep(): boolean {
    if (!this.#importing && !this.#records.sleepUntilRecords()) return false;
    for (const intake of this.#heard()) if (!intake.sleepUntilRecords()) return false;
    return true;
  }

  #heard(): Iterable<PublishIntake> {
    return this.#importing ? [this.#main] : this.#intakes;
  }

  #dropLeft(): void {
    for (const intake of this.#leaving) {
      if (!intake.isEmpty) continue;
      this.#leaving.delete(intake);
      this.#intakes.delete(intake);
    }
  }

  /** Everything taken so far becomes a batch; who waits for an answer gets it when that is in the log for good. */
  #commit(): void {
    const state: SavedState[] = [];
    const progress: IntakeProgress[] = [];
    for (const intake of this.#intakes) {
      for (const publisher of intake.takePublishers()) state.push({ publisher });
      const taken = intake.takeProgress();
      if (taken) progress.push(taken);
    }
    const taken = this.#records.takeProgress();
    if (taken) progress.push(taken);
    for (const saved of this.#known.takeUnsaved()) state.push(saved);
    this.#tail.commit(this.#time, state, progress);
    this.#appender.countRepairs();
    this.#known.expire(this.#env.logState.oldestSeq);
  }

  /** Batches that the disk kept waiting can be seen, or intake can go on. */
  #onMoved(): void {
    this.#readers.announce();
    this.#wake();
  }

  #onEpoch(span: EpochSpan): void {
    for (const intake of this.#intakes) intake.post({ type: 'epoch-began', span });
  }

  #markTime(): void {
    // Times of what is being imported may lie before any moment that could be promised now.
    if (this.#sealed || this.#importing) return;
    const { sec, nanos } = this.#time.mark();
    this.#env.counters.add('timeMarks');
    const seq = this.#tail.nextSeq - 1;
    this.#tail.after(() => {
      this.#tail.promise({ sec, nanos });
      this.#readers.tell({ type: 'time-mark', sec, nanos, seq });
    });
  }

  /** Publishers are refused first, then heard for a last time: what any of them was told is accepted is in the log. */
  #seal(): void {
    for (const intake of this.#intakes) intake.close();
    for (const intake of this.#intakes) while (intake.take(TURN, this.#appender) > 0) this.#commit();
    this.#sealed = true;
    const seq = this.#tail.nextSeq - 1;
    this.#tail.after(() => {
      this.#readers.tell({ type: 'sealed', seq });
      this.#closing = this.#tail.close();
    });
  }

  /** Resolves when the history is complete on disk; at once when the log was not sealed. */
  closed(): Promise<void> {
    return this.#closing;
  }
}

export interface CollectorEnv {
  readonly ring: IntakeRing;
  /** Main's own publish ring, and main. */
  readonly published: PublishRing;
  readonly publisher: Outbox<PublisherNotice>;
  readonly logState: LogState;
  /** Index = word in LOG_STATE.ASLEEP: the buffer first, then the shards. */
  readonly readers: readonly Outbox<LogNotice>[];
  /** The buffer is told of new events each time there are so many: it is in no hurry, and looks when it is asked something. */
  readonly bufferEvery: number;
  readonly monitored: Outbox<MonitoredCommand>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly later: Later;
  readonly main: Outbox<HistoryNotice | KeeperNotice>;
  readonly epochs: Epochs;
  readonly journal: CommitJournal;
  /** The newest segment, when an earlier collector wrote it. */
  readonly lastSegment: SharedArrayBuffer | undefined;
  /** What the log knows where it goes on, besides events. */
  readonly known: Pick<Recovered, 'containers' | 'publishers' | 'sources'>;
  /** Opens the history on disk, if there is to be one. */
  readonly openHistory: ((snapshot: () => Iterable<SavedState>) => DurableHistory) | undefined;
  readonly segmentBytes: number;
  readonly unknownContainers: 'pass' | 'drop';
}
