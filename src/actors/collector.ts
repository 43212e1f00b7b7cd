import { BUILT_IN_ATTRIBUTES, type Origin, RecordFormatter } from '../codec/format-record.ts';
import { readInt32 } from '../codec/monitor-record.ts';
import { BUILT_IN_SCAN } from '../codec/secret-scan.ts';
import { type Container, ContainerTable, describeContainer } from '../event/container-table.ts';
import type { Epochs, EpochSpan } from '../event/epochs.ts';
import { asTocsinError, assertNever, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, ContainerSpec, Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';
import { EXIT_CODE_UNKNOWN, STATE_START, STATE_STOPPED } from '../event/operators.ts';
import { PublisherTable } from '../event/publisher-table.ts';
import { SourceTable } from '../event/source-table.ts';
import type { Recovered } from '../history/recovery.ts';
import type { SavedState } from '../history/saved-state.ts';
import type {
  CollectorCommand,
  CollectorReply,
  CollectorRequest,
  ContainerResolved,
  HistoryNotice,
  LogNotice,
  ResolveContainer,
} from '../messages/collector.ts';
import type { Counters } from '../messages/counters.ts';
import type { IntakeRing } from '../messages/intake-ring.ts';
import {
  EVENT,
  FLAG_NO_SECRET,
  FLAG_REPEATS,
  FLAG_REPLACED_UTF8,
  MONITOR,
  MONITOR_EVENT_CONTAINER,
  MONITOR_TYPE_STATE,
} from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { Clock, Defer, Later, Outbox } from './actor.ts';
import { containerLimit } from './container-limit.ts';
import { EngineContainers } from './engine-containers.ts';
import { HealthWatch } from './health-watch.ts';
import { IntakeTally } from './intake-tally.ts';
import { LogReaders } from './log-readers.ts';
import { type DurableHistory, LogTail } from './log-tail.ts';
import { LogTime } from './log-time.ts';
import { type Appender, PublishIntake } from './publish-intake.ts';
import { RecordObjects } from './record-objects.ts';

/** Records taken from one intake before the other gets its turn. */
const TURN = 256;
/** Turns of both intakes before messages get theirs; also the most that one commit makes visible. */
const TURNS_PER_BATCH = 4;
/** Containers are looked over for forgetting each time the history has moved on this far. */
const EXPIRE_EVERY = 16_384;

/** Publishers with a ring of their own. */
const MAX_INTAKES = 64;
/** Named publishers whose retries are recognised. */
const KNOWN_PUBLISHERS = 10_000;

/**
 * The `collector`: takes records from the intakes in turn, gives each its object's attributes, its time and its number, and
 * appends it to the log. A batch is committed with one store and announced to the readers that sleep.
 */
export class Collector implements Appender {
  readonly #env: CollectorEnv;
  readonly #table = new ContainerTable();
  readonly #formatter = new RecordFormatter();
  readonly #time: LogTime;
  readonly #objects: RecordObjects;
  readonly #health = new HealthWatch();
  /** What has come in since the actor began. */
  readonly intake = new IntakeTally();
  readonly #publishers = new PublisherTable(KNOWN_PUBLISHERS);
  readonly #sources = new SourceTable();
  readonly #engineContainers: EngineContainers;
  readonly #intakes = new Set<PublishIntake>();
  /** Intakes whose publisher is gone. */
  readonly #leaving = new Set<PublishIntake>();
  readonly #main: PublishIntake;
  readonly #tail: LogTail;
  readonly #readers: LogReaders;
  #expiredAt = 0;
  /** Events of unknown containers in this batch. */
  #unknown = 0;
  /** More work is due without a wake-up. */
  #working = false;
  #sealing = false;
  #sealed = false;
  #importing = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(env: CollectorEnv) {
    this.#env = env;
    this.#time = new LogTime(env.clock, env.counters);
    this.#engineContainers = new EngineContainers(this.#table, env.counters);
    this.#objects = new RecordObjects(this.#table, env.ring.words, env.unknownContainers);
    const { recovered, logState, epochs, counters, readers } = env;
    this.#table.restore(recovered.containers, recovered.headSeq);
    this.#publishers.restore(recovered.publishers);
    this.#sources.restore(recovered.sources);
    this.#time.restore(recovered.time);
    this.#readers = new LogReaders(readers, logState, env.bufferEvery);
    this.#tail = new LogTail({
      logState,
      epochs,
      counters,
      readers,
      headSeq: recovered.headSeq,
      segmentBytes: env.segmentBytes,
      later: env.later,
      elapsedMs: () => env.clock.elapsedMs(),
      history: env.openHistory?.(() => this.#saved()),
      moved: () => this.#onMoved(),
      epochBegan: (span) => this.#onEpoch(span),
      failed: (error) => env.main.post({ type: 'history-failed', error: error.toData() }),
      recovered: () => {
        env.main.post({ type: 'history-recovered' });
        this.#wake();
      },
      slow: (ms) => env.main.post({ type: 'history-slow', ms }),
    });
    this.#main = this.openIntake(env.published, env.publisher);
    this.#work();
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
    const { requestId } = request;
    switch (request.type) {
      case 'resolve-container':
        return { type: 'container-resolved', requestId, ...this.#resolve(request) };
      case 'list-containers':
        return {
          type: 'containers-listed',
          requestId,
          containers: this.#containersWithin(request.limit)
            .list()
            .filter(({ known, removed }) => known && !removed),
        };
      default:
        return assertNever(request);
    }
  }

  #resolve({ name, limit }: ResolveContainer): Pick<ContainerResolved, 'id' | 'error'> {
    try {
      return { id: this.#containersWithin(limit).resolve(name).id };
    } catch (error) {
      return { error: asTocsinError(error).toData() };
    }
  }

  /** Whoever is limited finds, and is told of, what a table without the others would have. */
  #containersWithin(limit: readonly Term[] = []): ContainerTable {
    return limit.length === 0 ? this.#table : this.#table.within(containerLimit(limit));
  }

  putContainer(id: string, spec: ContainerSpec): ContainerInfo {
    const container = this.#table.put(id, spec);
    const shadowed = Object.keys(container.spec.labels ?? {}).filter((key) => BUILT_IN_ATTRIBUTES.has(key));
    this.#env.counters.add('attributesShadowed', shadowed.length);
    this.#wake();
    return describeContainer(container);
  }

  removeContainer(id: string): boolean {
    const isRemoved = this.#table.remove(id);
    this.#wake();
    return isRemoved;
  }

  containers(): readonly ContainerInfo[] {
    return this.#table.list();
  }

  /** One more publisher with a ring of its own. @throws ERR_PIPELINE_CLOSED, ERR_CLIENTS_EXHAUSTED */
  openIntake(ring: PublishRing, publisher: Outbox<PublisherNotice>): PublishIntake {
    if (this.#sealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
    if (this.#intakes.size === MAX_INTAKES)
      throw new TocsinError('ERR_CLIENTS_EXHAUSTED', `there are ${MAX_INTAKES} connected publishers, the limit`);
    const intake = new PublishIntake(ring, publisher, {
      table: this.#publishers,
      sources: this.#sources,
      containers: this.#engineContainers,
      counters: this.#env.counters,
    });
    this.#intakes.add(intake);
    // Its publisher wakes nobody who has not said that he sleeps.
    this.#wake();
    return intake;
  }

  /** The publisher is gone: what it has offered is still taken, nothing more. */
  closeIntake(intake: PublishIntake): void {
    intake.close();
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

  /** Takes what is there; comes back by itself while there is more, sleeps on both intakes once there is not. */
  #work(): void {
    if (this.#sealed) return;
    this.#working = false;
    // It comes back when the disk does.
    if (this.#tail.isStalled) return;
    this.#time.beginBatch();
    for (let turn = 0; turn < TURNS_PER_BATCH; turn += 1) {
      let records = this.#importing ? 0 : this.#takeRecords();
      for (const intake of this.#heard()) records += intake.take(TURN, this);
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
    if (!this.#importing && !this.#env.ring.sleepUntilRecords()) return false;
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

  #takeRecords(): number {
    const { ring } = this.#env;
    const count = Math.min(TURN, ring.available);
    for (let index = 0; index < count; index += 1) this.#format(ring.bytes, ring.slotAt(index));
    if (count > 0 && ring.release(count)) this.#env.monitored.post({ type: 'slots-freed' });
    return count;
  }

  #format(record: Uint8Array, at: number): void {
    if (readInt32(record, at + MONITOR.TYPE) !== MONITOR_TYPE_STATE) return this.#env.counters.add('recordsIgnored');
    const isContainer = readInt32(record, at + MONITOR.EVENT_TYPE) === MONITOR_EVENT_CONTAINER;
    const state = readInt32(record, at + MONITOR.VALUE);
    if (!isContainer) {
      this.intake.addRecord(true, state);
      return this.#appendRecord(record, at, this.#objects.image(record, at));
    }
    const object = this.#objects.container(record, at);
    if (!object) return this.#env.counters.add('unknownDropped');
    const { container } = object;
    if (!container.known) this.#unknown += 1;
    this.intake.addRecord(false, state);
    // iSulad sends START when the new run has begun: the last run's exit code is no longer shown.
    if (state === STATE_START) this.#table.started(container);
    container.lastSeq = this.#tail.nextSeq;
    this.#appendRecord(record, at, this.#objects.originOf(object));
    if (state === STATE_STOPPED) this.#stopped(container, record, at);
  }

  #appendRecord(record: Uint8Array, at: number, origin: Origin): void {
    const tail = this.#tail;
    this.#makeRoom(origin.maxRecordBytes);
    this.#time.next();
    const { sec, nanos } = this.#time;
    tail.pos = this.#formatter.format(tail.segment.view, tail.pos, record, at, origin, tail.nextSeq, sec, nanos);
    tail.nextSeq += 1;
  }

  #stopped(container: Container, record: Uint8Array, at: number): void {
    const exitCode = readInt32(record, at + MONITOR.EXIT_CODE);
    const pid = Math.max(0, readInt32(record, at + MONITOR.PID));
    const applied = this.#table.stopped(container, pid, exitCode >= 0 ? exitCode : EXIT_CODE_UNKNOWN);
    if (!applied) this.#env.counters.add('staleStops');
  }

  /** Of a publisher's ring (see `Appender`). */
  append(published: PublishRing, at: number, length: number): number {
    const tail = this.#tail;
    this.#makeRoom(length);
    const { view } = tail.segment;
    const { bytes, words } = view;
    bytes.set(published.bytes.subarray(at, at + length), tail.pos);
    const word = tail.pos >> 2;
    if (bytes[tail.pos + EVENT.FLAGS]! & FLAG_REPLACED_UTF8) this.#formatter.utf8Replaced += 1;
    const source = EVENT.SOURCE_SEC >> 2;
    const wanted: Timestamp = { sec: words[word + source]! >>> 0, nanos: words[word + source + 1]! };
    if (this.#time.next(wanted)) {
      // The event has its own time: nothing to remember beside it.
      words[word + source] = 0;
      words[word + source + 1] = 0;
    }
    words[word + (EVENT.TIME_SEC >> 2)] = this.#time.sec;
    words[word + (EVENT.TIME_NANOS >> 2)] = this.#time.nanos;
    words[word + (EVENT.SEQ_LOW >> 2)] = tail.nextSeq | 0;
    words[word + (EVENT.SEQ_HIGH >> 2)] = Math.floor(tail.nextSeq / 0x100000000);
    view.at = tail.pos;
    this.intake.addEvent(view);
    if (this.#health.repeats(view)) bytes[tail.pos + EVENT.FLAGS]! |= FLAG_REPEATS;
    if (!BUILT_IN_SCAN.finds(view)) bytes[tail.pos + EVENT.FLAGS]! |= FLAG_NO_SECRET;
    tail.pos += length;
    tail.nextSeq += 1;
    return tail.nextSeq - 1;
  }

  #makeRoom(recordBytes: number): void {
    const tail = this.#tail;
    if (tail.pos + recordBytes <= tail.segment.byteLength) return;
    this.#commit();
    tail.openSegment();
  }

  /** Everything taken so far becomes a batch; who waits for an answer gets it when that is in the log for good. */
  #commit(): void {
    const { logState } = this.#env;
    const state: SavedState[] = this.#table.takeUnsaved().map((container) => ({ container }));
    for (const intake of this.#intakes) for (const publisher of intake.takeProgress()) state.push({ publisher });
    for (const source of this.#sources.takeUnsaved()) state.push({ source });
    this.#tail.commit(this.#time, state);
    this.#countRepairs();
    for (const intake of this.#intakes) {
      const answers = intake.takeAnswers();
      if (answers.length > 0) this.#tail.after(() => intake.post(answers));
    }
    if (logState.oldestSeq - this.#expiredAt >= EXPIRE_EVERY) {
      this.#expiredAt = logState.oldestSeq;
      this.#table.expire(logState.oldestSeq);
    }
  }

  /** Batches that the disk kept waiting can be seen, or intake can go on. */
  #onMoved(): void {
    this.#readers.announce();
    this.#wake();
  }

  #onEpoch(span: EpochSpan): void {
    for (const intake of this.#intakes) intake.post([{ type: 'epoch-began', span }]);
  }

  /** What the log knows besides events. */
  *#saved(): IterableIterator<SavedState> {
    for (const container of this.#table.saved()) yield { container };
    for (const publisher of this.#publishers.saved()) yield { publisher };
    for (const source of this.#sources.saved()) yield { source };
  }

  #countRepairs(): void {
    const { counters } = this.#env;
    const formatter = this.#formatter;
    if (this.#unknown > 0) counters.add('unknownContainers', this.#unknown);
    this.#unknown = 0;
    if (formatter.extraDropped > 0) counters.add('extraDropped', formatter.extraDropped);
    if (formatter.attributesShadowed > 0) counters.add('attributesShadowed', formatter.attributesShadowed);
    if (formatter.utf8Replaced > 0) counters.add('utf8Replaced', formatter.utf8Replaced);
    formatter.extraDropped = 0;
    formatter.attributesShadowed = 0;
    formatter.utf8Replaced = 0;
  }

  #markTime(): void {
    // Times of what is being imported may lie before any moment that could be promised now.
    if (this.#sealed || this.#importing) return;
    const { sec, nanos } = this.#time.mark();
    this.#env.counters.add('timeMarks');
    const seq = this.#tail.nextSeq - 1;
    this.#tail.after(() => this.#readers.tell({ type: 'time-mark', sec, nanos, seq }));
  }

  /** Publishers are refused first, then heard for a last time: what any of them was told is accepted is in the log. */
  #seal(): void {
    for (const intake of this.#intakes) intake.close();
    for (const intake of this.#intakes) while (intake.take(TURN, this) > 0) this.#commit();
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
  readonly main: Outbox<HistoryNotice>;
  readonly epochs: Epochs;
  /** What an earlier process left. */
  readonly recovered: Recovered;
  /** Opens the history on disk, if there is to be one. */
  readonly openHistory: ((snapshot: () => Iterable<SavedState>) => DurableHistory) | undefined;
  readonly segmentBytes: number;
  readonly unknownContainers: 'pass' | 'drop';
}
