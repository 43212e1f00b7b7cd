import assert from 'node:assert/strict';
import { Epochs } from '../../src/event/epochs.ts';
import { compareTime } from '../../src/event/time.ts';
import type { Recovered } from '../../src/history/recovery.ts';
import type { LoggedEvent } from '../support/world.ts';

/** An event of the log, and what may become of it. */
export interface TrueEvent extends LoggedEvent {
  /** Appended while the disk took nothing, or before it said so: it lives as long as the process. */
  isVolatile: boolean;
  /** A sync of it failed: whatever later ones say, it may not be on the medium. */
  isDoomed: boolean;
  /** Not on disk, or not readable there. */
  isHole: boolean;
}

/** How a life ended. */
export type EndOfLife = 'orderly' | 'process crash' | 'power loss';

/**
 * The log as it has to be, over all lives: what was shown stays what it is. Every event names its sender and the sender's own
 * number, so that one event is never taken for another.
 */
export class TrueLog {
  /** Events that were acknowledged have been lost, as they may be. */
  mayForget = false;
  readonly durability: 'memory' | 'async' | 'sync';
  /** A loss of power, or a disk that took nothing for a while, may have taken events but not what the log knows about them. */
  mayHaveHalves = false;
  #events: (TrueEvent | undefined)[] = [undefined];
  /** Which event each cursor meant, in any life. */
  readonly #meaning = new Map<string, string>();
  readonly #epochsSeen = new Set<string>();
  readonly #seqs = new Map<string, number>();
  readonly #damaged = new Set<string>();
  readonly #lastOf = new Map<string, number>();
  #epochs: Epochs | undefined;

  constructor(durability: 'memory' | 'async' | 'sync') {
    this.durability = durability;
  }

  get headSeq(): number {
    return this.#events.length - 1;
  }

  at(seq: number): TrueEvent | undefined {
    return this.#events[seq];
  }

  /** Where the event of this sender and number is. */
  seqOf(name: string): number | undefined {
    return this.#seqs.get(name);
  }

  /** The cursor that leads behind event `seq` of this life. */
  cursorAt(seq: number): string {
    return this.#events[seq]?.cursor ?? this.#epochs!.cursor(seq);
  }

  knowsEpoch(epoch: string): boolean {
    return this.#epochs!.spans.some((span) => span.epoch === epoch);
  }

  /** An event was shown to everybody. */
  append(event: LoggedEvent, isVolatile: boolean): void {
    assert.equal(event.seq, this.headSeq + 1, 'numbers follow without holes');
    const before = this.#events.findLast((earlier) => earlier && !earlier.isHole);
    if (before)
      assert.ok(compareTime(event.time, before.time) > 0, `event ${event.seq} is not later than the one before`);
    const [sender = '', number] = event.args.split('/');
    const last = this.#lastOf.get(sender);
    if (last !== undefined && sender.startsWith('p'))
      assert.equal(Number(number), last + 1, `event ${event.seq} of ${sender}: its numbers follow without holes`);
    else if (last !== undefined) assert.ok(Number(number) > last, `events of ${sender} in the order they were sent`);
    this.#lastOf.set(sender, Number(number));
    this.#add(event, isVolatile);
  }

  /** The disk took nothing: whatever it was not asked to sync before may be gone with the process. */
  lost(fromSeq: number): void {
    for (let seq = fromSeq; seq <= this.headSeq; seq += 1) {
      const event = this.#events[seq];
      if (event) event.isVolatile = event.isDoomed = true;
    }
  }

  /** It was in the log, and cannot be read any more. */
  wasDamaged(args: string): boolean {
    return this.#damaged.has(args);
  }

  damaged(seq: number): void {
    const event = this.#events[seq];
    if (event) {
      event.isHole = true;
      this.#damaged.add(event.args);
    }
    // Nobody has seen it yet, and its publisher may be told that it had been there before.
    else this.mayHaveHalves = true;
  }

  /** Whether a client may be told that it missed this one. */
  mayBeMissing(seq: number, oldestSeq: number): boolean {
    const event = this.#events[seq];
    return !event || event.isHole || event.isVolatile || seq < oldestSeq;
  }

