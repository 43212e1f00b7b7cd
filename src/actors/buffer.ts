import type { Epochs } from '../event/epochs.ts';
import { assertNever } from '../event/errors.ts';
import { LogReader } from '../history/log-reader.ts';
import type { DiskPage, HistoryFiles } from '../history/history-files.ts';
import type { HistoryScans } from '../history/history-scans.ts';
import { RetainedLog, type RetentionLimits } from '../history/retained-log.ts';
import { type Run, Segment } from '../history/segment.ts';
import type { BufferReply, BufferRequest, WantedEvents } from '../messages/buffer.ts';
import type { HistoryFileNotice, LogNotice } from '../messages/collector.ts';
import type { HistoryHeld } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { GapReason, Timestamp } from '../event/event.ts';
import { SEGMENT } from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Clock, Defer, Outbox } from './actor.ts';

interface Waiting {
  readonly request: Extract<BufferRequest, { type: 'read-page' }>;
  readonly shard: Outbox<BufferReply>;
}

/**
 * The `buffer`: the log's past, the newest part in memory and the rest on disk. Follows the log, enforces retention, and hands
 * cursors that are behind the pages they ask for, by reference.
 */
export class HistoryBuffer {
  readonly #reader: LogReader;
  readonly #memory: RetainedLog;
  readonly #files: HistoryFiles | undefined;
  readonly #scans: HistoryScans | undefined;
  readonly #epochs: Epochs;
  readonly #kept: Pick<RetentionLimits, 'events'>;
  readonly #logState: LogState;
  readonly #clock: Clock;
  readonly #defer: Defer;
  #isReadingAhead = false;
  readonly #counters: Counters;
  /** Pages that a shard has asked for before this thread saw their records. At most one per client. */
  #waiting: Waiting[] = [];

  constructor(env: {
    readonly logState: LogState;
    /** The newest event that an earlier process left. */
    readonly headSeq: number;
    /** Of what is kept in memory. */
    readonly limits: RetentionLimits;
    /** What is kept on disk, if anything is. */
    readonly files: HistoryFiles | undefined;
    /** Reads for clients that want little of it. */
    readonly scans: HistoryScans | undefined;
    readonly epochs: Epochs;
    /** How many events are kept, wherever; 0 = no limit. */
    readonly kept: Pick<RetentionLimits, 'events'>;
    readonly clock: Clock;
    readonly defer: Defer;
    readonly counters: Counters;
  }) {
    this.#reader = new LogReader(env.logState.memory, 0, env.headSeq);
    this.#memory = new RetainedLog(env.limits, env.headSeq + 1);
    this.#files = env.files;
    this.#scans = env.scans;
    this.#epochs = env.epochs;
    this.#kept = env.kept;
    this.#logState = env.logState;
    this.#clock = env.clock;
    this.#defer = env.defer;
    this.#counters = env.counters;
  }

  receive(notice: LogNotice | HistoryFileNotice): void {
    switch (notice.type) {
      case 'segment-opened':
        this.#open(notice.memory);
        return this.#takeIn();
      case 'appended':
        return this.#onAppended();
      case 'sealed':
        return this.#takeIn();
      case 'history-file-opened':
        this.#files?.opened(notice.file);
        return this.tick();
      case 'history-file-secured':
        this.#files?.secured(notice.firstSeq);
        return this.tick();
      case 'epoch-began':
        return this.#epochs.begin(notice.span);
      case 'time-mark':
        return;
      default:
        return assertNever(notice);
    }
  }

  answer(request: BufferRequest, shard: Outbox<BufferReply>): void {
    switch (request.type) {
      case 'locate-time':
        this.#takeIn();
        return shard.post({ type: 'time-located', requestId: request.requestId, seq: this.#locate(request.time) });
      case 'read-page':
        this.#takeIn();
        if (!this.#serve(request, shard)) this.#waiting.push({ request, shard });
        return;
      default:
        return assertNever(request);
    }
  }

  held(): HistoryHeld {
    const { bytes, oldestSec } = this.#files ?? this.#memory;
    return { bytes, oldestSec };
  }

  /** Now and then: what the limits leave no room for goes. */
  tick(): void {
    // It is told of events by the thousand.
    this.#takeIn();
    const removed = this.#files?.retain(this.#clock.now(), this.#memory.headSeq) ?? 0;
    if (removed > 0) this.#counters.add('historyFilesRemoved', removed);
    this.#retain();
    this.#serveWaiting();
  }

  #open(memory: SharedArrayBuffer): void {
    const segment = this.#reader.open(memory);
    if (segment) this.#memory.open(segment, this.#clock.now());
  }

  /** Nobody asks for most events: they are taken in with their segment, or when somebody does. */
  #onAppended(): void {
    if (this.#waiting.length > 0) return this.#takeIn();
    this.#retain();
    this.#reader.doze();
  }

  #takeIn(): void {
    do {
      for (let run = this.#reader.take(); run; run = this.#reader.take()) {
        this.#memory.append(run, this.#reader.takenSeq + 1);
      }
    } while (!this.#reader.sleep());
    this.#retain();
    this.#serveWaiting();
  }

  #serveWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { request, shard } of waiting) if (!this.#serve(request, shard)) this.#waiting.push({ request, shard });
  }

  #retain(): void {
    const { headSeq } = this.#logState;
    const segments = this.#memory.retain(this.#clock.now(), headSeq);
    if (segments > 0) this.#counters.add('segmentsDropped', segments);
    // Main keeps what is in memory, for whoever has to begin anew.
    this.#logState.memorySeq = this.#memory.oldestSeq;
    const kept = this.#files?.oldestSeq ?? this.#memory.oldestSeq;
    const { events } = this.#kept;
    const bound = events > 0 ? headSeq + 1 - events : 1;
    const before = this.#logState.oldestSeq;
    // What was let go does not come back.
    const oldest = Math.max(before, kept, bound);
    if (oldest === before) return;
    this.#counters.add('eventsExpired', oldest - before);
    this.#logState.oldestSeq = oldest;
  }

