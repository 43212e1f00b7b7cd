import type { EventPacker } from '../codec/event-packer.ts';
import { isBlankLine } from '../codec/event-line.ts';
import { EventView } from '../codec/event-record.ts';
import { LineCutter } from '../codec/line-cutter.ts';
import { markOf } from '../codec/record-mark.ts';
import type { Backoff } from '../event/backoff.ts';
import type { SavedContainer } from '../event/container-table.ts';
import { asTocsinError, assertNever } from '../event/errors.ts';
import type { NewEvent, Timestamp } from '../event/event.ts';
import { RecentMarks } from '../event/recent-marks.ts';
import type { SavedSource } from '../event/source-table.ts';
import { addNanos, compareTime, formatTime } from '../event/time.ts';
import type { Counters } from '../messages/counters.ts';
import type { EngineInput, ListedContainer, SourceNotice } from '../messages/engine-source.ts';
import { EVENT } from '../messages/layout.ts';
import type { Clock, Later, Outbox } from './actor.ts';
import { SourceContainers } from './source-containers.ts';
import { SourceQueue } from './source-queue.ts';

/** No event has so long a line. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Events that wait for the log, in memory. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** A source comes back with so much of what it has: events may have come to us in another order than to the engine's memory. */
const OVERLAP_SEC = 1;
/** An engine tells what it remembers within milliseconds; behind this the connection counts as one that works. */
const SETTLED_MS = 2_000;
const RETRY_MS = 100;
/** A stream that has brought nothing for so long is asked about. */
const PING_EVERY_MS = 30_000;
const LIST_AGAIN_MS = 60_000;

/** What a source listens to. */
export interface Engine {
  /** Asks for everything from `since` on. Nothing is told within the call, nor after `close`. */
  listen(since: Timestamp, tell: (input: EngineInput) => void): EngineStream;
}

/** The stream of events, and what is asked of the engine beside it. What is asked rejects when it is not answered in time. */
export interface EngineStream {
  /** The containers that there are now. */
  containers(): Promise<readonly ListedContainer[]>;
  /** Resolves when the engine answers, whatever it says. */
  ping(): Promise<void>;
  /** Also rejects what has been asked. */
  close(): void;
}

export interface EngineSourceEnv {
  readonly name: string;
  readonly engine: Engine;
  /** Resolves when the events are in the log; the packer is free then. @throws ERR_PUBLISH_FULL, ERR_PIPELINE_CLOSED */
  readonly append: (events: EventPacker) => Promise<unknown>;
  /** How far the log had come with this source when the process began. */
  readonly recovered: SavedSource | undefined;
  /** What the log knew of the source's containers then. */
  readonly containers: Iterable<SavedContainer>;
  readonly main: Outbox<SourceNotice>;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly later: Later;
  readonly backoff: Backoff;
}

/**
 * An engine as a source of events. It always reads, so that the engine never waits for us, and keeps what the log does not take
 * yet, up to a bound. A new connection begins a second before the newest event that came: what has come before is recognised
 * by its content and left out; where that event itself does not come again, the engine has forgotten it, and maybe others that
 * nobody has seen, and the log gets an event that tells so.
 *
 *   connection -> what the engine remembers -> settled: gap? -> list of containers -> settled: differences
 *
 * Once a connection has settled, the engine is asked for its containers, and where those are not as the log knows them, the log gets
 * synthetic events that tell the difference. They have the time of the asking, or stand right behind the newest event: none moves
 * an event of the engine, as long as its clock and ours agree.
 */
export class EngineSource {
  readonly #env: EngineSourceEnv;
  readonly #lines = new LineCutter();
  readonly #queue: SourceQueue;
  readonly #marks: RecentMarks;
  readonly #containers: SourceContainers;
  /** On the memory that events are packed in. */
  #view = new EventView(new ArrayBuffer(0));
  /** The engine's time of the newest event that came. */
  #newest: Timestamp | undefined;
  #stream: EngineStream | undefined;
  /** Nothing of this connection was recognised: there may be a hole before it. */
  #mayMiss = false;
  #isAppending = false;
  /** It does not listen until the log has taken everything. */
  #isFull = false;
  #isClosed = false;
  /** The operator has been told that the engine cannot be listened to. */
  #isLost = false;
  /** The operator has been told of a line of this connection. */
  #hasRefused = false;
  /** The operator has been told that the engine does not list its containers. */
  #hasNoList = false;
  /** Grows with everything that comes. */
  #heard = 0;

