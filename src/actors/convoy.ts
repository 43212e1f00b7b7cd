import type { Clock } from './actor.ts';
import type { Lane } from './lane.ts';

/** How much further behind the one may be that a lane waits for, as a multiple of its own way to the head. */
const FURTHER = 2;
/** So long a lane waits for others at most, and so long it then goes on before it waits again. */
const PATIENCE_MS = 1_000;

/**
 * Has lanes that are behind at different places become one. Each of them encodes every event for itself: a hundred together may
 * take longer for an event than the next one takes to come, and would never arrive. So a lane stands still for one that shows the
 * same and is a little further behind, until that one has come up to it. Only lanes that go on themselves are waited for: so there
 * are few of them, each more than twice as far from the head as the next one, and nobody waits for a reader of the far past.
 *
 *   o    .   . ..           o  .  . .    o . .  head        o goes on; what is between it and the next one waits for it
 */
export class Convoy {
  /** Who waits, and for whom. */
  readonly #waiting = new Map<Lane, Lane>();
  /** When it began to wait, the last time that it had not done so for a while. */
  readonly #sinceMs = new WeakMap<Lane, number>();
  readonly #clock: Clock;
  readonly #closeEvents: number;

  /** @param closeEvents a lane that is so close to the head does not wait */
  constructor(clock: Clock, closeEvents: number) {
    this.#clock = clock;
    this.#closeEvents = closeEvents;
  }

  /**
   * @param group lanes that show the same, this one too
   * @returns whether the lane is to wait; it may go on when `released` names it
   */
  holds(lane: Lane, group: Iterable<Lane>, headSeq: number): boolean {
    if (headSeq + 1 - lane.nextSeq < this.#closeEvents || lane.isExclusive) return false;
    const nowMs = this.#clock.elapsedMs();
    if (this.#isWaiting(lane, nowMs)) return true;
    this.#waiting.delete(lane);
    const other = this.#otherFor(lane, group, headSeq);
    if (!other || !this.#isPatient(lane, nowMs)) return false;
    this.#waiting.set(lane, other);
    return true;
  }

  /** Whether the lane waits, or may go on and has not been told. */
  has(lane: Lane): boolean {
    return this.#waiting.has(lane);
  }

  /** Lanes that wait no more. */
  released(): readonly Lane[] {
    if (this.#waiting.size === 0) return [];
    const nowMs = this.#clock.elapsedMs();
    const released = [...this.#waiting.keys()].filter((lane) => !this.#isWaiting(lane, nowMs));
    for (const lane of released) this.#waiting.delete(lane);
    return released;
  }

  #isWaiting(lane: Lane, nowMs: number): boolean {
    const other = this.#waiting.get(lane);
    if (!other || lane.clients.size === 0) return false;
    return other.nextSeq < lane.nextSeq && this.#goesOn(other) && nowMs - this.#sinceMs.get(lane)! < PATIENCE_MS;
  }

  #goesOn(lane: Lane): boolean {
    return lane.isWanted && !this.#waiting.has(lane);
  }

  /** The first that will come up to it. */
  #otherFor(lane: Lane, group: Iterable<Lane>, headSeq: number): Lane | undefined {
    const fromSeq = headSeq + 1 - FURTHER * (headSeq + 1 - lane.nextSeq);
    let nearest: Lane | undefined;
    for (const other of group) {
      const { nextSeq } = other;
      if (nextSeq >= lane.nextSeq || nextSeq < fromSeq || (nearest && nextSeq <= nearest.nextSeq)) continue;
      if (!other.isExclusive && this.#goesOn(other)) nearest = other;
    }
    return nearest;
  }

  #isPatient(lane: Lane, nowMs: number): boolean {
    const since = this.#sinceMs.get(lane);
    if (since !== undefined && nowMs - since < 2 * PATIENCE_MS) return nowMs - since < PATIENCE_MS;
    this.#sinceMs.set(lane, nowMs);
    return true;
  }
}
