import { repairUtf8, textOf, utf8 } from '../codec/bytes.ts';
import { BUILT_IN_ATTRIBUTES, makeOrigin, type Origin, RecordFormatter } from '../codec/format-record.ts';
import { readInt32, textEnd } from '../codec/monitor-record.ts';
import { NameCache } from '../codec/name-cache.ts';
import { type Container, ContainerTable, describeContainer } from '../event/container-table.ts';
import { asTocsinError, assertNever } from '../event/errors.ts';
import type { ContainerInfo, ContainerSpec, Timestamp } from '../event/event.ts';
import { EXIT_CODE_UNKNOWN, STATE_START, STATE_STOPPED } from '../event/operators.ts';
import { claimWakeUp } from '../history/log-reader.ts';
import { Segment } from '../history/segment.ts';
import type { CollectorCommand, CollectorReply, CollectorRequest, LogNotice } from '../messages/collector.ts';
import type { CollectorControl } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { IntakeRing } from '../messages/intake-ring.ts';
import {
  EVENT,
  MAX_EVENT_BYTES,
  MONITOR,
  MONITOR_EVENT_CONTAINER,
  MONITOR_TYPE_STATE,
  SEGMENT,
} from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import type { Clock, Defer, Outbox } from './actor.ts';
import { LogTime } from './log-time.ts';

/** Records taken from one intake before the other gets its turn. */
const TURN = 256;
/** Turns of both intakes before messages get theirs; also the most that one commit makes visible. */
const TURNS_PER_BATCH = 4;
const CACHED_CONTAINERS = 8_192;
const CACHED_IMAGES = 256;
/** Containers are looked over for forgetting each time the history has moved on this far. */
const EXPIRE_EVERY = 16_384;

/** What a name in records leads to. */
interface RecordObject {
  readonly container: Container;
  readonly replacedUtf8: boolean;
  /** Of the container, when `origin` was packed. */
  version: number;
  origin: Origin;
}

/**
 * The `collector`: takes records from the intakes in turn, gives each its object's attributes, its time and its number, and
 * appends it to the log. A batch is committed with one store and announced to the readers that sleep.
 */
export class Collector implements CollectorControl {
  readonly #env: CollectorEnv;
  readonly #table = new ContainerTable();
  readonly #formatter = new RecordFormatter();
  readonly #time: LogTime;
  readonly #objects = new NameCache<RecordObject>(CACHED_CONTAINERS);
  readonly #images = new NameCache<Origin>(CACHED_IMAGES);
  #namesGeneration = 0;
  #segment: Segment;
  #pos: number = SEGMENT.HEADER_BYTES;
  #nextSeq = 1;
  #expiredAt = 0;
  /** Events of unknown containers in this batch. */
  #unknown = 0;
  /** More work is due without a wake-up. */
  #working = false;
  #sealing = false;
  #sealed = false;

