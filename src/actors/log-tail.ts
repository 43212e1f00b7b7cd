import type { Epoch } from '../event/cursor.ts';
import type { Epochs, EpochSpan } from '../event/epochs.ts';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import type { HistoryTail, HistoryWriter } from '../history/history-writer.ts';
import type { SavedState } from '../history/saved-state.ts';
import { Segment } from '../history/segment.ts';
import { StateLog } from '../history/state-log.ts';
import type { KeeperNotice, LogNotice } from '../messages/collector.ts';
import type { CommitJournal, LogPosition } from '../messages/commit-journal.ts';
import type { Counters } from '../messages/counters.ts';
import { EVENT, MAX_EVENT_BYTES, SEGMENT } from '../messages/layout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Later, Outbox } from './actor.ts';
import type { IntakeProgress } from './intake-progress.ts';
import { type Batch, joined } from './log-batch.ts';
import { SyncQueue } from './sync-queue.ts';

/** Under `async`, a loss of power takes what was written within this time. */
const SYNC_EVERY_MS = 100;
const RETRY_MS = 1_000;
/** Under `sync`: what may wait for the disk before intake waits too. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
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
  /** Where the log goes on: what an earlier process left, or an earlier collector. */
  readonly journal: CommitJournal;
  /** The newest segment, when an earlier collector wrote it. */
  readonly lastSegment: SharedArrayBuffer | undefined;
  /** Everything that the log knows besides events, now. */
  readonly snapshot: () => Iterable<SavedState>;
  /** Keeps the memory of the log, for whoever goes on when this thread has died. */
  readonly keeper: Outbox<KeeperNotice>;
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

/**
 * The end of the log: where records are put, and how a batch of them becomes visible. Without a history that is one store; with
 * one, the batch is on disk before, as far as `durability` asks. Whatever was promised about a batch happens behind that.
 */
export class LogTail {
  readonly #env: LogTailEnv;
  #segment: Segment;
  /** Segments so far. */
  #segments: number;
  /** Where the next record goes. */
  pos: number = SEGMENT.HEADER_BYTES;
  nextSeq: number;
  #batchFrom: number = SEGMENT.HEADER_BYTES;
  #batchSeq: number;
  readonly #waiting = new SyncQueue();
  #isSyncDue = false;
  /** Why the disk takes nothing at the moment, and where to go on when it does. */
  #failure: { readonly mark: HistoryTail | undefined } | undefined;
  readonly #stateLog: StateLog;

  constructor(env: LogTailEnv) {
    this.#env = env;
    const { journal, keeper, snapshot } = env;
    const { headSeq, stateLog, file, fileLength } = journal.position;
    this.nextSeq = headSeq + 1;
    this.#batchSeq = this.nextSeq;
    const opened = (memory: SharedArrayBuffer): void => keeper.post({ type: 'state-log-opened', memory });
    this.#stateLog = new StateLog(stateLog + 1, { snapshot, opened });
    // Of the newest one not everybody may have heard: then nothing in it can be seen, and nobody needs it.
    this.#segments = env.lastSegment ? Segment.of(env.lastSegment).number : 0;
    if (env.lastSegment) for (const reader of env.readers) this.introduce(reader);
    if (env.history) this.#resume(env.history, file > 0 ? { firstSeq: file, length: fileLength } : undefined);
    this.#segment = this.#openSegment(this.nextSeq);
  }

  /** Tells a reader that has just come, or that another collector may have left half told, of every epoch. It has its segments. */
  introduce(reader: Outbox<LogNotice>): void {
    for (const span of this.#env.epochs.spans) reader.post({ type: 'epoch-began', span });
  }

  /** What was written and not committed is cut off; nobody has seen it. */
  #resume(history: DurableHistory, mark: HistoryTail | undefined): void {
    const { epochs, logState, lastSegment } = this.#env;
    const isSync = history.durability === 'sync';
    const nextSeq = this.#batchSeq;
    // Not all of it is of one epoch.
    const needsAnother = mark !== undefined && epochs.spans.at(-1)!.firstSeq > mark.firstSeq;
    const goOn = (): void => {
      if (needsAnother) return this.#goOnAsync(history, mark, nextSeq);
      history.writer.reopen(mark, nextSeq);
      if (!isSync) this.#syncSoon(history);
    };
    try {
      if (logState.isHistoryFailed) throw new TocsinError('ERR_HISTORY_UNWRITABLE', 'it could not be before');
      goOn();
    } catch (error) {
      // At the very start somebody is there to hear of it.
      if (!lastSegment) throw error;
      if (isSync) this.#fail(mark, error, goOn);
      // Another epoch once more: a file may have been begun for the one before, which does not know of what comes now.
      else this.#failAsync(history, mark, nextSeq, error);
    }
  }

  /** In a file of its own: what the memory has beside it is not on disk, or what stands there is of another epoch. */
  #goOnAsync(history: DurableHistory, mark: HistoryTail | undefined, nextSeq: number): void {
    const { writer } = history;
    writer.reopen(mark, nextSeq);
    writer.begin(this.#batchSeq);
    // Whoever goes on must not do so in the file before, which lacks what only the memory has.
    this.#stand({ file: writer.mark!.firstSeq, fileLength: writer.mark!.length });
    this.#syncSoon(history);
  }