  #locate(time: Timestamp): number {
    const inMemory = this.#memory.locate(time);
    // Of what memory holds, everything may be from `time` on, and more before that.
    const seq = inMemory > this.#memory.oldestSeq ? inMemory : (this.#files?.locate(time) ?? inMemory);
    return Math.max(seq, this.#logState.oldestSeq);
  }

  /** @returns false when the records have not come yet */
  #serve(request: Extract<BufferRequest, { type: 'read-page' }>, shard: Outbox<BufferReply>): boolean {
    const seq = Math.max(request.seq, this.#logState.oldestSeq);
    const { wanted } = request;
    if (wanted && seq < this.#memory.oldestSeq && this.#scans?.suits(wanted)) {
      void this.#scan(this.#scans, request, seq, wanted, shard);
      return true;
    }
    const page = this.#page(seq, request.seq);
    if (!page) return false;
    this.#reply(request, page, shard);
    if (page.behindSeq) this.#readAhead(page.behindSeq);
    return true;
  }

  /** Whoever got a page comes back for the next one: it is read while he is busy with the first. One at a time. */
  #readAhead(seq: number): void {
    if (this.#isReadingAhead || seq >= this.#memory.oldestSeq) return;
    this.#isReadingAhead = true;
    this.#defer(() => {
      this.#isReadingAhead = false;
      this.#page(seq, seq);
    });
  }

  /** What is wanted may be rare: looked for elsewhere, so that who asks for other pages does not wait. */
  async #scan(
    scans: HistoryScans,
    request: Extract<BufferRequest, { type: 'read-page' }>,
    seq: number,
    wanted: WantedEvents,
    shard: Outbox<BufferReply>,
  ): Promise<void> {
    let page: DiskPage | undefined;
    try {
      page = await scans.page(seq, this.#memory.oldestSeq - 1, wanted, this.#epochs.spans);
    } catch {
      // Its files can be read here, too.
      this.#counters.add('scansFailed');
    }
    if (page) return this.#reply(request, page, shard);
    const { requestId } = request;
    if (!this.#serve({ type: 'read-page', requestId, seq: request.seq }, shard))
      this.#waiting.push({ request: { type: 'read-page', requestId, seq: request.seq }, shard });
  }

  #reply({ requestId }: { readonly requestId: number }, { run, reason }: DiskPage, shard: Outbox<BufferReply>): void {
    this.#counters.add(run.nextSeq === undefined ? 'pagesServed' : 'pagesScanned');
    const { segment, from, to, firstSeq, nextSeq } = run;
    const behind = nextSeq === undefined ? {} : { nextSeq };
    // Of whatever it has taken in it knows the epoch.
    const oldest = this.#epochs.cursor(firstSeq - 1);
    shard.post({ type: 'page-read', requestId, memory: segment.memory, from, to, firstSeq, oldest, ...behind, reason });
  }

  /** @param askedSeq before what is left of it; @returns undefined when it has not come yet, or cannot be read now */
  #page(seq: number, askedSeq: number): DiskPage | undefined {
    const { oldestSeq, headSeq } = this.#memory;
    let reason: GapReason = 'retention';
    if (seq < oldestSeq) {
      let page: DiskPage | undefined;
      try {
        page = this.#files?.page(seq, headSeq);
      } catch {
        // It is asked for again with the next tick: what cannot be read at the moment is not gone.
        this.#counters.add('historyUnreadable');
        return undefined;
      }
      if (page && page.run.firstSeq < oldestSeq) return page;
      if (page) ({ reason } = page);
    }
    const run = this.#memory.page(Math.max(seq, oldestSeq));
    if (run) return { run, reason };
    // All that was from there on is gone, the newest event too: what comes next is the next that is left.
    return askedSeq <= headSeq ? { run: nothingBefore(headSeq + 1), reason } : undefined;
  }
}

/** No records, in the place of those before `firstSeq`. */
function nothingBefore(firstSeq: number): Run {
  const segment = Segment.create(SEGMENT.HEADER_BYTES, firstSeq);
  return { segment, from: SEGMENT.HEADER_BYTES, to: SEGMENT.HEADER_BYTES, firstSeq };
}
