import { type Origin, RecordFormatter } from '../codec/format-record.ts';
import { readInt32 } from '../codec/monitor-record.ts';
import { BUILT_IN_SCAN } from '../codec/secret-scan.ts';
import type { Container, ContainerTable } from '../event/container-table.ts';
import type { Timestamp } from '../event/event.ts';
import { EXIT_CODE_UNKNOWN, STATE_START, STATE_STOPPED } from '../event/operators.ts';
import type { Counters } from '../messages/counters.ts';
import {
  EVENT,
  FLAG_NO_SECRET,
  FLAG_REPEATS,
  FLAG_REPLACED_UTF8,
  MONITOR,
  MONITOR_EVENT_CONTAINER,
  MONITOR_TYPE_STATE,
} from '../messages/layout.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import { HealthWatch } from './health-watch.ts';
import { IntakeTally } from './intake-tally.ts';
import type { LogTail } from './log-tail.ts';
import type { LogTime } from './log-time.ts';
import type { Appender } from './publish-intake.ts';
import type { RecordObjects } from './record-objects.ts';

export interface EventAppenderEnv {
  readonly tail: LogTail;
  readonly time: LogTime;
  readonly table: ContainerTable;
  readonly objects: RecordObjects;
  readonly counters: Counters;
  /** Commits what has been appended: the segment is full. */
  readonly commit: () => void;
}

/** Makes events of what intakes hold, and puts each at the end of the log with its time and its number. */
export class EventAppender implements Appender {
  readonly #env: EventAppenderEnv;
  readonly #formatter = new RecordFormatter();
  readonly #health = new HealthWatch();
  /** What has come in since the actor began. */
  readonly intake = new IntakeTally();
  /** Events of unknown containers since repairs were counted. */
  #unknown = 0;

  constructor(env: EventAppenderEnv) {
    this.#env = env;
  }

  /** Of a monitor record. Not every record is an event. */
  appendRecord(record: Uint8Array, at: number): void {
    const { table, objects, counters, tail } = this.#env;
    if (readInt32(record, at + MONITOR.TYPE) !== MONITOR_TYPE_STATE) return counters.add('recordsIgnored');
    const isContainer = readInt32(record, at + MONITOR.EVENT_TYPE) === MONITOR_EVENT_CONTAINER;
    const state = readInt32(record, at + MONITOR.VALUE);
    if (!isContainer) {
      this.intake.addRecord(true, state);
      return this.#format(record, at, objects.image(record, at));
    }
    const object = objects.container(record, at);
    if (!object) return counters.add('unknownDropped');
    const { container } = object;
    if (!container.known) this.#unknown += 1;
    this.intake.addRecord(false, state);
    // iSulad sends START when the new run has begun: the last run's exit code is no longer shown.
    if (state === STATE_START) table.started(container);
    container.lastSeq = tail.nextSeq;
    this.#format(record, at, objects.originOf(object));
    if (state === STATE_STOPPED) this.#stopped(container, record, at);
  }

  /** Of a publisher's ring (see `Appender`). */
  append(published: PublishRing, at: number, length: number): number {
    const { tail, time } = this.#env;
    this.#makeRoom(length);
    const { view, longs } = tail.segment;
    const { bytes, words } = view;
    const word = tail.pos >> 2;
    // Records are whole 64-bit words. A call of `set` costs more than they do, and makes garbage of each; V8, once it has compiled
    // this, makes no objects of them.
    const { longs: from } = published;
    const [to, count] = [tail.pos >> 3, length >> 3];
    for (let offset = 0; offset < count; offset += 1) longs[to + offset] = from[(at >> 3) + offset]!;
    if (bytes[tail.pos + EVENT.FLAGS]! & FLAG_REPLACED_UTF8) this.#formatter.utf8Replaced += 1;
    const source = EVENT.SOURCE_SEC >> 2;
    const wanted: Timestamp = { sec: words[word + source]! >>> 0, nanos: words[word + source + 1]! };
    if (time.next(wanted)) {
      // The event has its own time: nothing to remember beside it.
      words[word + source] = 0;
      words[word + source + 1] = 0;
    }
    words[word + (EVENT.TIME_SEC >> 2)] = time.sec;
    words[word + (EVENT.TIME_NANOS >> 2)] = time.nanos;
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

  /** What had to be left out or put right since this was called last. */
  countRepairs(): void {
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

  #format(record: Uint8Array, at: number, origin: Origin): void {
    const { tail, time } = this.#env;
    this.#makeRoom(origin.maxRecordBytes);
    time.next();
    const { sec, nanos } = time;
    tail.pos = this.#formatter.format(tail.segment.view, tail.pos, record, at, origin, tail.nextSeq, sec, nanos);
    tail.nextSeq += 1;
  }

  #stopped(container: Container, record: Uint8Array, at: number): void {
    const exitCode = readInt32(record, at + MONITOR.EXIT_CODE);
    const pid = Math.max(0, readInt32(record, at + MONITOR.PID));
    const applied = this.#env.table.stopped(container, pid, exitCode >= 0 ? exitCode : EXIT_CODE_UNKNOWN);
    if (!applied) this.#env.counters.add('staleStops');
  }

  #makeRoom(recordBytes: number): void {
    const { tail, commit } = this.#env;
    if (tail.pos + recordBytes <= tail.segment.byteLength) return;
    commit();
    tail.openSegment();
  }
}