  /** The writer may not know yet what an earlier one knew. */
  get #safeBefore(): number {
    const { journal, history } = this.#env;
    return Math.max(journal.position.safeBefore, history?.writer.safeBefore ?? 0);
  }

  /** A commit that changes nothing but this. */
  #stand(changes: Partial<LogPosition>): void {
    const { journal } = this.#env;
    journal.prepare({ ...journal.position, ...changes });
    journal.commit();
  }

  /** Where records are written. */
  get segment(): Segment {
    return this.#segment;
  }

  /** Intake has to wait for the disk. */
  get isStalled(): boolean {
    return this.#waiting.bytes > MAX_WAITING_BYTES || (this.#failure !== undefined && !this.#waiting.isEmpty);
  }

  /**
   * What was put since the last call becomes one batch.
   * @param state what else is to be known behind it, @param progress what was taken for it
   */
  commit(last: Timestamp, state: readonly SavedState[], progress: readonly IntakeProgress[]): void {
    const count = this.nextSeq - this.#batchSeq;
    if (count === 0 && state.length === 0 && progress.length === 0) return;
    const { history } = this.#env;
    this.#stateLog.append(state, this.#waiting.isEmpty);
    const batch = this.#batchOf(count, last, state, progress);
    this.#batchFrom = this.pos;
    this.#batchSeq = this.nextSeq;
    if (history?.durability === 'sync') return this.#wait(history, batch);
    this.#show(history && (count > 0 || state.length > 0) ? this.#write(history, batch) : batch);
  }

  /** Every later event will be later than this, whoever goes on with the log. */
  promise(time: Timestamp): void {
    // Later events may have been committed meanwhile.
    if (compareTime(time, this.#env.journal.position) > 0) this.#stand({ sec: time.sec, nanos: time.nanos });
  }

  /** Does it once everything that was committed before can be seen. */
  after(effect: () => void): void {
    const { last } = this.#waiting;
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

  #batchOf(count: number, last: Timestamp, state: readonly SavedState[], progress: readonly IntakeProgress[]): Batch {
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
      progress,
      stateLog: this.#stateLog.number,
      stateLogEnd: this.#stateLog.end,
      effects: [],
    };
  }

  /** Behind the store in the journal it has happened: everything after that is done by whoever goes on, if this thread does not. */
  #show(batch: Batch): void {
    const { logState, counters, journal, history } = this.#env;
    const { segment, progress, last, stateLog, stateLogEnd } = batch;
    const headSeq = batch.firstSeq + batch.count - 1;
    const mark = this.#failure ? this.#failure.mark : history?.writer.mark;
    const commit = journal.prepare({
      headSeq,
      sec: last.sec,
      nanos: last.nanos,
      segment: segment.number,
      segmentEnd: batch.to,
      stateLog,
      stateLogEnd,
      file: mark?.firstSeq ?? 0,
      fileLength: mark?.length ?? 0,
      safeBefore: this.#safeBefore,
    });
    for (const each of progress) each.prepare(commit);
    journal.commit();
    if (batch.count > 0) {
      logState.headSeq = headSeq;
      segment.commit(batch.to);
      counters.add('events', batch.count);
    }
    for (const each of progress) each.release();
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
    this.#fail(mark, error, () => this.#goOnAsync(history, mark, firstSeq));
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
      if (this.#env.history) this.#flush(this.#env.history);
    };
    this.#env.later(RETRY_MS, again);
  }

  /** `sync`: batches wait for each other while the disk is busy, and go there together. */
  #wait(history: DurableHistory, batch: Batch): void {
    this.#waiting.add(batch);
    this.#flush(history);
  }

  #flush(history: DurableHistory): void {
    if (this.#failure) return;
    const batches = this.#waiting.take();
    if (!batches) return;
    const { mark } = history.writer;
    const startedMs = this.#env.elapsedMs();
    const fail = (error: unknown): void => {
      this.#waiting.failed();
      this.#fail(mark, error, () => history.writer.reopen(mark, batches[0]!.firstSeq));
    };
    try {
      // One write, which is there whole or not at all: a later batch must not outlive an earlier one.
      history.writer.append(batches.reduce(joined), this.#waiting.isAllInFlight);
    } catch (error) {
      return fail(error);
    }
    history.writer.sync().then(() => {
      this.#timed(startedMs);
      this.#waiting.settled();
      for (const batch of batches) this.#show(batch);
      this.#flush(history);
      this.#env.moved();
    }, fail);
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
    const { readers, keeper, counters } = this.#env;
    const bytes = Math.max(this.#env.segmentBytes, SEGMENT.HEADER_BYTES + MAX_EVENT_BYTES);
    this.#segments += 1;
    const segment = Segment.create(bytes, firstSeq, this.#segments);
    counters.add('segmentsOpened');
    this.pos = SEGMENT.HEADER_BYTES;
    this.#batchFrom = this.pos;
    // Readers take a segment's successor as a sign that it is complete.
    this.after(() => {
      const notice = { type: 'segment-opened', memory: segment.memory } as const;
      keeper.post(notice);
      for (const reader of readers) reader.post(notice);
    });
    return segment;
  }
}
