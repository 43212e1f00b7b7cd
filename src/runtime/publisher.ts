import { EventPacker } from '../codec/event-packer.ts';
import { packBatchHead, type SourceOrigin } from '../codec/publish-batch.ts';
import type { Epochs } from '../event/epochs.ts';
import { located, TocsinError } from '../event/errors.ts';
import type { NewEvent } from '../event/event.ts';
import { sequenceError } from '../event/publisher-table.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import { ANSWER } from '../messages/layout.ts';
import type { BatchAnswer, PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';

/** Who publishes, so that a batch that is sent again is recognised. */
export interface PublishOrigin {
  /** A name of 1 to 128 characters. Its batches are to be sent one after the other, each when the one before is answered. */
  readonly publisher: string;
  /** The publisher's own number of the batch's first event; the others follow without holes. */
  readonly sequence: number;
}

/** What became of a batch: all of it is in the log, up to `cursor`. */
export interface Published {
  readonly cursor: string;
  readonly appended: number;
  /** Events that an earlier try had brought in already. */
  readonly repeated: number;
}

export type PublishOutcome = 'accepted' | 'full' | 'closed';

/** Bytes of one part of a batch; the longest, with an event of 64 KiB too much, fits into the ring however that is filled. */
const PART_BYTES = 128 * 1024;
/** Bytes that wait for room in the ring. */
export const MAX_WAITING_BYTES = 8 * 1024 * 1024;
const MAX_NAME_CHARS = 128;
/** More than can wait for an answer at a time, by far. */
const IDS_PER_LIFE = 0x1000000;

interface Part {
  readonly head: Uint8Array;
  /** The packer's own memory until the call that brought them returns, then a copy. */
  records: Uint8Array;
}

interface Request {
  readonly origin: PublishOrigin | SourceOrigin | undefined;
  left: number;
  appended: number;
  repeated: number;
  seq: number;
  resolve(published: Published): void;
  reject(error: TocsinError): void;
}

/** A part that waits for its answer. */
interface Pending {
  readonly request: Request;
  /** Events of the request before it. */
  readonly from: number;
}

/** One thread's way into the log: a ring of its own, and the acknowledgements that come back. */
export class Publisher {
  readonly #ring: PublishRing;
  readonly #epochs: Epochs;
  readonly #wakeCollector: (command: CollectorCommand) => void;
  readonly #pending = new Map<number, Pending>();
  /** Parts that found the ring full, in order. */
  readonly #waiting: Part[] = [];
  #waitingBytes = 0;
  /** Answers that have been read. */
  #answered: number;
  #lastId: number;
  #onSettled: (() => void)[] = [];
  #closed: TocsinError | undefined;
  /** Kept for the next call; away while one uses it, because reading an event may run code of the embedding program. */
  #idlePacker: EventPacker | undefined;

  /** @param life counts those who have had the ring: answers to one before this are for nobody */
  constructor(ring: PublishRing, epochs: Epochs, wakeCollector: (command: CollectorCommand) => void, life = 0) {
    this.#ring = ring;
    this.#epochs = epochs;
    this.#wakeCollector = wakeCollector;
    this.#answered = ring.answered;
    this.#lastId = (life * IDS_PER_LIFE) >>> 0;
  }

  /** Never waits. @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE */
  publish(event: NewEvent): PublishOutcome {
    return this.#withPacker((packer) => {
      packer.add(event);
      if (this.#closed) return 'closed';
      // What waits was handed over before.
      if (this.#waiting.length > 0) return 'full';
      const outcome = this.#offer(packer.records(0, 1));
      return outcome === 'queued' ? 'accepted' : outcome;
    });
  }

  /**
   * Resolves when every event of the batch is in the log.
   * @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE (nothing is appended then), ERR_OPTION_INVALID, ERR_PUBLISH_FULL,
   * ERR_PUBLISHER_SEQUENCE, ERR_PIPELINE_CLOSED (then it is not known what was appended, a retry will tell)
   */
  async publishDurable(events: readonly NewEvent[], origin?: PublishOrigin): Promise<Published> {
    if (!Array.isArray(events)) throw new TocsinError('ERR_EVENT_INVALID', 'expected a list of events');
    return this.#withPacker((packer) => {
      for (let index = 0; index < events.length; index += 1) addNumbered(packer, events[index], index);
      return this.publishPacked(packer, origin);
    });
  }

  /**
   * As publishDurable, for events that have been packed. They are copied before this returns: the packer may be used again.
   * @throws as publishDurable
   */
  async publishPacked(events: EventPacker, origin?: PublishOrigin | SourceOrigin): Promise<Published> {
    if (origin && 'publisher' in origin) checkOrigin(origin, events.count);
    if (this.#closed) throw this.#closed;
    if (events.count === 0) throw new TocsinError('ERR_EVENT_INVALID', 'a batch needs an event');
    if (this.#waitingBytes > 0 && this.#waitingBytes + events.bytesOf(events.count) > MAX_WAITING_BYTES) {
      throw new TocsinError('ERR_PUBLISH_FULL', `${this.#waitingBytes} bytes wait to be published already`, {
        detail: { limit: 'publish-waiting-bytes', maximum: MAX_WAITING_BYTES },
      });
    }
    return new Promise((resolve, reject) => {
      const request: Request = { origin, left: 0, appended: 0, repeated: 0, seq: 0, resolve, reject };
      const parts = this.#partsOf(request, events, origin);
      this.#waiting.push(...parts);
      for (const part of parts) this.#waitingBytes += bytesOf(part);
      this.#flush();
      for (const part of this.#waiting.slice(-parts.length)) part.records = part.records.slice();
    });
  }

  receive(notice: PublisherNotice): void {
    switch (notice.type) {
      case 'room-freed':
        return this.#flush();
      case 'epoch-began':
        return this.#epochs.begin(notice.span);
      case 'answers-ready':
        return this.#readAnswers(notice.count);
    }
  }

  /** The collector has begun anew, and may not hear what the one before was told. */
  wakeCollector(): void {
    this.#wakeCollector({ type: 'records-available' });
  }

  /** Resolves when nothing waits for an answer. */
  settled(): Promise<void> {
    return this.#pending.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#onSettled.push(resolve));
  }

  /** Nothing is taken any more; what has not been answered fails with this error. */
  close(error: TocsinError): void {
    this.#closed ??= error;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    for (const { request } of this.#pending.values()) request.reject(error);
    this.#pending.clear();
    this.#settle();
  }

  /** A batch in parts that fit into the ring; each is answered by itself. */
  #partsOf(request: Request, events: EventPacker, origin: PublishOrigin | SourceOrigin | undefined): Part[] {
    const { count } = events;
    const parts: Part[] = [];
    for (let from = 0; from < count; ) {
      const limit = events.bytesOf(from) + PART_BYTES;
      let to = from + 1;
      while (to < count && events.bytesOf(to + 1) <= limit) to += 1;
      this.#lastId = (this.#lastId + 1) >>> 0;
      const head = packBatchHead({
        requestId: this.#lastId,
        events: to - from,
        origin: origin && 'publisher' in origin ? { ...origin, sequence: origin.sequence + from } : origin,
      });
      this.#pending.set(this.#lastId, { request, from });
      parts.push({ head, records: events.records(from, to) });
      request.left += 1;
      from = to;
    }
    return parts;
  }

  #withPacker<T>(use: (packer: EventPacker) => T): T {
    const packer = this.#idlePacker ?? new EventPacker();
    this.#idlePacker = undefined;
    try {
      return use(packer);
    } finally {
      packer.clear();
      this.#idlePacker = packer;
    }
  }

  #flush(): void {
    for (let part = this.#waiting[0]; part; part = this.#waiting[0]) {
      // Each has a place for its answer.
      if (this.#pending.size - this.#waiting.length >= ANSWER.COUNT) return;
      const outcome = this.#offer(part.head, part.records);
      if (outcome === 'closed') return this.close(closed());
      if (outcome === 'full') {
        if (this.#ring.sleepUntilRoom(bytesOf(part))) return;
        continue;
      }
      this.#waiting.shift();
      this.#waitingBytes -= bytesOf(part);
    }
  }

  #offer(first: Uint8Array, rest?: Uint8Array): 'full' | 'closed' | 'queued' {
    const outcome = this.#ring.offer(first, rest);
    if (outcome !== 'wake') return outcome;
    this.#wakeCollector({ type: 'records-available' });
    return 'queued';
  }

  /** @param count so many are told of; about those behind them an epoch may be told before */
  #readAnswers(count: number): void {
    for (; this.#answered !== count; this.#answered = (this.#answered + 1) >>> 0)
      this.#onAnswer(this.#ring.answer(this.#answered));
    this.#settle();
    this.#flush();
  }

  #onAnswer({ requestId, isRefused, appended, repeated, seq }: BatchAnswer): void {
    const pending = this.#pending.get(requestId);
    if (!pending) return;
    this.#pending.delete(requestId);
    const { request, from } = pending;
    const { origin } = request;
    if (isRefused && origin && 'publisher' in origin) {
      // Parts behind a refused one are refused as well: their numbers do not follow.
      request.reject(sequenceError(origin.publisher, seq, origin.sequence + from));
      return;
    }
    request.left -= 1;
    request.appended += appended;
    request.repeated += repeated;
    request.seq = Math.max(request.seq, seq);
    if (request.left > 0) return;
    request.resolve({
      cursor: this.#epochs.cursor(request.seq),
      appended: request.appended,
      repeated: request.repeated,
    });
  }

  #settle(): void {
    if (this.#pending.size > 0) return;
    for (const resolve of this.#onSettled.splice(0)) resolve();
  }
}

function bytesOf({ head, records }: Part): number {
  return head.length + records.length;
}

function addNumbered(packer: EventPacker, event: NewEvent, index: number): void {
  try {
    packer.add(event);
  } catch (error) {
    throw located(error, `event ${index + 1}`);
  }
}

function checkOrigin({ publisher, sequence }: PublishOrigin, events: number): void {
  if (typeof publisher !== 'string' || publisher === '' || publisher.length > MAX_NAME_CHARS)
    throw new TocsinError('ERR_OPTION_INVALID', `publisher: expected 1 to ${MAX_NAME_CHARS} characters`);
  if (!Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(sequence + events))
    throw new TocsinError('ERR_OPTION_INVALID', `sequence: expected a whole number from 1 on, got ${String(sequence)}`);
}

export function closed(): TocsinError {
  return new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline is closed');
}