  constructor(env: CollectorEnv) {
    this.#env = env;
    this.#time = new LogTime(env.clock, env.counters);
    this.#segment = this.#openSegment(env.segmentBytes);
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
  answer(request: CollectorRequest): CollectorReply {
    const { requestId } = request;
    try {
      return { type: 'container-resolved', requestId, id: this.#table.resolve(request.name).id };
    } catch (error) {
      return { type: 'container-resolved', requestId, error: asTocsinError(error).toData() };
    }
  }

  putContainer(id: string, spec: ContainerSpec): ContainerInfo {
    const container = this.#table.put(id, spec);
    const shadowed = Object.keys(container.spec.labels ?? {}).filter((key) => BUILT_IN_ATTRIBUTES.has(key));
    this.#env.counters.add('attributesShadowed', shadowed.length);
    return describeContainer(container);
  }

  removeContainer(id: string): boolean {
    return this.#table.remove(id);
  }

  containers(): readonly ContainerInfo[] {
    return this.#table.list();
  }

  #wake(): void {
    if (!this.#working) this.#work();
  }

  /** Takes what is there; comes back by itself while there is more, sleeps on both intakes once there is not. */
  #work(): void {
    if (this.#sealed) return;
    this.#working = false;
    let worked = false;
    this.#time.beginBatch();
    for (let turn = 0; turn < TURNS_PER_BATCH; turn += 1) {
      const records = this.#takeRecords() + this.#takePublished();
      if (records === 0) break;
      worked = true;
    }
    if (worked) this.#commit();
    const { ring, published } = this.#env;
    const isIdle = ring.sleepUntilRecords() && published.sleepUntilRecords();
    if (!isIdle) {
      this.#working = true;
      return this.#env.defer(() => this.#work());
    }
    if (this.#sealing) this.#seal();
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
    if (!isContainer) return this.#append(record, at, this.#imageOrigin(record, at));
    const object = this.#object(record, at);
    if (!object) return this.#env.counters.add('unknownDropped');
    const { container } = object;
    if (!container.known) this.#unknown += 1;
    const state = readInt32(record, at + MONITOR.VALUE);
    // iSulad sends START when the new run has begun: the last run's exit code is no longer shown.
    if (state === STATE_START) this.#table.started(container);
    if (object.version !== container.version) this.#refresh(object);
    container.lastSeq = this.#nextSeq;
    this.#append(record, at, object.origin);
    if (state === STATE_STOPPED) this.#stopped(container, record, at);
  }

  #append(record: Uint8Array, at: number, origin: Origin): void {
    this.#makeRoom(origin.maxRecordBytes);
    this.#time.next();
    const { sec, nanos } = this.#time;
    this.#pos = this.#formatter.format(this.#segment.view, this.#pos, record, at, origin, this.#nextSeq, sec, nanos);
    this.#nextSeq += 1;
  }

  /** The container that the record names; undefined when its events are to be dropped because nobody has described it. */
  #object(record: Uint8Array, at: number): RecordObject | undefined {
    if (this.#namesGeneration !== this.#table.generation) {
      this.#objects.clear();
      this.#namesGeneration = this.#table.generation;
    }
    const { words } = this.#env.ring;
    const cached = this.#objects.find(words, at);
    if (cached) return cached;
    const { name, replacedUtf8 } = nameOf(record, at);
    let container = this.#table.find(name);
    if (!container?.known && this.#env.unknownContainers === 'drop') return undefined;
    container ??= this.#table.note(name);
    const object: RecordObject = {
      container,
      replacedUtf8,
      version: container.version,
      origin: originOf(container, replacedUtf8),
    };
    this.#objects.put(words, at, object);
    return object;
  }

  #refresh(object: RecordObject): void {
    object.version = object.container.version;
    object.origin = originOf(object.container, object.replacedUtf8);
  }

  /** An image, registry or file: nothing is known about it but what the record says. */
  #imageOrigin(record: Uint8Array, at: number): Origin {
    const { words } = this.#env.ring;
    let origin = this.#images.find(words, at);
    if (!origin) {
      const { name, replacedUtf8 } = nameOf(record, at);
      origin = makeOrigin(utf8(name), { pid: 0, exitCode: 0, known: false, replacedUtf8 });
      this.#images.put(words, at, origin);
    }
    return origin;
  }

