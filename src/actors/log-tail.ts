import type { Epoch } from '../event/cursor.ts';
import type { Epochs, EpochSpan } from '../event/epochs.ts';
import { asTocsinError, type TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import type { NewBatch } from '../history/batch.ts';
import type { HistoryTail, HistoryWriter } from '../history/history-writer.ts';
import type { SavedState } from '../history/saved-state.ts';
import { Segment } from '../history/segment.ts';
import type { LogNotice } from '../messages/collector.ts';
import type { Counters } from '../messages/counters.ts';
import { EVENT, MAX_EVENT_BYTES, SEGMENT } from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Later, Outbox } from './actor.ts';

/** Under `async`, a loss of power takes what was written within this time. */
const SYNC_EVERY_MS = 100;
const RETRY_MS = 1_000;
/** Under `sync`: what may wait for the disk before intake waits too. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Under `sync`: what goes to disk in one write. */
const MAX_FLUSH_BYTES = 4 * 1024 * 1024;
/** A write that takes longer is worth a word: whoever sends events waits for it. */
const SLOW_MS = 1_000;

/** The log on disk, and what has to have happened there before a batch is shown. */
export interface DurableHistory {
  readonly writer: HistoryWriter;
  /** `async`: it was written. `sync`: it is safe from a loss of power as well. */
  readonly durability: 'async' | 'sync';
  readonly newEpoch: () => Epoch;
}

export interface LogTailEnv {
  readonly logState: LogState;
  /** The newest event that an earlier process left. */
  readonly headSeq: number;
  readonly epochs: Epochs;
  readonly readers: readonly Outbox<LogNotice>[];
  readonly counters: Counters;
  readonly segmentBytes: number;
  readonly later: Later;
  readonly elapsedMs: () => number;
  /** Absent: nothing outlives the process. */
  readonly history: DurableHistory | undefined;
  /** Batches have been shown without a call of `commit`, or intake may go on. */
  readonly moved: () => void;
  readonly epochBegan: (span: EpochSpan) => void;
  readonly failed: (error: TocsinError) => void;
  readonly recovered: () => void;
  /** The disk kept everything waiting for so long. */
  readonly slow: (ms: number) => void;
}

interface Batch extends NewBatch {
  readonly segment: Segment;
  readonly from: number;
  readonly to: number;
  /** To be done once it is shown. */
  readonly effects: (() => void)[];
}

/**
 * The end of the log: where records are put, and how a batch of them becomes visible. Without a history that is one store; with
 * one, the batch is on disk before, as far as `durability` asks. Whatever was promised about a batch happens behind that.
 */
export class LogTail {
  readonly #env: LogTailEnv;
  #segment: Segment;
  /** Where the next record goes. */
  pos: number = SEGMENT.HEADER_BYTES;
  nextSeq: number;
  #batchFrom: number = SEGMENT.HEADER_BYTES;
  #batchSeq: number;
  /** Under `sync`: what is not on disk yet, in order. */
  readonly #waiting: Batch[] = [];
  #waitingBytes = 0;
  /** Of those: how many are on their way. */
  #inFlight = 0;
  #isSyncDue = false;
  /** Why the disk takes nothing at the moment, and where to go on when it does. */
  #failure: { readonly mark: HistoryTail | undefined } | undefined;

  constructor(env: LogTailEnv) {
    this.#env = env;
    this.nextSeq = env.headSeq + 1;
    this.#batchSeq = this.nextSeq;
    this.#segment = this.#openSegment(this.nextSeq);
  }

  /** Where records are written. */
  get segment(): Segment {
    return this.#segment;
  }

  /** Intake has to wait for the disk. */
  get isStalled(): boolean {
    return this.#waitingBytes > MAX_WAITING_BYTES || (this.#failure !== undefined && this.#waitingBytes > 0);
  }