  /** Another life begins with what the last one left. @param found what stands whole on disk */
  restart(end: EndOfLife, recovered: Recovered, found: ReadonlyMap<number, LoggedEvent>): void {
    const { headSeq, epochs, files } = recovered;
    const mayLose = this.durability === 'async' && end === 'power loss';
    const now = new Epochs(epochs);
    this.#epochs = now;
    this.mayHaveHalves ||= mayLose;
    if (this.durability === 'memory') {
      this.mayForget = true;
      return this.#begin();
    }
    for (const event of this.#events.slice(headSeq + 1)) {
      if (!event) continue;
      this.mayForget = true;
      assert.ok(
        event.isVolatile || event.isDoomed || mayLose,
        `event ${event.cursor} was shown and is lost by the ${end}`,
      );
      if (!event.isVolatile && !event.isDoomed)
        assert.ok(!event.cursor.startsWith(now.current), 'events are lost, the epoch is the same');
    }
    this.#events.length = headSeq + 1;
    const oldest = files[0]?.firstSeq ?? headSeq + 1;
    for (const event of this.#events.slice(0, oldest)) {
      if (!event?.isVolatile) continue;
      event.isHole = true;
      this.mayHaveHalves = true;
    }
    for (let seq = oldest; seq <= headSeq; seq += 1) {
      const event = this.#events[seq];
      const kept = found.get(seq);
      if (event && kept) {
        const isNewEpoch = mayLose && !this.#epochsSeen.has(epochOf(kept.cursor));
        assert.ok(
          kept.cursor === event.cursor || event.isVolatile || isNewEpoch,
          `event ${event.cursor} is ${kept.cursor} now`,
        );
        if (kept.cursor === event.cursor) event.isVolatile = false;
        else this.#set(kept);
      } else if (kept) this.#set(kept);
      else if (event) {
        assert.ok(
          event.isVolatile || event.isDoomed || event.isHole || mayLose,
          `event ${event.cursor} is no longer on disk after the ${end}`,
        );
        // Of what is a hole, nobody may know any more in which epoch it was.
        this.#events[seq] = { ...event, cursor: now.cursor(seq), isHole: true };
        this.mayForget = true;
        this.mayHaveHalves ||= event.isVolatile;
      } else {
        this.#events[seq] = undefined;
        // It was in memory only, while the disk took nothing, and nobody has seen it.
        this.mayHaveHalves = true;
      }
    }
    for (const [seq, event] of found) if (seq <= headSeq) this.#mean(event);
    this.#recount();
    this.#comparePublishers(recovered);
  }

  #begin(): void {
    this.#events = [undefined];
    this.#recount();
  }

  #add(event: LoggedEvent, isVolatile: boolean): void {
    const { args, seq } = event;
    assert.ok(!this.#seqs.has(args), `${args} is event ${this.#seqs.get(args)} and now event ${seq} too`);
    this.#mean(event);
    this.#seqs.set(args, seq);
    this.#events[seq] = { ...event, isVolatile, isDoomed: false, isHole: false };
  }

  #set(event: LoggedEvent): void {
    this.#events[event.seq] = { ...event, isVolatile: false, isDoomed: false, isHole: false };
  }

  #mean({ cursor, args }: LoggedEvent): void {
    const before = this.#meaning.get(cursor);
    assert.ok(before === undefined || before === args, `${cursor} was ${before} and is ${args} now`);
    this.#meaning.set(cursor, args);
    this.#epochsSeen.add(epochOf(cursor));
  }

  #recount(): void {
    this.#seqs.clear();
    this.#lastOf.clear();
    for (const event of this.#events) {
      if (!event || event.isHole) continue;
      const { args, seq } = event;
      assert.ok(!this.#seqs.has(args), `${args} is in the log twice: ${this.#seqs.get(args)} and ${seq}`);
      this.#seqs.set(args, seq);
      const [sender = '', number] = args.split('/');
      this.#lastOf.set(sender, Math.max(this.#lastOf.get(sender) ?? 0, Number(number)));
    }
  }

  /** A publisher's numbers are kept with its events. */
  #comparePublishers({ publishers }: Recovered): void {
    const isWhole = !this.mayHaveHalves && !this.#events.some((event) => event?.isHole);
    for (const { name, next } of publishers) {
      const last = this.#lastOf.get(name) ?? 0;
      if (isWhole) assert.equal(next, last + 1, `the next number of ${name}`);
      this.#lastOf.set(name, next - 1);
    }
    if (!isWhole) return;
    for (const [name] of this.#lastOf)
      assert.ok(!name.startsWith('p') || publishers.some((known) => known.name === name), `${name} is forgotten`);
  }
}

function epochOf(cursor: string): string {
  return cursor.slice(0, cursor.indexOf('-'));
}
