import type { Client } from './client.ts';
import type { SlabPool } from './slab-pool.ts';

/** A piece of a lane's memory. It only grows; where its bytes are used again, that is another slab. */
export interface Slab {
  readonly bytes: Uint8Array;
  used: number;
}

const MIN_SLAB_BYTES = 8 * 1024;
const MAX_SLAB_BYTES = 256 * 1024;
/** Of a client that reads the log by itself: it may stop at any moment, and then holds what it was given last. */
const MAX_OWN_BYTES = 64 * 1024;
/** Full slabs that are watched; the rest is left to V8. */
const MAX_FULL = 64;

/** What a lane encodes into: slabs that are filled one after the other, and go back when all its clients have copied them. */
export class LaneMemory {
  readonly #pool: SlabPool;
  readonly #clients: ReadonlySet<Client>;
  #slab: Slab = { bytes: new Uint8Array(0), used: 0 };
  /** Somebody who has gone on to another lane, or away, still holds some of the newest slab. */
  #isLeft = false;
  /** Oldest first, each with the last mark in it. */
  readonly #full: { readonly slab: Slab; readonly lastMark: number }[] = [];

  /** @param clients of the lane */
  constructor(pool: SlabPool, clients: ReadonlySet<Client>) {
    this.#pool = pool;
    this.#clients = clients;
  }

  /** The newest. */
  get slab(): Slab {
    return this.#slab;
  }

  /** The last mark of the oldest full slab. */
  get oldestMark(): number {
    return this.#full[0]?.lastMark ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Begins another slab.
   * @param need bytes that have to fit
   * @param stepBytes that recent steps needed: a quiet lane is small, and a busy one begins few slabs
   * @param isAlone its only client reads the log by itself
   * @param lastMark of the lane
   */
  next(need: number, stepBytes: number, isAlone: boolean, lastMark: number): void {
    if (this.#slab.used > 0 && !this.#isLeft && this.#canTell()) this.#full.push({ slab: this.#slab, lastMark });
    if (this.#full.length > MAX_FULL) this.#full.shift();
    const most = isAlone ? MAX_OWN_BYTES : MAX_SLAB_BYTES;
    // One of few sizes, so that others can use it again.
    let size = MIN_SLAB_BYTES;
    while (size < need || (size < most && size < 4 * stepBytes)) size *= 2;
    this.#slab = { bytes: this.#pool.take(size), used: 0 };
    this.#isLeft = false;
  }

  /** Uses the newest slab's bytes again, for a client that is alone and has got all of them. @returns whether it could */
  rewind(): boolean {
    if (this.#isLeft || this.#slab.used === 0) return false;
    for (const { sink } of this.#clients) if (!sink?.isClear?.()) return false;
    this.#slab = { bytes: this.#slab.bytes, used: 0 };
    return true;
  }

  /** Gives back what all clients have copied. No client may come to a mark of it any more. */
  release(): void {
    let copied = Number.POSITIVE_INFINITY;
    for (const { sink, mark, heldFrom } of this.#clients)
      copied = Math.min(copied, sink?.isClear?.() ? mark : heldFrom);
    while (this.#full.length > 0 && this.oldestMark <= copied) this.#pool.give(this.#full.shift()!.slab.bytes);
  }

  /** A client leaves the lane: what it has not copied stays as it is. */
  left({ sink }: Client): void {
    if (sink?.isClear?.()) return;
    this.#full.length = 0;
    this.#isLeft = true;
  }

  /** Whether every sink says when it has copied: some keep bytes as they are. */
  #canTell(): boolean {
    for (const { sink } of this.#clients) if (!sink?.isClear) return false;
    return true;
  }
}
