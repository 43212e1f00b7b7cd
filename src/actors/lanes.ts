import type { Encoder } from '../codec/encoder.ts';
import type { Redactor } from '../codec/redactor.ts';
import { SharedEncoder } from '../codec/shared-encoder.ts';
import type { Timestamp } from '../event/event.ts';
import type { LaneFormat } from '../messages/control.ts';
import type { Client } from './client.ts';
import { Lane } from './lane.ts';
import { LaneIndex } from './lane-index.ts';
import { type Allocate, SlabPool } from './slab-pool.ts';

/** What the filter of one lane, and the filters of all of them, may cost an event before lanes take turns. */
const MAX_COST = 64;
const MAX_COST_OF_ALL = 1024;

/**
 * All lanes of a shard, grouped by what they show. A group usually has one lane, at the head of the log; more when clients of
 * different speed are at different places. A lane that comes up to where a faster one of its group began hands its clients
 * over, so that places close again.
 */
export class Lanes {
  readonly #groups = new Map<string, Set<Lane>>();
  readonly #makeEncoder: (format: LaneFormat) => Encoder;
  readonly #allocate: (format: LaneFormat) => Allocate;
  readonly #redactor: Redactor;
  /** One serves all lanes of its format: what it remembers is of the log. */
  readonly #encoders = new Map<LaneFormat, SharedEncoder>();
  readonly #pools = new Map<LaneFormat, SlabPool>();
  /** Lanes at the head that events find by look-up. */
  readonly index = new LaneIndex((lane) => this.#walking.add(lane));
  /** The others: each of them reads the log by itself. */
  readonly #walking = new Set<Lane>();
  #count = 0;
  #cost = 0;
  #lastId = 0;

  constructor(env: {
    readonly makeEncoder: (format: LaneFormat) => Encoder;
    readonly allocate: (format: LaneFormat) => Allocate;
    readonly redactor: Redactor;
  }) {
    this.#makeEncoder = env.makeEncoder;
    this.#allocate = env.allocate;
    this.#redactor = env.redactor;
  }

  get count(): number {
    return this.#count;
  }

  *[Symbol.iterator](): IterableIterator<Lane> {
    for (const group of this.#groups.values()) yield* group;
  }

  /** Those that show the same. */
  of(key: string): Iterable<Lane> {
    return this.#groups.get(key) ?? [];
  }

  get walking(): Iterable<Lane> {
    return this.#walking;
  }

  /** Whether its filter costs so much that it takes turns with others of its kind, and lets the rest go first. */
  isCostly({ matcher: { cost } }: Lane): boolean {
    return cost > MAX_COST || (cost > 0 && this.#cost > MAX_COST_OF_ALL);
  }

  /** A lane has come to the head: from now on it waits to be found, if its filter allows that. */
  rest(lane: Lane): void {
    if (!lane.index && !this.isCostly(lane) && this.index.add(lane)) this.#walking.delete(lane);
  }

  /**
   * Puts the client at its own position: on a lane that has a mark there, or on a new one.
   * @param until when the client is close to where it ends
   */
  place(client: Client, until?: Timestamp): Lane {
    this.remove(client);
    const group = this.#group(client.laneKey);
    const { since, endSeq } = client;
    if (!since && !until && endSeq === Number.MAX_SAFE_INTEGER) {
      for (const lane of group) {
        lane.settle();
        const index = lane.isExclusive ? undefined : lane.indexAt(client.nextSeq);
        if (index !== undefined) return this.#stand(client, lane, index);
      }
    }
    const { format, redact } = client.subscription;
    this.#lastId += 1;
    const lane = new Lane({
      id: this.#lastId,
      key: client.laneKey,
      encoder: this.#encoderOf(format),
      redactor: redact ? this.#redactor : undefined,
      matcher: client.matcher,
      pool: this.#poolOf(format),
      nextSeq: client.nextSeq,
      bounds: { since, until, endSeq },
    });
    group.add(lane);
    this.#walking.add(lane);
    this.#count += 1;
    this.#cost += lane.matcher.cost;
    return this.#stand(client, lane, lane.headIndex);
  }

  /** Takes the client off its lane; a lane without clients is gone. */
  remove(client: Client): void {
    const { lane } = client;
    if (!lane) return;
    lane.leave(client);
    if (lane.clients.size > 0) return;
    this.index.remove(lane);
    this.#walking.delete(lane);
    const group = this.#groups.get(lane.key);
    if (group?.delete(lane)) {
      this.#count -= 1;
      this.#cost -= lane.matcher.cost;
    }
    if (group?.size === 0) this.#groups.delete(lane.key);
  }

  /**
   * Hands clients that have come to the head of their lane over to another one that has a mark just there.
   * @returns the lane that took them
   */
  merge(lane: Lane): Lane | undefined {
    if (lane.isExclusive) return undefined;
    for (const other of this.#groups.get(lane.key) ?? []) {
      if (other === lane || other.isExclusive || !isBetter(other, lane)) continue;
      other.settle();
      const index = other.indexAt(lane.nextSeq);
      if (index === undefined) continue;
      for (const client of lane.clients) {
        if (client.mark !== lane.headIndex) continue;
        this.remove(client);
        this.#stand(client, other, index);
      }
      return other;
    }
    return undefined;
  }

  /** To be called once in a while: lets go of memory that nothing is encoded into any more. */
  shrink(): void {
    for (const pool of this.#pools.values()) pool.shrink();
  }

  /** The last event that the lane may encode before it meets a faster lane of its group. */
  lastBeforeNext(lane: Lane): number {
    let last = Number.MAX_SAFE_INTEGER;
    for (const other of this.#groups.get(lane.key) ?? []) {
      if (other !== lane && !other.isExclusive && other.firstSeq > lane.nextSeq)
        last = Math.min(last, other.firstSeq - 1);
    }
    return last;
  }

  #stand(client: Client, lane: Lane, index: number): Lane {
    lane.join(client, index);
    return lane;
  }

  #encoderOf(format: LaneFormat): SharedEncoder {
    let encoder = this.#encoders.get(format);
    if (!encoder) this.#encoders.set(format, (encoder = new SharedEncoder(this.#makeEncoder(format))));
    return encoder;
  }

  #poolOf(format: LaneFormat): SlabPool {
    let pool = this.#pools.get(format);
    if (!pool) this.#pools.set(format, (pool = new SlabPool(this.#allocate(format))));
    return pool;
  }

  #group(key: string): Set<Lane> {
    let group = this.#groups.get(key);
    if (!group) {
      group = new Set();
      this.#groups.set(key, group);
    }
    return group;
  }
}

/** Clients move to the lane that is further on, of two at the same place to the older one: never to and fro. */
function isBetter(other: Lane, lane: Lane): boolean {
  return other.nextSeq > lane.nextSeq || (other.nextSeq === lane.nextSeq && other.id < lane.id);
}
