import type { EventView } from '../codec/event-record.ts';
import type { Redactor } from '../codec/redactor.ts';
import type { SharedEncoder } from '../codec/shared-encoder.ts';
import type { Timestamp } from '../event/event.ts';
import type { PinnedField } from '../event/filter.ts';
import { compareTime } from '../event/time.ts';
import type { Run } from '../history/segment.ts';
import type { WantedEvents } from '../messages/buffer.ts';
import type { Client } from './client.ts';
import { LaneMemory, type Slab } from './lane-memory.ts';
import type { SlabPool } from './slab-pool.ts';

/** A field of an event begins with this text. */
export interface PinnedText {
  readonly field: PinnedField;
  readonly text: Uint8Array;
}

/** Which events a lane shows. */
export interface Matcher {
  /** Equal keys show equal events. */
  readonly key: string;
  /** Every event that it shows has one of these; empty when nothing can be said. */
  readonly pins: readonly PinnedText[];
  /** It shows each event of a container that has one of them as the whole field. */
  readonly showsPinned: boolean;
  /** As of `Filter`. */
  readonly cost: number;
  /** What to look for in history; undefined when that cannot be said without seeing each event, and when all are wanted. */
  readonly wanted: Omit<WantedEvents, 'isResume'> | undefined;
  matches(event: EventView): boolean;
}

/** A position in the log that many lanes share. */
export interface LanePosition {
  readonly nextSeq: number;
  /** Of the last event before it. */
  readonly sec: number;
  readonly nanos: number;
}

/** What restricts a lane to one client. */
export interface LaneBounds {
  /** Events before this time are passed over. */
  readonly since: Timestamp | undefined;
  /** The lane is finished before the first event that is later. */
  readonly until: Timestamp | undefined;
  /** The lane is finished behind this event. */
  readonly endSeq: number;
}

/** Encoded bytes of one step: from this size on, larger writes gain nothing. */
const STEP_BYTES = 64 * 1024;
/** Events that one step looks at, shown or not: a dear filter must not hold the others up. */
const STEP_EVENTS = 1024;

/** A position in the lane: everything before it has been encoded. Clients only ever stand on marks. */
export interface Mark {
  readonly slab: Slab;
  readonly end: number;
  /** Sequence number of the next event of the log, shown or not. */
  readonly nextSeq: number;
  /** Events encoded so far. */
  readonly events: number;
  /** A time not before that of the last event of the log before the mark. */
  readonly sec: number;
  readonly nanos: number;
  /** No event was late enough yet for the lane's `since`: what lies before the mark is not what other clients would see. */
  readonly awaitsSince: boolean;
}

export interface Step {
  readonly bytes: Uint8Array;
  readonly mark: Mark;
  readonly index: number;
}

/**
 * A cursor on the log with an encoder: one wire format, one filter. It encodes each event once, framing included; its clients
 * share the bytes, and a client is no more than the number of the mark it stands on. A lane reads on only when one of its
 * clients has taken everything and wants more, so it runs as fast as the fastest of them.
 *
 *   slabs  [.......m1...m2][m3........m4.m5]      head = m5
 *   a client on m1 is given the bytes m1..m2, then m2..m5: one write a slab
 */
export class Lane {
  readonly id: number;
  readonly key: string;
  readonly bounds: LaneBounds;
  readonly clients = new Set<Client>();
  readonly matcher: Matcher;
  /** Where it waits for its events; undefined while it reads the log by itself. */
  index: LanePosition | undefined;
  /** Where it reads on, if that is at hand. */
  page: Run | undefined;
  awaitsPage = false;
  /** Nothing follows: a bound has been reached. */
  isFinished = false;
  readonly #encoder: SharedEncoder;
  /** Present: filter and encoder see what it shows of an event. */
  readonly #redactor: Redactor | undefined;
  readonly #memory: LaneMemory;
  readonly #marks: Mark[] = [];
  /** Number of the first mark that is still held. */
  #firstMark = 0;
  #events = 0;
  #stepBytes = 0;
  /** Encoded bytes of the step that has not ended. */
  #unmarked = 0;
  #offeredSeq = 0;
  readonly #showsPinned: boolean;
  #awaitsSince: boolean;
  /** The step that was asked for last: nearly every client asks for the same one. */
  #lastStep: { readonly from: number; readonly step: Step } | undefined;

