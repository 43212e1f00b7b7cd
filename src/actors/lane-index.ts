import { isRange, utf8 } from '../codec/bytes.ts';
import { TYPE_CONTAINER } from '../codec/docker-event.ts';
import { type EventView, readUint16 } from '../codec/event-record.ts';
import type { PinnedField } from '../event/filter.ts';
import type { Run } from '../history/segment.ts';
import { EVENT } from '../messages/layout.ts';
import type { Lane, LanePosition } from './lane.ts';

const KEY_NAME = utf8('name');

/** Lanes that wait for a field which begins with this text. */
interface Waiting {
  readonly text: Uint8Array;
  readonly lanes: Set<Lane>;
  /** For another text of the same length and hash. */
  next: Waiting | undefined;
}

/** @param isWhole the text is the whole field */
type Found = (lane: Lane, isWhole: boolean) => void;

/** Pins of one field, by the length of what is pinned, and its hash. */
class PinnedTexts {
  readonly #byLength = new Map<number, Map<number, Waiting>>();
  #lengths: readonly number[] = [];

  get isEmpty(): boolean {
    return this.#byLength.size === 0;
  }

  add(text: Uint8Array, lane: Lane): void {
    let byHash = this.#byLength.get(text.length);
    if (!byHash) {
      byHash = new Map();
      this.#byLength.set(text.length, byHash);
      this.#sort();
    }
    const hash = hashOf(text, 0, text.length, HASH_SEED);
    const first = byHash.get(hash);
    const known = find(first, text);
    if (known) known.lanes.add(lane);
    else byHash.set(hash, { text, lanes: new Set([lane]), next: first });
  }

  remove(text: Uint8Array, lane: Lane): void {
    const byHash = this.#byLength.get(text.length);
    const hash = hashOf(text, 0, text.length, HASH_SEED);
    const first = byHash?.get(hash);
    const waiting = find(first, text);
    if (!byHash || !waiting?.lanes.delete(lane) || waiting.lanes.size > 0) return;
    if (waiting !== first) {
      let before = first!;
      while (before.next !== waiting) before = before.next!;
      before.next = waiting.next;
      return;
    }
    if (waiting.next) return void byHash.set(hash, waiting.next);
    byHash.delete(hash);
    if (byHash.size > 0) return;
    this.#byLength.delete(text.length);
    this.#sort();
  }

  /** Calls `found` for every lane that waits for a beginning of this text. */
  look(bytes: Uint8Array, from: number, to: number, found: Found): void {
    let hash = HASH_SEED;
    let at = from;
    for (const length of this.#lengths) {
      if (from + length > to) return;
      hash = hashOf(bytes, at, from + length, hash);
      at = from + length;
      let waiting = this.#byLength.get(length)!.get(hash);
      for (; waiting; waiting = waiting.next) {
        if (!isRange(bytes, from, at, waiting.text)) continue;
        for (const lane of waiting.lanes) found(lane, at === to);
      }
    }
  }

  #sort(): void {
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => a - b);
  }
}

function find(first: Waiting | undefined, text: Uint8Array): Waiting | undefined {
  let waiting = first;
  while (waiting && !isRange(text, 0, text.length, waiting.text)) waiting = waiting.next;
  return waiting;
}

/**
 * Lanes at the head of the log whose filters ask for one object, action or type: an event finds those that wait for it by
 * look-up, and the others are not even asked. So a thousand clients that each watch a container cost per event what one does.
 *
 *   run --> each event: hash of its id, name, action, type --> lanes that may show it --> their own filters, if they ask for more
 *
 * Its lanes have seen everything before `nextSeq`, and been written as far. A lane leaves when nobody on it can take more, and
 * comes back at the head.
 */
