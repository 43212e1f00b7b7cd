import { TocsinError } from '../event/errors.ts';
import type { ContainerInfo, Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';
import type { BufferReply, BufferRequest, WantedEvents } from '../messages/buffer.ts';
import type { CollectorReply, CollectorRequest } from '../messages/collector.ts';
import type { Outbox } from './actor.ts';

type Reply = BufferReply | CollectorReply;
type PageReply = Extract<BufferReply, { type: 'page-read' }>;

/** What a shard asks of the buffer and the collector, and the answers on their way. Ends with the pipeline, as they do. */
export class Asks {
  readonly #buffer: Outbox<BufferRequest>;
  readonly #collector: Outbox<CollectorRequest>;
  readonly #pending = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  constructor(buffer: Outbox<BufferRequest>, collector: Outbox<CollectorRequest>) {
    this.#buffer = buffer;
    this.#collector = collector;
  }

  settle(reply: Reply): void {
    this.#pending.get(reply.requestId)?.(reply);
    this.#pending.delete(reply.requestId);
  }

  async readPage(seq: number, wanted: WantedEvents | undefined): Promise<PageReply> {
    const reply = await this.#ask((requestId) => this.#buffer.post({ type: 'read-page', requestId, seq, wanted }));
    if (reply.type !== 'page-read') throw unexpected(reply);
    return reply;
  }

  async locateTime(time: Timestamp): Promise<number> {
    const reply = await this.#ask((requestId) => this.#buffer.post({ type: 'locate-time', requestId, time }));
    if (reply.type !== 'time-located') throw unexpected(reply);
    return reply.seq;
  }

  /** @throws ERR_CONTAINER_UNKNOWN, ERR_CONTAINER_AMBIGUOUS */
  async resolveContainer(name: string, limit?: readonly Term[]): Promise<string> {
    const reply = await this.#ask((requestId) =>
      this.#collector.post({ type: 'resolve-container', requestId, name, limit }),
    );
    if (reply.type !== 'container-resolved') throw unexpected(reply);
    if (reply.error) throw TocsinError.fromData(reply.error);
    return reply.id!;
  }

  async listContainers(limit?: readonly Term[]): Promise<readonly ContainerInfo[]> {
    const reply = await this.#ask((requestId) => this.#collector.post({ type: 'list-containers', requestId, limit }));
    if (reply.type !== 'containers-listed') throw unexpected(reply);
    return reply.containers;
  }

  #ask(post: (requestId: number) => void): Promise<Reply> {
    this.#lastId += 1;
    const requestId = this.#lastId;
    return new Promise((resolve) => {
      this.#pending.set(requestId, resolve);
      post(requestId);
    });
  }
}

function unexpected(reply: Reply): TocsinError {
  return new TocsinError('ERR_INTERNAL', `unexpected reply ${reply.type}`);
}