  #stopped(container: Container, record: Uint8Array, at: number): void {
    const exitCode = readInt32(record, at + MONITOR.EXIT_CODE);
    const pid = Math.max(0, readInt32(record, at + MONITOR.PID));
    const applied = this.#table.stopped(container, pid, exitCode >= 0 ? exitCode : EXIT_CODE_UNKNOWN);
    if (!applied) this.#env.counters.add('staleStops');
  }

  #takePublished(): number {
    const { published, counters } = this.#env;
    let count = 0;
    for (let at = published.peek(); at !== undefined && count < TURN; at = published.peek()) {
      const length = published.words[at >> 2]!;
      this.#makeRoom(length);
      this.#appendPublished(published, at, length);
      published.release(length);
      count += 1;
    }
    if (count > 0) counters.add('published', count);
    return count;
  }

  #appendPublished(published: PublishRing, at: number, length: number): void {
    const { bytes, words } = this.#segment.view;
    bytes.set(published.bytes.subarray(at, at + length), this.#pos);
    const word = this.#pos >> 2;
    const source = EVENT.SOURCE_SEC >> 2;
    const wanted: Timestamp = { sec: words[word + source]! >>> 0, nanos: words[word + source + 1]! };
    if (this.#time.next(wanted)) {
      // The event has its own time: nothing to remember beside it.
      words[word + source] = 0;
      words[word + source + 1] = 0;
    }
    words[word + (EVENT.TIME_SEC >> 2)] = this.#time.sec;
    words[word + (EVENT.TIME_NANOS >> 2)] = this.#time.nanos;
    words[word + (EVENT.SEQ_LOW >> 2)] = this.#nextSeq | 0;
    words[word + (EVENT.SEQ_HIGH >> 2)] = Math.floor(this.#nextSeq / 0x100000000);
    this.#pos += length;
    this.#nextSeq += 1;
  }

  #makeRoom(recordBytes: number): void {
    if (this.#pos + recordBytes <= this.#segment.byteLength) return;
    this.#commit();
    this.#segment = this.#openSegment(Math.max(this.#env.segmentBytes, SEGMENT.HEADER_BYTES + MAX_EVENT_BYTES));
    this.#pos = SEGMENT.HEADER_BYTES;
  }

  #openSegment(byteLength: number): Segment {
    const segment = Segment.create(byteLength, this.#nextSeq);
    this.#env.counters.add('segmentsOpened');
    for (const reader of this.#env.readers) reader.post({ type: 'segment-opened', memory: segment.memory });
    return segment;
  }

  #commit(): void {
    const { counters, logState, readers } = this.#env;
    const head = this.#nextSeq - 1;
    const added = head - logState.headSeq;
    if (added === 0) return;
    logState.headSeq = head;
    this.#segment.commit(this.#pos);
    counters.add('events', added);
    this.#countRepairs();
    readers.forEach((reader, index) => {
      if (claimWakeUp(logState.asleep, index)) reader.post({ type: 'appended' });
    });
    if (logState.oldestSeq - this.#expiredAt >= EXPIRE_EVERY) {
      this.#expiredAt = logState.oldestSeq;
      this.#table.expire(logState.oldestSeq);
    }
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
    if (this.#sealed) return;
    const { sec, nanos } = this.#time.mark();
    this.#env.counters.add('timeMarks');
    for (const reader of this.#env.readers) reader.post({ type: 'time-mark', sec, nanos, seq: this.#nextSeq - 1 });
  }

  #seal(): void {
    this.#sealed = true;
    for (const reader of this.#env.readers) reader.post({ type: 'sealed', seq: this.#nextSeq - 1 });
  }
}

export interface CollectorEnv {
  readonly ring: IntakeRing;
  readonly published: PublishRing;
  readonly logState: LogState;
  /** Index = word in LOG_STATE.ASLEEP: the buffer first, then the shards. */
  readonly readers: readonly Outbox<LogNotice>[];
  readonly monitored: Outbox<MonitoredCommand>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly segmentBytes: number;
  readonly unknownContainers: 'pass' | 'drop';
}

function nameOf(record: Uint8Array, at: number): { readonly name: string; readonly replacedUtf8: boolean } {
  const from = at + MONITOR.NAME;
  const { bytes, replaced } = repairUtf8(record, from, textEnd(record, from, MONITOR.NAME_BYTES));
  return { name: textOf(bytes, 0, bytes.length), replacedUtf8: replaced };
}

function originOf(container: Container, replacedUtf8: boolean): Origin {
  const { id, spec, pid, exitCode, known } = container;
  return makeOrigin(utf8(id), { ...spec, pid, exitCode, known, replacedUtf8 });
}