export class LaneIndex implements LanePosition {
  readonly #fields: Readonly<Record<PinnedField, PinnedTexts>> = {
    id: new PinnedTexts(),
    name: new PinnedTexts(),
    action: new PinnedTexts(),
    type: new PinnedTexts(),
  };
  readonly #lanes = new Set<Lane>();
  readonly #onLeft: (lane: Lane) => void;
  /** Lanes that got something since the last `take`. */
  #touched = new Set<Lane>();
  #view: EventView | undefined;
  /** Events that were encoded since the last `take`, once for each lane. */
  encoded = 0;
  nextSeq = 1;
  sec = 0;
  nanos = 0;

  /** @param onLeft hears of each lane that has to go on by itself again */
  constructor(onLeft: (lane: Lane) => void) {
    this.#onLeft = onLeft;
  }

  get size(): number {
    return this.#lanes.size;
  }

  [Symbol.iterator](): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  /** Takes in a lane that has come exactly as far. @returns false when its filter asks for nothing that can be looked up */
  add(lane: Lane): boolean {
    const { pins } = lane.matcher;
    if (pins.length === 0 || lane.isExclusive || lane.nextSeq !== this.nextSeq) return false;
    for (const { field, text } of pins) this.#fields[field].add(text, lane);
    this.#lanes.add(lane);
    lane.index = this;
    return true;
  }

  /** Lets a lane go on by itself, from `nextSeq`. */
  remove(lane: Lane): void {
    if (!this.#lanes.delete(lane)) return;
    lane.settle();
    lane.index = undefined;
    for (const { field, text } of lane.matcher.pins) this.#fields[field].remove(text, lane);
    this.#onLeft(lane);
  }

  /**
   * Shows every event of the run to the lanes that may want it.
   * @param nextSeq number of the event behind the run
   */
  scan(run: Run, nextSeq: number): void {
    const { view } = run.segment;
    this.#view = view;
    if (this.#lanes.size > 0) {
      for (let at = run.from; at < run.to; at += view.byteLength) {
        view.at = at;
        this.#look(view);
        this.nextSeq += 1;
      }
      this.sec = view.timeSec;
      this.nanos = view.timeNanos;
    }
    this.nextSeq = nextSeq;
  }

  /** @returns the lanes that have something new to write since this was asked last */
  take(): ReadonlySet<Lane> {
    const touched = this.#touched;
    for (const lane of touched) lane.settle();
    this.#touched = new Set();
    this.encoded = 0;
    return touched;
  }

  #look(view: EventView): void {
    const { id, name, action, type } = this.#fields;
    const { bytes } = view;
    const typeFrom = view.at + EVENT.FIXED_BYTES;
    const actionFrom = typeFrom + view.half(EVENT.TYPE_BYTES);
    const argsFrom = actionFrom + view.half(EVENT.ACTION_BYTES);
    if (!type.isEmpty) type.look(bytes, typeFrom, actionFrom, this.#ask);
    if (!action.isEmpty) action.look(bytes, actionFrom, argsFrom, this.#ask);
    if (!id.isEmpty) {
      const idFrom = argsFrom + view.half(EVENT.ARGS_BYTES);
      id.look(bytes, idFrom, idFrom + view.half(EVENT.ID_BYTES), this.#offer);
    }
    if (!name.isEmpty) {
      const at = view.attributeAt(KEY_NAME);
      const from = at + 4 + KEY_NAME.length;
      if (at >= 0) name.look(bytes, from, from + readUint16(bytes, at + 2), this.#offer);
    }
  }

  readonly #ask: Found = (lane) => this.#offer(lane, false);

  /** Of an id or a name, the only pins that are enough. */
  readonly #offer: Found = (lane, isWhole) => {
    if (!lane.isServing) return this.remove(lane);
    const view = this.#view!;
    if (!lane.offer(view, this.nextSeq, isWhole && view.isOfType(TYPE_CONTAINER))) return;
    this.encoded += 1;
    this.#touched.add(lane);
  };
}

const HASH_SEED = 0x811c9dc5 | 0;

/** FNV-1a, which can be carried on from a beginning to a longer one. */
function hashOf(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let hash = seed;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return hash;
}
