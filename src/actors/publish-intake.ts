import { EventView } from '../codec/event-record.ts';
import { readBatchHead, type BatchHead } from '../codec/publish-batch.ts';
import { markOf } from '../codec/record-mark.ts';
import type { PublisherTable, SavedPublisher } from '../event/publisher-table.ts';
import type { SourceTable } from '../event/source-table.ts';
import type { Counters } from '../messages/counters.ts';
import { EVENT } from '../messages/layout.ts';
import type { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { Outbox } from './actor.ts';
import type { EngineContainers } from './engine-containers.ts';
import type { IntakeProgress } from './intake-progress.ts';

/** Where events of an intake go. */
export interface Appender {
  /** Appends the packed record at this offset of the ring. @returns its number in the log */
  append(ring: PublishRing, at: number, length: number): number;
}

const NO_PUBLISHERS: readonly SavedPublisher[] = [];
/** In the place of the number of repeated events. */
const REFUSED = -1;

interface OpenBatch extends BatchHead {
  /** Where its head is in the ring. */
  readonly position: number;
  /** Events of it that have not been looked at. */
  left: number;
  /** Events at its beginning that the log has already; REFUSED when none of them is wanted. */
  readonly repeated: number;
  /** Of its newest event in the log; of a refused one the number that was expected. */
  seq: number;
}

export interface PublishIntakeEnv {
  readonly table: PublisherTable;
  readonly sources: SourceTable;
  readonly containers: EngineContainers;
  readonly counters: Counters;
  /** The last commit that an intake on this ring before this one can have seen come true. */
  readonly commit: number;
}

/**
 * The collector's end of one publish ring: takes events, tells batches apart, and answers those. What it takes stays in the ring
 * until its events are committed, a batch until all of it is.
 */
export class PublishIntake {
  readonly #ring: PublishRing;
  readonly #view: EventView;
  readonly #publisher: Outbox<PublisherNotice>;
  readonly #env: PublishIntakeEnv;
  /** In the ring, behind what was taken. */
  #position: number;
  #batch: OpenBatch | undefined;
  /** Batches that were answered, those that are not committed included. */
  #answers: number;
  #hasProgress = false;
  /** Of publishers whose events were taken. */
  readonly #publishers = new Map<string, SavedPublisher>();

  constructor(ring: PublishRing, publisher: Outbox<PublisherNotice>, env: PublishIntakeEnv) {
    this.#ring = ring;
    this.#view = new EventView(ring.words.buffer);
    this.#publisher = publisher;
    this.#env = env;
    const [tail = 0, taken = 0, repeated = 0, seq = 0, answers = 0] = ring.progress.resume(env.commit);
    ring.release(tail);
    ring.answered = answers;
    this.#position = tail;
    this.#answers = answers;
    if (taken > 0) this.#resume(taken, repeated, seq);
  }

  /** Nothing waits in the ring, and everything that was taken is committed. */
  get isEmpty(): boolean {
    return this.#ring.isEmpty;
  }

  /** Takes at most `limit` entries. @returns how many it took */
  take(limit: number, log: Appender): number {
    const ring = this.#ring;
    let taken = 0;
    let published = 0;
    while (taken < limit) {
      const position = ring.entryFrom(this.#position);
      if (position === undefined) break;
      const at = ring.offsetOf(position);
      const length = ring.words[at >> 2]!;
      const head = readBatchHead(ring.bytes, ring.words, at);
      if (head) this.#begin(head, position);
      // It may commit what came before this one.
      else if (this.#takeEvent(at, length, log)) published += 1;
      this.#position = (position + length) | 0;
      this.#hasProgress = true;
      taken += 1;
    }
    if (published > 0) this.#env.counters.add('published', published);
    return taken;
  }

  /** Since this was asked last; undefined when nothing was taken. */
  takeProgress(): IntakeProgress | undefined {
    if (!this.#hasProgress) return undefined;
    this.#hasProgress = false;
    const ring = this.#ring;
    const batch = this.#batch;
    const answers = this.#answers;
    const tail = batch ? batch.position : this.#position;
    const values = batch
      ? [tail, batch.events - batch.left, batch.repeated, batch.seq, answers]
      : [tail, 0, 0, 0, answers];
    return {
      of: this,
      prepare: (commit) => ring.progress.prepare(commit, values),
      release: () => {
        ring.progress.committed();
        ring.release(tail);
        if (answers >>> 0 !== ring.answered) {
          ring.answered = answers;
          this.#publisher.post({ type: 'answers-ready', count: answers });
        }
        if (ring.claimProducer()) this.#publisher.post({ type: 'room-freed' });
      },
    };
  }

  /** Tells the publisher what it may not have heard from a collector before this one. */
  greet(): void {
    this.post({ type: 'answers-ready', count: this.#ring.answered });
    this.post({ type: 'room-freed' });
  }

  post(notice: PublisherNotice): void {
    this.#publisher.post(notice);
  }

  /**
   * How far the publishers have come whose events were taken since this was asked last: it is kept with them, so that a retry
   * is recognised whatever became of its batch.
   */
  takePublishers(): readonly SavedPublisher[] {
    const batch = this.#batch;
    if (batch) this.#note(batch);
    if (this.#publishers.size === 0) return NO_PUBLISHERS;
    const publishers = [...this.#publishers.values()];
    this.#publishers.clear();
    return publishers;
  }

  sleepUntilRecords(): boolean {
    return this.#ring.sleepUntilRecords(this.#position);
  }

  close(): void {
    this.#ring.close();
  }

  /** Goes on with a batch of which a collector before this one took some events. */
  #resume(taken: number, repeated: number, seq: number): void {
    const ring = this.#ring;
    const position = ring.entryFrom(this.#position)!;
    const at = ring.offsetOf(position);
    const head = readBatchHead(ring.bytes, ring.words, at)!;
    this.#batch = { ...head, position, left: head.events - taken, repeated, seq };
    let end = at + ring.words[at >> 2]!;
    for (let index = 0; index < taken; index += 1) end += ring.words[end >> 2]!;
    this.#position = (position + end - at) | 0;
  }

  /** @returns whether the event was appended */
  #takeEvent(at: number, length: number, log: Appender): boolean {
    const batch = this.#batch;
    if (!batch) {
      log.append(this.#ring, at, length);
      return true;
    }
    const index = batch.events - batch.left;
    const isNew = batch.repeated !== REFUSED && index >= batch.repeated;
    if (isNew) {
      batch.seq = log.append(this.#ring, at, length);
      // Behind it: what is known of a source is kept with the events that it is known of.
      if (batch.origin && 'source' in batch.origin) this.#noteSource(batch.origin.source, at, length, batch.seq);
    }
    batch.left -= 1;
    if (batch.left === 0) this.#finish(batch);
    return isNew;
  }

  #begin(head: BatchHead, position: number): void {
    const { origin, events } = head;
    const known =
      origin && 'publisher' in origin
        ? this.#env.table.repeated(origin.publisher, origin.sequence, events)
        : { count: 0, seq: 0 };
    const [repeated, seq] = 'expected' in known ? [REFUSED, known.expected] : [known.count, known.seq];
    this.#batch = { ...head, position, left: events, repeated, seq };
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
    const { requestId, events, repeated, seq } = batch;
    const isRefused = repeated === REFUSED;
    this.#batch = undefined;
    if (!isRefused) {
      if (repeated > 0) this.#env.counters.add('eventsRepeated', repeated);
      this.#note(batch);
    }
    const [appended, again] = isRefused ? [0, 0] : [events - repeated, repeated];
    this.#ring.writeAnswer(this.#answers, { requestId, isRefused, seq, appended, repeated: again });
    this.#answers = (this.#answers + 1) >>> 0;
  }

  /** Remembers how far the batch's publisher has come. A retry of old events says nothing about newer ones. */
  #note({ origin, events, left, repeated, seq }: OpenBatch): void {
    const taken = events - left;
    if (!origin || 'source' in origin || repeated === REFUSED || taken <= repeated) return;
    const { table, counters } = this.#env;
    const next = origin.sequence + taken;
    if (table.note(origin.publisher, next, seq)) counters.add('publishersForgotten');
    this.#publishers.set(origin.publisher, { name: origin.publisher, next, seq });
  }
}
