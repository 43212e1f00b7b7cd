import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { Lagged } from '../event/event.ts';
import type { Counters } from '../messages/counters.ts';
import type { Clock } from './actor.ts';
import type { Client, Sink } from './client.ts';
import type { Slab } from './lane-memory.ts';

/** So long after the last client had to be waited for all that are left have stopped, and need not be noticed at once when they go on. */
const STOPPED_MS = 50;

export interface ClientWriterEnv {
  readonly counters: Counters;
  readonly clock: Clock;
  /** The client cannot be served any more. */
  readonly failed: (client: Client, error: TocsinError) => void;
}

/**
 * Whatever a shard's clients are given goes to their sinks through here: counts it, and knows who has to be waited for. A sink that
 * throws costs its own client the stream, and harms nobody else.
 */
export class ClientWriter {
  readonly #env: ClientWriterEnv;
  /** Clients that can take nothing now. */
  #blocked = 0;
  #blockedAtMs = -Infinity;
  /** Since the shard began. */
  writes = 0;
  writtenBytes = 0;

  constructor(env: ClientWriterEnv) {
    this.#env = env;
  }

  /** A client has to take something before it gets more, and may do so at any moment. */
  get awaitsClients(): boolean {
    return this.#blocked > 0 && this.#env.clock.elapsedMs() - this.#blockedAtMs < STOPPED_MS;
  }

  /**
   * @param bytes encoded events
   * @param slab as of `Sink.write`
   * @returns false when the client must be waited for (or is gone)
   */
  write(client: Client, bytes: Uint8Array, events: number, slab: Slab | undefined): boolean {
    const { counters, clock } = this.#env;
    client.delivered += events;
    this.writes += 1;
    this.writtenBytes += bytes.length;
    if (client.subscription.heartbeatMs > 0) client.lastWriteSec = clock.now().sec;
    counters.add('delivered', events);
    counters.add('bytesWritten', bytes.length);
    counters.add('writes');
    const takesMore = this.#tell(client, (sink) => sink.write(bytes, events, slab));
    if (takesMore || client.ended) return !client.ended;
    client.blocked = true;
    this.#blocked += 1;
    this.#blockedAtMs = clock.elapsedMs();
    counters.add('writesBlocked');
    return false;
  }

  /** Its sink takes more. @returns false when nobody waited for that */
  unblock(client: Client): boolean {
    if (client.ended || !client.blocked) return false;
    client.blocked = false;
    this.#blocked -= 1;
    return true;
  }

  /** It is no client of the shard any more. */
  forget(client: Client): void {
    if (client.blocked) this.#blocked -= 1;
  }

  /** @returns false when the client has no words for it, and was cut */
  tellGap(client: Client, gap: Lagged): boolean {
    const { missed } = gap;
    client.missed += missed ?? 0;
    this.#env.counters.add('gaps');
    this.#env.counters.add('eventsMissed', missed ?? 0);
    const told = this.#tell(client, (sink) => sink.gap(gap));
    if (client.ended) return false;
    if (told) return true;
    const what = missed === null ? 'events were lost in a crash' : `${missed} events are no longer retained`;
    this.#env.failed(client, new TocsinError('ERR_CLIENT_GAP', what));
    return false;
  }

  heartbeat(client: Client, cursor: string): void {
    this.#tell(client, (sink) => sink.heartbeat(cursor));
  }

  /** Of a client that has been forgotten. */
  end({ sink }: Client, error?: TocsinError): void {
    try {
      sink?.end(error);
    } catch {
      // There is nobody left to tell.
    }
  }

  #tell<Result>(client: Client, call: (sink: Sink) => Result): Result | undefined {
    try {
      return call(client.sink!);
    } catch (error) {
      this.#env.failed(client, asTocsinError(error, 'ERR_CLIENT_FAILED'));
      return undefined;
    }
  }
}