  /** What was put since the last call becomes one batch. @param state what else is to be known behind it */
  commit(last: Timestamp, state: readonly SavedState[]): void {
    const count = this.nextSeq - this.#batchSeq;
    if (count === 0 && (state.length === 0 || !this.#env.history)) return;
    const batch = this.#batchOf(count, last, state);
    this.#batchFrom = this.pos;
    this.#batchSeq = this.nextSeq;
    if (this.#env.history?.durability === 'sync') return this.#wait(batch);
    this.#show(this.#env.history ? this.#write(this.#env.history, batch) : batch);
  }

  /** Does it once everything that was committed before can be seen. */
  after(effect: () => void): void {
    const last = this.#waiting.at(-1);
    if (last) last.effects.push(effect);
    else effect();
  }

  /** Nothing comes any more. Resolves when the history says so on disk, or cannot. */
  async close(): Promise<void> {
    const { history } = this.#env;
    if (!history || this.#failure) return;
    try {
      await history.writer.close(this.nextSeq);
    } catch (error) {
      this.#env.failed(asTocsinError(error, 'ERR_HISTORY_UNWRITABLE'));
    }
  }

  #batchOf(count: number, last: Timestamp, state: readonly SavedState[]): Batch {
    const segment = this.#segment;
    const { words, bytes } = segment.view;
    const word = this.#batchFrom >> 2;
    const first =
      count > 0
        ? { sec: words[word + (EVENT.TIME_SEC >> 2)]! >>> 0, nanos: words[word + (EVENT.TIME_NANOS >> 2)]! }
        : last;
    const [from, to] = [this.#batchFrom, this.pos];
    return {
      segment,
      from,
      to,
      events: bytes.subarray(from, to),
      count,
      firstSeq: this.#batchSeq,
      first,
      last: { sec: last.sec, nanos: last.nanos },
      state,
      effects: [],
    };
  }

  #show(batch: Batch): void {
    const { logState, counters } = this.#env;
    if (batch.count > 0) {
      logState.headSeq = batch.firstSeq + batch.count - 1;
      batch.segment.commit(batch.to);
      counters.add('events', batch.count);
    }
    for (const effect of batch.effects) effect();
  }

  /**
   * `async`: the write returns before anybody sees the batch. When it fails, the log goes on in memory.
   * @returns the batch that is to be seen
   */
  #write(history: DurableHistory, batch: Batch): Batch {
    if (this.#failure) return batch;
    const { mark } = history.writer;
    const startedMs = this.#env.elapsedMs();
    try {
      history.writer.append(batch);
    } catch (error) {
      this.#failAsync(history, mark, batch.firstSeq, error);
      return this.#move(batch);
    }
    this.#timed(startedMs);
    this.#syncSoon(history);
    return batch;
  }

  #syncSoon(history: DurableHistory): void {
    if (this.#isSyncDue) return;
    this.#isSyncDue = true;
    this.#env.later(SYNC_EVERY_MS, () => this.#syncAsync(history));
  }

  #syncAsync(history: DurableHistory): void {
    this.#isSyncDue = false;
    if (this.#failure) return;
    history.writer.sync().catch((error: unknown) => {
      if (this.#failure) return;
      // What was written is there as long as the machine lives, and clients have seen it: nothing of it is cut off.
      this.#failAsync(history, history.writer.mark, this.#batchSeq, error);
      this.openSegment();
    });
  }

  /**
   * A batch of another epoch goes to a segment of its own: readers look at a segment when they please, and at the next one
   * when they have been told of it, which is after they have been told of the epoch.
   */
  #move(batch: Batch): Batch {
    const { events, firstSeq } = batch;
    const segment = this.#openSegment(firstSeq);
    this.#segment = segment;
    const from = this.pos;
    segment.view.bytes.set(events, from);
    this.pos += events.length;
    this.#batchFrom = this.pos;
    return { ...batch, segment, from, to: this.pos };
  }

  /** Numbers from here on are not on disk: they get another epoch, so that they are never taken for those that will be. */
  #failAsync(history: DurableHistory, mark: HistoryTail | undefined, firstSeq: number, error: unknown): void {
    const { epochs, epochBegan, readers } = this.#env;
    // Also when the last one has no event yet: it may be on disk, and there without the events that it gets now.
    const span: EpochSpan = { epoch: history.newEpoch(), firstSeq };
    epochs.begin(span);
    epochBegan(span);
    for (const reader of readers) reader.post({ type: 'epoch-began', span });
    this.#fail(mark, error, () => {
      history.writer.reopen(mark);
      history.writer.begin(this.#batchSeq);
      this.#syncSoon(history);
    });
  }

  #fail(mark: HistoryTail | undefined, cause: unknown, retry: () => void): void {
    this.#failure = { mark };
    this.#env.logState.isHistoryFailed = true;
    this.#env.counters.add('historyErrors');
    this.#env.failed(asTocsinError(cause, 'ERR_HISTORY_UNWRITABLE'));
    const again = (): void => {
      try {
        retry();
      } catch {
        this.#env.counters.add('historyErrors');
        return this.#env.later(RETRY_MS, again);
      }
      this.#failure = undefined;
      this.#env.logState.isHistoryFailed = false;
      this.#env.recovered();
      this.#flush();
    };
    this.#env.later(RETRY_MS, again);
  }

