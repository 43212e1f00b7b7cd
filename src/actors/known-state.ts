import { ContainerTable } from '../event/container-table.ts';
import { asTocsinError, assertNever } from '../event/errors.ts';
import type { Term } from '../event/filter.ts';
import { PublisherTable } from '../event/publisher-table.ts';
import { SourceTable } from '../event/source-table.ts';
import type { Recovered } from '../history/recovery.ts';
import type { SavedState } from '../history/saved-state.ts';
import type { CollectorReply, CollectorRequest, ContainerResolved, ResolveContainer } from '../messages/collector.ts';
import { containerLimit } from './container-limit.ts';

/** Named publishers whose retries are recognised. */
const KNOWN_PUBLISHERS = 10_000;
/** Containers are looked over for forgetting each time the history has moved on this far. */
const EXPIRE_EVERY = 16_384;

/**
 * What the log knows besides events: containers, publishers that may send again, how far sources have been read. Each change is in
 * the history with the batch that it came with.
 */
export class KnownState {
  readonly containers = new ContainerTable();
  readonly publishers = new PublisherTable(KNOWN_PUBLISHERS);
  readonly sources = new SourceTable();
  #expiredAt = 0;

  /** @param headSeq where the log goes on */
  constructor(known: Pick<Recovered, 'containers' | 'publishers' | 'sources'>, headSeq: number) {
    this.containers.restore(known.containers, headSeq);
    this.publishers.restore(known.publishers);
    this.sources.restore(known.sources);
  }

  /** All of it. */
  *saved(): IterableIterator<SavedState> {
    for (const container of this.containers.saved()) yield { container };
    for (const publisher of this.publishers.saved()) yield { publisher };
    for (const source of this.sources.saved()) yield { source };
  }

  /** What containers and sources have had said of them since this was called last. */
  *takeUnsaved(): IterableIterator<SavedState> {
    for (const container of this.containers.takeUnsaved()) yield { container };
    for (const source of this.sources.takeUnsaved()) yield { source };
  }

  /** Nothing before this event is kept: containers go that were removed before it. */
  expire(oldestSeq: number): void {
    if (oldestSeq - this.#expiredAt < EXPIRE_EVERY) return;
    this.#expiredAt = oldestSeq;
    this.containers.expire(oldestSeq);
  }

  /** What a shard asks about containers. */
  answer(request: ResolveContainer): ContainerResolved;
  answer(request: CollectorRequest): CollectorReply;
  answer(request: CollectorRequest): CollectorReply {
    const { requestId } = request;
    switch (request.type) {
      case 'resolve-container':
        return { type: 'container-resolved', requestId, ...this.#resolve(request) };
      case 'list-containers':
        return {
          type: 'containers-listed',
          requestId,
          containers: this.#within(request.limit)
            .list()
            .filter(({ known, removed }) => known && !removed),
        };
      default:
        return assertNever(request);
    }
  }

  #resolve({ name, limit }: ResolveContainer): Pick<ContainerResolved, 'id' | 'error'> {
    try {
      return { id: this.#within(limit).resolve(name).id };
    } catch (error) {
      return { error: asTocsinError(error).toData() };
    }
  }

  /** Whoever is limited finds, and is told of, what a table without the others would have. */
  #within(limit: readonly Term[] = []): ContainerTable {
    return limit.length === 0 ? this.containers : this.containers.within(containerLimit(limit));
  }
}
