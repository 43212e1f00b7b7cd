import { EventView } from '../codec/event-record.ts';
import { readBatchHead, type BatchHead } from '../codec/publish-batch.ts';
import { markOf } from '../codec/record-mark.ts';
import { asTocsinError, type ErrorData } from '../event/errors.ts';
import type { PublisherTable, SavedPublisher } from '../event/publisher-table.ts';
import type { SourceTable } from '../event/source-table.ts';
import type { Counters } from '../messages/counters.ts';
import { EVENT } from '../messages/layout.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { Outbox } from './actor.ts';
import type { EngineContainers } from './engine-containers.ts';

/** Where events of an intake go. */
export interface Appender {
  /** Appends the packed record at this offset of the ring. @returns its number in the log */
  append(ring: PublishRing, at: number, length: number): number;
}

const NO_PROGRESS: readonly SavedPublisher[] = [];

interface OpenBatch extends BatchHead {
  /** Events of it that have not been looked at. */
  left: number;
  /** Events at its beginning that the log has already. */
  readonly repeated: number;
  /** Of its newest event in the log. */
  seq: number;
  readonly error: ErrorData | undefined;
}

export interface PublishIntakeEnv {
  readonly table: PublisherTable;
  readonly sources: SourceTable;
  readonly containers: EngineContainers;
  readonly counters: Counters;
}

/** The collector's end of one publish ring: takes events, tells batches apart, and answers those once they are committed. */
export class PublishIntake {
  readonly #ring: PublishRing;
  readonly #view: EventView;
  readonly #publisher: Outbox<PublisherNotice>;
  readonly #env: PublishIntakeEnv;
  #batch: OpenBatch | undefined;
  /** For batches that are complete but not committed. */
  #answers: PublisherNotice[] = [];
  /** Of publishers whose events were taken. */
  readonly #progress = new Map<string, SavedPublisher>();

  constructor(ring: PublishRing, publisher: Outbox<PublisherNotice>, env: PublishIntakeEnv) {
    this.#ring = ring;
    this.#view = new EventView(ring.words.buffer);
    this.#publisher = publisher;
    this.#env = env;
  }

  get isEmpty(): boolean {
    return this.#ring.isEmpty;
  }

  /** Takes at most `limit` entries. @returns how many it took */
  take(limit: number, log: Appender): number {
    const ring = this.#ring;
    let taken = 0;
    let published = 0;
    for (let at = ring.peek(); at !== undefined && taken < limit; at = ring.peek()) {
      const length = ring.words[at >> 2]!;
      const head = readBatchHead(ring.bytes, ring.words, at);
      if (head) this.#begin(head);
      else if (this.#takeEvent(at, length, log)) published += 1;
      ring.release(length);
      taken += 1;
    }
    if (published > 0) this.#env.counters.add('published', published);
    if (taken > 0 && ring.claimProducer()) this.#publisher.post({ type: 'room-freed' });
    return taken;
  }

  /** What is to be told of batches that are complete, once they are in the log for good. */
  takeAnswers(): readonly PublisherNotice[] {
    if (this.#answers.length === 0) return this.#answers;
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }

  post(notices: readonly PublisherNotice[]): void {
    for (const notice of notices) this.#publisher.post(notice);
  }

  /**
   * How far the publisher has come whose events were taken since this was asked last: it is kept with them, so that a retry
   * is recognised whatever became of its batch.
   */
  takeProgress(): readonly SavedPublisher[] {
    const batch = this.#batch;
    if (batch) this.#note(batch);
    if (this.#progress.size === 0) return NO_PROGRESS;
    const progress = [...this.#progress.values()];
    this.#progress.clear();
    return progress;
  }

  sleepUntilRecords(): boolean {
    return this.#ring.sleepUntilRecords();
  }

  close(): void {
    this.#ring.close();
  }

  /** @returns whether the event was appended */
  #takeEvent(at: number, length: number, log: Appender): boolean {
    const batch = this.#batch;
    if (!batch) {
      log.append(this.#ring, at, length);
      return true;
    }
    const index = batch.events - batch.left;
    const isNew = !batch.error && index >= batch.repeated;
    if (isNew) {
      batch.seq = log.append(this.#ring, at, length);
      // Behind it: what is known of a source is kept with the events that it is known of.
      if (batch.origin && 'source' in batch.origin) this.#noteSource(batch.origin.source, at, length, batch.seq);
    }
    batch.left -= 1;
    if (batch.left === 0) this.#finish(batch);
    return isNew;
  }

  #begin(head: BatchHead): void {
    const { origin, events } = head;
    try {
      const { count, seq } =
        origin && 'publisher' in origin
          ? this.#env.table.repeated(origin.publisher, origin.sequence, events)
          : { count: 0, seq: 0 };
      this.#batch = { ...head, left: events, repeated: count, seq, error: undefined };
    } catch (error) {
      this.#batch = { ...head, left: events, repeated: 0, seq: 0, error: asTocsinError(error).toData() };
    }
  }

  #noteSource(name: string, at: number, length: number, seq: number): void {
    const { words } = this.#ring;
    this.#view.at = at;
    const { isSourceGap, isSynthetic } = this.#view;
    if (isSourceGap) return;
    this.#env.containers.note(this.#view, seq, name);
    // A source's own word is none that its engine could send again.
    if (isSynthetic) return;
    const sec = words[(at + EVENT.SOURCE_SEC) >> 2]! >>> 0;
    const nanos = words[(at + EVENT.SOURCE_NANOS) >> 2]!;
    this.#env.sources.note(name, { sec, nanos }, markOf(words, at, length));
  }

  #finish(batch: OpenBatch): void {
    const { requestId, events, repeated, seq, error } = batch;
    this.#batch = undefined;
    if (error) {
      this.#answers.push({ type: 'batch-refused', requestId, error });
      return;
    }
    if (repeated > 0) this.#env.counters.add('eventsRepeated', repeated);
    this.#note(batch);
    this.#answers.push({ type: 'batch-appended', requestId, seq, appended: events - repeated, repeated });
  }

  /** Remembers how far the batch's publisher has come. A retry of old events says nothing about newer ones. */
  #note({ origin, events, left, repeated, seq, error }: OpenBatch): void {
    const taken = events - left;
    if (!origin || 'source' in origin || error || taken <= repeated) return;
    const { table, counters } = this.#env;
    const next = origin.sequence + taken;
    if (table.note(origin.publisher, next, seq)) counters.add('publishersForgotten');
    this.#progress.set(origin.publisher, { name: origin.publisher, next, seq });
  }
}