  /** `sync`: batches wait for each other while the disk is busy, and go there together. */
  #wait(batch: Batch): void {
    const last = this.#waiting.at(-1);
    const isInFlight = this.#inFlight === this.#waiting.length;
    if (last && !isInFlight && last.segment === batch.segment && last.to === batch.from)
      this.#waiting[this.#waiting.length - 1] = joined(last, batch);
    else this.#waiting.push(batch);
    this.#waitingBytes += bytesOf(batch);
    this.#flush();
  }

  #flush(): void {
    const { history, moved } = this.#env;
    if (!history || this.#inFlight > 0 || this.#waiting.length === 0 || this.#failure) return;
    const batches = this.#nextFlush();
    const { mark } = history.writer;
    const startedMs = this.#env.elapsedMs();
    const fail = (error: unknown): void => {
      this.#inFlight = 0;
      this.#fail(mark, error, () => history.writer.reopen(mark));
    };
    try {
      // One write, which is there whole or not at all: a later batch must not outlive an earlier one.
      history.writer.append(batches.reduce(joined), batches.length === this.#waiting.length);
    } catch (error) {
      return fail(error);
    }
    this.#inFlight = batches.length;
    history.writer.sync().then(() => {
      this.#timed(startedMs);
      this.#inFlight = 0;
      this.#waiting.splice(0, batches.length);
      this.#waitingBytes = this.#waiting.reduce((sum, batch) => sum + bytesOf(batch), 0);
      for (const batch of batches) this.#show(batch);
      this.#flush();
      moved();
    }, fail);
  }

  /** What goes to disk together; never so much that a reader would take it for garbage. */
  #nextFlush(): Batch[] {
    let bytes = 0;
    const count = this.#waiting.findIndex((batch) => {
      bytes += batch.events.length;
      return bytes > MAX_FLUSH_BYTES;
    });
    return this.#waiting.slice(0, count < 0 ? undefined : Math.max(1, count));
  }

  #timed(startedMs: number): void {
    const tookMs = this.#env.elapsedMs() - startedMs;
    if (tookMs < SLOW_MS) return;
    this.#env.counters.add('historySlow');
    this.#env.slow(tookMs);
  }

  /** Everything was committed, and the next record does not fit. */
  openSegment(): void {
    this.#segment = this.#openSegment(this.nextSeq);
  }

  #openSegment(firstSeq: number): Segment {
    const { readers, counters } = this.#env;
    const bytes = Math.max(this.#env.segmentBytes, SEGMENT.HEADER_BYTES + MAX_EVENT_BYTES);
    const segment = Segment.create(bytes, firstSeq);
    counters.add('segmentsOpened');
    this.pos = SEGMENT.HEADER_BYTES;
    this.#batchFrom = this.pos;
    // Readers take a segment's successor as a sign that it is complete.
    this.after(() => {
      for (const reader of readers) reader.post({ type: 'segment-opened', memory: segment.memory });
    });
    return segment;
  }
}

/** Two batches, one behind the other, as one. */
function joined(left: Batch, right: Batch): Batch {
  const isOneStretch = left.segment === right.segment && left.to === right.from;
  return {
    // Of two segments it is to be written, not to be shown.
    segment: left.segment,
    from: left.from,
    to: right.to,
    events: isOneStretch
      ? left.segment.view.bytes.subarray(left.from, right.to)
      : concatenated(left.events, right.events),
    count: left.count + right.count,
    firstSeq: left.firstSeq,
    first: left.count > 0 ? left.first : right.first,
    last: right.last,
    state: [...left.state, ...right.state],
    effects: [...left.effects, ...right.effects],
  };
}

/** What it keeps waiting, more or less; never nothing. */
function bytesOf({ events, state }: NewBatch): number {
  return events.length + 256 * state.length + 1;
}

function concatenated(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}