  constructor(env: EngineSourceEnv) {
    this.#env = env;
    this.#queue = new SourceQueue(env.name);
    this.#marks = new RecentMarks(env.recovered?.marks);
    this.#containers = new SourceContainers(env.containers);
    this.#newest = env.recovered?.time;
    this.#listen();
  }

  receive(input: EngineInput): void {
    switch (input.type) {
      case 'stream-opened':
        return this.#onOpened(this.#stream);
      case 'bytes-arrived':
        return this.#onBytes(input.bytes);
      case 'stream-ended':
        return this.#onEnded(input.why);
      default:
        return assertNever(input);
    }
  }

  /** Listens no more. What the log has not taken comes again when the next process listens. */
  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
    this.#stream = undefined;
  }

  #listen(): void {
    if (this.#isClosed) return;
    const newest = this.#newest;
    this.#lines.clear();
    this.#containers.endList();
    this.#mayMiss = newest !== undefined;
    this.#hasRefused = false;
    const since = newest ? { sec: Math.max(0, newest.sec - OVERLAP_SEC), nanos: newest.nanos } : { sec: 0, nanos: 0 };
    this.#stream = this.#env.engine.listen(since, (input) => this.receive(input));
  }

  #onOpened(stream: EngineStream | undefined): void {
    if (!stream) return;
    this.#whileOn(stream, SETTLED_MS, () => this.#onSettled(stream));
    this.#watch(stream);
  }

  /** Does this later, if the stream is still the one. */
  #whileOn(stream: EngineStream, ms: number, task: () => void): void {
    this.#env.later(ms, () => {
      if (stream === this.#stream) task();
    });
  }

  #onSettled(stream: EngineStream): void {
    this.#env.backoff.reset();
    if (this.#isLost) this.#say('it is listened to again');
    this.#isLost = false;
    if (this.#mayMiss) {
      this.#noteGap(this.#env.clock.now());
      this.#flush();
    }
    void this.#list(stream);
  }

  /** A connection can be dead without a word. */
  #watch(stream: EngineStream): void {
    const heard = this.#heard;
    this.#whileOn(stream, PING_EVERY_MS, () => void this.#check(stream, heard));
  }

  async #check(stream: EngineStream, heard: number): Promise<void> {
    try {
      if (heard === this.#heard) await stream.ping();
    } catch (error) {
      if (stream !== this.#stream) return;
      if (heard === this.#heard) {
        stream.close();
        return this.#onEnded(asTocsinError(error).message);
      }
    }
    if (stream === this.#stream) this.#watch(stream);
  }

  async #list(stream: EngineStream): Promise<void> {
    const asked = this.#env.clock.now();
    this.#containers.beginList();
    try {
      const listed = await stream.containers();
      // What the list shows may have an event that is still on its way.
      this.#whileOn(stream, SETTLED_MS, () => this.#compare(listed, asked));
    } catch (error) {
      if (stream === this.#stream) this.#onNoList(stream, asTocsinError(error).message);
    }
  }

  #onNoList(stream: EngineStream, why: string): void {
    this.#containers.endList();
    this.#env.counters.add('sourceListsFailed');
    if (!this.#hasNoList) this.#say(`${why}; its containers are not compared with what is known of them`);
    this.#hasNoList = true;
    this.#whileOn(stream, LIST_AGAIN_MS, () => void this.#list(stream));
  }

  #compare(listed: readonly ListedContainer[], asked: Timestamp): void {
    const newest = this.#newest;
    let time = newest && compareTime(newest, asked) >= 0 ? addNanos(newest, 1) : asked;
    this.#hasNoList = false;
    for (const event of this.#containers.differences(listed)) {
      this.#addSynthetic({ ...event, source: this.#env.name, time });
      time = addNanos(time, 1);
      // The rest is found again once there is room.
      if (this.#isFull) break;
    }
    this.#containers.endList();
    this.#flush();
  }

  #addSynthetic(event: NewEvent): void {
    const events = this.#queue.open;
    try {
      events.addSynthetic(event);
    } catch (error) {
      return this.#refuse(asTocsinError(error).message);
    }
    this.#env.counters.add('sourceSynthetic');
    this.#containers.note(this.#viewOf(events.records(events.count - 1, events.count)));
    if (this.#queue.bytes > MAX_WAITING_BYTES) this.#overflow();
  }

  #viewOf(record: Uint8Array): EventView {
    if (this.#view.bytes.buffer !== record.buffer) this.#view = new EventView(record.buffer);
    this.#view.at = record.byteOffset;
    return this.#view;
  }

  #onEnded(why: string): void {
    const { counters, later, backoff } = this.#env;
    this.#stream = undefined;
    counters.add('sourceReconnects');
    if (!this.#isLost) this.#say(`${why}; it is tried again`);
    this.#isLost = true;
    later(backoff.nextMs(), () => this.#listen());
  }

  #onBytes(bytes: Uint8Array): void {
    const lines = this.#lines;
    this.#heard += 1;
    for (let at = lines.next(bytes, 0); at >= 0 && !this.#isFull; at = lines.next(bytes, at)) this.#take(lines);
    if (lines.restBytes > MAX_LINE_BYTES) {
      lines.skip();
      this.#refuse(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    }
    this.#flush();
  }

  #take({ bytes, from, to }: LineCutter): void {
    if (isBlankLine(bytes, from, to)) return;
    const events = this.#queue.open;
    try {
      events.addLine(bytes, from, to);
    } catch (error) {
      return this.#refuse(asTocsinError(error).message);
    }
    const view = this.#viewOf(events.records(events.count - 1, events.count));
    const { words, at, byteLength } = view;
    const sec = words[(at + EVENT.SOURCE_SEC) >> 2]! >>> 0;
    const time: Timestamp = { sec, nanos: words[(at + EVENT.SOURCE_NANOS) >> 2]! };
    const mark = markOf(words, at, byteLength);
    if (time.sec === 0 || this.#marks.has(mark)) {
      events.dropLast();
      if (time.sec === 0) return this.#refuse('an event has no time');
      this.#mayMiss = false;
      return this.#env.counters.add('sourceRepeated');
    }
    this.#containers.note(view);
    if (this.#mayMiss && this.#newest && compareTime(time, this.#newest) > 0) {
      // The gap is in the log before the event that lies behind it.
      events.dropLast();
      this.#noteGap(time);
      this.#queue.open.addLine(bytes, from, to);
    }
    this.#newest = time;
    this.#marks.add(mark);
    if (this.#queue.bytes > MAX_WAITING_BYTES) this.#overflow();
  }

  #refuse(why: string): void {
    this.#env.counters.add('sourceRefused');
    if (!this.#hasRefused) this.#say(`a line was passed over: ${why}`);
    this.#hasRefused = true;
  }

  /** Events may be missing behind the newest one that came. */
  #noteGap(to: Timestamp): void {
    const { name, counters } = this.#env;
    const from = this.#newest!;
    this.#mayMiss = false;
    counters.add('sourceGaps');
    const attributes = { from: formatTime(from), to: formatTime(to) };
    this.#say(`events from ${attributes.from} to ${attributes.to} may be missing`);
    // It stands where the gap begins, and moves no event behind it.
    const time = addNanos(from, 1);
    this.#queue.open.addSourceGap({ type: 'source', action: 'gap', id: name, source: name, attributes, time });
  }

  /** It comes back when the log has taken what is there; the engine remembers its newest events until then. */
  #overflow(): void {
    this.#isFull = true;
    this.#stream?.close();
    this.#stream = undefined;
    this.#env.counters.add('sourceOverflows');
    this.#say(`${MAX_WAITING_BYTES} bytes of events wait for the log; it is not listened to meanwhile`);
  }

  #flush(): void {
    if (this.#isAppending || this.#isClosed) return;
    const batch = this.#queue.take();
    if (!batch) return this.#onDrained();
    this.#isAppending = true;
    void this.#append(batch);
  }

  async #append(batch: EventPacker): Promise<void> {
    const { append, counters, later } = this.#env;
    try {
      await append(batch);
    } catch (thrown) {
      const error = asTocsinError(thrown);
      if (error.code === 'ERR_PUBLISH_FULL') return later(RETRY_MS, () => void this.#append(batch));
      if (error.code !== 'ERR_PIPELINE_CLOSED') this.#say(error.message);
      return this.close();
    }
    counters.add('sourceEvents', batch.count);
    this.#queue.giveBack(batch);
    this.#isAppending = false;
    this.#flush();
  }

  #onDrained(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#listen();
  }

  #say(what: string): void {
    const { name, main } = this.#env;
    main.post({ type: 'source-said', message: `source ${name}: ${what}` });
  }
}