  constructor(init: {
    readonly id: number;
    readonly key: string;
    readonly encoder: SharedEncoder;
    readonly redactor: Redactor | undefined;
    readonly matcher: Matcher;
    readonly pool: SlabPool;
    readonly nextSeq: number;
    readonly bounds: LaneBounds;
  }) {
    this.id = init.id;
    this.key = init.key;
    this.bounds = init.bounds;
    this.#encoder = init.encoder;
    this.#redactor = init.redactor;
    this.matcher = init.matcher;
    this.#showsPinned = init.matcher.showsPinned;
    this.#memory = new LaneMemory(init.pool, this.clients);
    this.#awaitsSince = init.bounds.since !== undefined;
    this.#marks.push({
      slab: this.#memory.slab,
      end: 0,
      nextSeq: init.nextSeq,
      events: 0,
      sec: 0,
      nanos: 0,
      awaitsSince: this.#awaitsSince,
    });
  }

  /** A lane with bounds serves the one client that has them; `since` is none any more once it has been reached. */
  get isExclusive(): boolean {
    const { until, endSeq } = this.bounds;
    return this.#awaitsSince || until !== undefined || endSeq < Number.MAX_SAFE_INTEGER;
  }

  get head(): Mark {
    return this.#marks.at(-1)!;
  }

  get headIndex(): number {
    return this.#firstMark + this.#marks.length - 1;
  }

  get nextSeq(): number {
    return this.index?.nextSeq ?? this.head.nextSeq;
  }

  /** Sequence number at the oldest mark that is held: who comes up to it from behind can go on here. */
  get firstSeq(): number {
    return this.#marks[0]!.nextSeq;
  }

  mark(index: number): Mark | undefined {
    return this.#marks[index - this.#firstMark];
  }

  /** The mark at exactly this position, for a client that is to see everything from there on. */
  indexAt(nextSeq: number): number | undefined {
    for (let index = this.#marks.length - 1; index >= 0; index -= 1) {
      const mark = this.#marks[index]!;
      if (mark.nextSeq < nextSeq || mark.awaitsSince) return undefined;
      if (mark.nextSeq === nextSeq) return this.#firstMark + index;
    }
    return undefined;
  }

  /** Whether somebody can take more. */
  get isServing(): boolean {
    for (const client of this.clients) if (!client.blocked) return true;
    return false;
  }

  /** Whether somebody has taken everything and can take more. */
  get isWanted(): boolean {
    const head = this.headIndex;
    for (const client of this.clients) if (client.mark === head && !client.blocked) return true;
    return false;
  }

  /**
   * Encodes the next step.
   * @param run of the log, containing the lane's next event
   * @param lastSeq last event to be encoded now
   * @param maxLooked events that are looked at, shown or not
   * @returns how many events were encoded
   */
  encode(run: Run, lastSeq: number, maxLooked = STEP_EVENTS): number {
    const { view } = run.segment;
    const { until, endSeq } = this.bounds;
    const last = Math.min(lastSeq, endSeq);
    const before = this.#events;
    let seq = this.nextSeq;
    let at = run.from;
    if (run.nextSeq === undefined)
      for (let skip = seq - run.firstSeq; skip > 0; skip -= 1) at += run.segment.recordBytes(at);
    let looked = 0;
    while (at < run.to && seq <= last && this.#unmarked < STEP_BYTES && looked < maxLooked) {
      view.at = at;
      if (run.nextSeq !== undefined) seq = view.seq;
      if (seq > last) break;
      if (until && isLater(view, until)) {
        this.isFinished = true;
        break;
      }
      const shown = this.#redactor?.shown(view) ?? view;
      if (this.#isShown(shown)) this.#put(shown, seq);
      at += view.byteLength;
      seq += 1;
      looked += 1;
    }
    // What was left out before the next one, and behind the last, has been looked at, too.
    if (run.nextSeq !== undefined) seq = Math.min(at === run.to && !this.isFinished ? run.nextSeq : seq, last + 1);
    if (seq > endSeq) this.isFinished = true;
    const { sec, nanos } = looked > 0 ? { sec: view.timeSec, nanos: view.timeNanos } : this.head;
    if (seq > this.nextSeq) this.#endStep(seq, sec, nanos);
    this.page = at < run.to ? { ...run, from: at, firstSeq: seq } : undefined;
    return this.#events - before;
  }

  /**
   * While it waits in an index: an event that it may show. Takes its bytes, once.
   * @param isPinned the event is of a container, and has one of the pins as a whole: no need to ask the filter then, whose closures
   *   nobody has used lately where there are many lanes
   * @returns whether it does show it
   */
  offer(view: EventView, seq: number, isPinned: boolean): boolean {
    if (seq === this.#offeredSeq) return false;
    const shown = this.#redactor?.shown(view) ?? view;
    if (!(isPinned && this.#showsPinned) && !this.matcher.matches(shown)) return false;
    this.#offeredSeq = seq;
    const bytes = this.#encoder.encoded(shown, seq, shown !== view);
    if (bytes.length === 0) return false;
    this.#makeRoom(bytes.length, view, seq);
    const { slab } = this.#memory;
    slab.bytes.set(bytes, slab.used);
    this.#advance(bytes.length);
    return true;
  }

  /** While it waits in an index: takes over how far that is. Whoever stands at the head has got, or been spared, all of it. */
  settle(): void {
    if (!this.index) return;
    const { nextSeq, sec, nanos } = this.index;
    if (this.#unmarked > 0) return this.#endStep(nextSeq, sec, nanos);
    if (this.head.nextSeq === nextSeq) return;
    this.#marks[this.#marks.length - 1] = { ...this.head, nextSeq, sec, nanos };
    this.#lastStep = undefined;
    for (const client of this.clients) if (client.mark === this.headIndex) client.nextSeq = nextSeq;
  }

  /** What a client on mark `index` is given next: all that is encoded, up to the end of a slab. */
  step(index: number): Step | undefined {
    if (this.#lastStep?.from === index) return this.#lastStep.step;
    const from = this.mark(index);
    const next = this.mark(index + 1);
    if (!from || !next) return undefined;
    const start = next.slab === from.slab ? from.end : 0;
    let last = index + 1;
    while (this.mark(last + 1)?.slab === next.slab) last += 1;
    const mark = this.mark(last)!;
    const step = { bytes: next.slab.bytes.subarray(start, mark.end), mark, index: last };
    this.#lastStep = { from: index, step };
    return step;
  }

  /** Uses the newest memory again from its beginning, if the only client has everything and has copied it. */
  rewind(): void {
    if (this.clients.size !== 1 || this.#marks.length > 1 || this.#unmarked > 0) return;
    for (const { mark, blocked } of this.clients) if (mark !== this.headIndex || blocked) return;
    if (!this.#memory.rewind()) return;
    this.#marks[0] = { ...this.head, slab: this.#memory.slab, end: 0 };
    this.#lastStep = undefined;
  }

  join(client: Client, index: number): void {
    this.clients.add(client);
    client.lane = this;
    client.mark = index;
    client.heldFrom = index;
  }

  leave(client: Client): void {
    this.clients.delete(client);
    client.lane = undefined;
    this.#memory.left(client);
  }

  /** Forgets marks before the slowest client's, and whatever is further back than the newest `maxBytes`. */
  trim(maxBytes: number): void {
    if (this.#marks.length > 1) this.#forget(maxBytes);
    // Those before the first mark: nobody comes there any more.
    if (this.#memory.oldestMark <= this.#firstMark) this.#memory.release();
  }

  #forget(maxBytes: number): void {
    let keep = this.headIndex;
    for (const client of this.clients) if (client.mark < keep) keep = client.mark;
    if (keep === this.headIndex) {
      this.#marks[0] = this.head;
      this.#marks.length = 1;
      this.#firstMark = keep;
      return;
    }
    let bytes = 0;
    let slab: Slab | undefined;
    for (let index = this.#marks.length - 1; index > keep - this.#firstMark; index -= 1) {
      const mark = this.#marks[index]!;
      if (mark.slab !== slab) bytes += mark.slab.bytes.length;
      slab = mark.slab;
      if (bytes > maxBytes) {
        keep = this.#firstMark + index;
        break;
      }
    }
    this.#marks.splice(0, keep - this.#firstMark);
    this.#firstMark = keep;
  }

  #isShown(view: EventView): boolean {
    if (this.#awaitsSince) {
      const { sec, nanos } = this.bounds.since!;
      if (view.timeSec < sec || (view.timeSec === sec && view.timeNanos < nanos)) return false;
      this.#awaitsSince = false;
    }
    return this.matcher.matches(view);
  }

  #put(view: EventView, seq: number): void {
    const { encoder } = this.#encoder;
    this.#makeRoom(encoder.maxBytes(view.byteLength), view, seq);
    const { bytes, used } = this.#memory.slab;
    this.#advance(encoder.encode(view, bytes, used) - used);
  }

  /** In the slab; what is in a full one comes before this event. */
  #makeRoom(need: number, view: EventView, seq: number): void {
    const { slab } = this.#memory;
    if (slab.used + need <= slab.bytes.length) return;
    if (this.#unmarked > 0) this.#addMark(seq, view.timeSec, view.timeNanos);
    const isAlone = !this.index && this.clients.size === 1;
    this.#memory.next(need, this.#stepBytes, isAlone, this.headIndex);
  }

  #advance(byteLength: number): void {
    if (byteLength > 0) this.#events += 1;
    this.#unmarked += byteLength;
    this.#memory.slab.used += byteLength;
  }

  #endStep(nextSeq: number, sec: number, nanos: number): void {
    this.#addMark(nextSeq, sec, nanos);
    this.#stepBytes = this.#unmarked;
    this.#unmarked = 0;
  }

  #addMark(nextSeq: number, sec: number, nanos: number): void {
    const awaitsSince = this.#awaitsSince;
    this.#marks.push({
      slab: this.#memory.slab,
      end: this.#memory.slab.used,
      nextSeq,
      events: this.#events,
      sec,
      nanos,
      awaitsSince,
    });
    this.#lastStep = undefined;
  }
}

function isLater(view: EventView, time: Timestamp): boolean {
  return compareTime({ sec: view.timeSec, nanos: view.timeNanos }, time) > 0;
}
