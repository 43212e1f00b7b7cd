import { assertNever } from '../event/errors.ts';
import { LogReader } from '../history/log-reader.ts';
import { RetainedLog, type RetentionLimits } from '../history/retained-log.ts';
import type { BufferReply, BufferRequest } from '../messages/buffer.ts';
import type { LogNotice } from '../messages/collector.ts';
import type { Counters } from '../messages/counters.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Clock, Outbox } from './actor.ts';

interface Waiting {
  readonly request: Extract<BufferRequest, { type: 'read-page' }>;
  readonly shard: Outbox<BufferReply>;
}

/**
 * The `buffer`: the log's past. Follows the log, enforces retention, and hands cursors that are behind the pages they ask
 * for, by reference.
 */
export class HistoryBuffer {
  readonly #reader: LogReader;
  readonly #log: RetainedLog;
  readonly #logState: LogState;
  readonly #clock: Clock;
  readonly #counters: Counters;
  /** Pages that a shard has asked for before this thread saw their records. At most one per client. */
  #waiting: Waiting[] = [];

  constructor(env: {
    readonly logState: LogState;
    readonly limits: RetentionLimits;
    readonly clock: Clock;
    readonly counters: Counters;
  }) {
    this.#reader = new LogReader(env.logState.memory, 0);
    this.#log = new RetainedLog(env.limits);
    this.#logState = env.logState;
    this.#clock = env.clock;
    this.#counters = env.counters;
  }

  receive(notice: LogNotice): void {
    switch (notice.type) {
      case 'segment-opened':
        this.#log.open(this.#reader.open(notice.memory));
        return this.#takeIn();
      case 'appended':
      case 'sealed':
        return this.#takeIn();
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
        return shard.post({ type: 'time-located', requestId: request.requestId, seq: this.#log.locate(request.time) });
      case 'read-page':
        this.#takeIn();
        if (!this.#serve(request, shard)) this.#waiting.push({ request, shard });
        return;
      default:
        return assertNever(request);
    }
  }

  /** Now and then: retention by age. */
  tick(): void {
    this.#retain();
  }

  #takeIn(): void {
    do {
      for (let run = this.#reader.take(); run; run = this.#reader.take()) {
        this.#log.append(run);
        this.#retain();
      }
    } while (!this.#reader.sleep());
    if (this.#waiting.length > 0)
      this.#waiting = this.#waiting.filter(({ request, shard }) => !this.#serve(request, shard));
  }

  #retain(): void {
    const gone = this.#log.retain(this.#clock.now());
    if (gone.segments > 0) this.#counters.add('segmentsDropped', gone.segments);
    if (gone.events > 0) this.#counters.add('eventsExpired', gone.events);
    this.#logState.oldestSeq = this.#log.oldestSeq;
  }

  /** @returns false when the records have not come yet */
  #serve(request: Extract<BufferRequest, { type: 'read-page' }>, shard: Outbox<BufferReply>): boolean {
    const { requestId, seq } = request;
    const page = this.#log.page(Math.max(seq, this.#log.oldestSeq));
    if (!page) return false;
    this.#counters.add('pagesServed');
    const { segment, from, to, firstSeq } = page;
    shard.post({ type: 'page-read', requestId, memory: segment.memory, from, to, firstSeq });
    return true;
  }
}
