import { TocsinError } from '../event/errors.ts';
import type { ContainerInfo, Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';
import type { BufferReply, BufferRequest, WantedEvents } from '../messages/buffer.ts';
import type { CollectorReply, CollectorRequest } from '../messages/collector.ts';
import type { Outbox } from './actor.ts';

type Reply = BufferReply | CollectorReply;
type PageReply = Extract<BufferReply, { type: 'page-read' }>;

interface Pending {
  readonly of: 'buffer' | 'collector';
  readonly post: () => void;
  readonly resolve: (reply: Reply) => void;
}

/** More than one shard asks while it lives. */
const IDS_PER_LIFE = 2 ** 32;

/** What a shard asks of the buffer and the collector, and the answers on their way. Ends with the pipeline, as they do. */
export class Asks {
  readonly #buffer: Outbox<BufferRequest>;
  readonly #collector: Outbox<CollectorRequest>;
  readonly #pending = new Map<number, Pending>();
  #lastId: number;

  /** @param life tells its questions from those of a shard before it, whose answers may still come */
  constructor(buffer: Outbox<BufferRequest>, collector: Outbox<CollectorRequest>, life: number) {
    this.#buffer = buffer;
    this.#collector = collector;
    this.#lastId = life * IDS_PER_LIFE;
  }

  settle(reply: Reply): void {
    this.#pending.get(reply.requestId)?.resolve(reply);
    this.#pending.delete(reply.requestId);
  }

  /** Asks once more what has not been answered, in the same order. */
  repeat(name: 'buffer' | 'collector'): void {
    for (const { of, post } of this.#pending.values()) if (of === name) post();
  }

  async readPage(seq: number, wanted: WantedEvents | undefined): Promise<PageReply> {
    const reply = await this.#ask('buffer', (requestId) =>
      this.#buffer.post({ type: 'read-page', requestId, seq, wanted }),
    );
    if (reply.type !== 'page-read') throw unexpected(reply);
    return reply;
  }

  async locateTime(time: Timestamp): Promise<number> {
    const reply = await this.#ask('buffer', (requestId) => this.#buffer.post({ type: 'locate-time', requestId, time }));
    if (reply.type !== 'time-located') throw unexpected(reply);
    return reply.seq;
  }

  /** @throws ERR_CONTAINER_UNKNOWN, ERR_CONTAINER_AMBIGUOUS */
  async resolveContainer(name: string, limit?: readonly Term[]): Promise<string> {
    const reply = await this.#ask('collector', (requestId) =>
      this.#collector.post({ type: 'resolve-container', requestId, name, limit }),
    );
    if (reply.type !== 'container-resolved') throw unexpected(reply);
    if (reply.error) throw TocsinError.fromData(reply.error);
    return reply.id!;
  }

  async listContainers(limit?: readonly Term[]): Promise<readonly ContainerInfo[]> {
    const reply = await this.#ask('collector', (requestId) =>
      this.#collector.post({ type: 'list-containers', requestId, limit }),
    );
    if (reply.type !== 'containers-listed') throw unexpected(reply);
    return reply.containers;
  }

  #ask(of: Pending['of'], ask: (requestId: number) => void): Promise<Reply> {
    this.#lastId += 1;
    const requestId = this.#lastId;
    const post = (): void => ask(requestId);
    return new Promise((resolve) => {
      this.#pending.set(requestId, { of, post, resolve });
      post();
    });
  }
}

function unexpected(reply: Reply): TocsinError {
  return new TocsinError('ERR_INTERNAL', `unexpected reply ${reply.type}`);
}
