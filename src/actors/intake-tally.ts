import type { EventView } from '../codec/event-record.ts';
import { CONTAINER_STATES, IMAGE_STATES } from '../event/operators.ts';
import { EVENT } from '../messages/layout.ts';
import type { IntakeCount } from '../messages/control.ts';

/** Kinds of events that are told apart: whoever publishes may make up any number of them. */
const MAX_KINDS = 512;
/** Kinds that are found without a look into the map; a power of two. */
const RECENT = 256;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

type Kind = Omit<IntakeCount, 'count'>;

const OTHER: Kind = { source: 'other', type: 'other', action: 'other' };

/** How many events of each source, type and action have come in: told apart by their bytes, so that none is decoded twice. */
export class IntakeTally {
  readonly #containers = new Float64Array(CONTAINER_STATES.length);
  readonly #images = new Float64Array(IMAGE_STATES.length);
  readonly #places = new Map<number, number>();
  /** By the lowest bits of the key. */
  readonly #recentKeys = new Float64Array(RECENT).fill(-1);
  readonly #recentPlaces = new Uint16Array(RECENT);
  readonly #kinds: Kind[] = [OTHER];
  readonly #counts: number[] = [0];

  /** A record of the FIFO. */
  addRecord(isImage: boolean, state: number): void {
    const counts = isImage ? this.#images : this.#containers;
    counts[state]! += 1;
  }

  /** The event that the view stands on, of a publisher or an engine. */
  addEvent(event: EventView): void {
    this.#counts[this.#placeOf(event)]! += 1;
  }

  /** Those that have come at least once. */
  counts(): readonly IntakeCount[] {
    const ofRecords = (type: string, counts: Float64Array, states: typeof CONTAINER_STATES): IntakeCount[] =>
      states.map(({ action }, state) => ({ source: 'fifo', type, action, count: counts[state]! }));
    return [
      ...ofRecords('container', this.#containers, CONTAINER_STATES),
      ...ofRecords('image', this.#images, IMAGE_STATES),
      ...this.#kinds.map((kind, place) => ({ ...kind, count: this.#counts[place]! })),
    ].filter(({ count }) => count > 0);
  }

  #placeOf(event: EventView): number {
    const key = keyOf(event);
    const recent = key & (RECENT - 1);
    if (this.#recentKeys[recent] === key) return this.#recentPlaces[recent]!;
    const place = this.#places.get(key) ?? this.#newPlace(event, key);
    this.#recentKeys[recent] = key;
    this.#recentPlaces[recent] = place;
    return place;
  }

  #newPlace(event: EventView, key: number): number {
    const isFull = this.#kinds.length === MAX_KINDS;
    const { source, type, action } = event;
    const place = isFull ? 0 : this.#kinds.push({ source: source || 'publish', type, action }) - 1;
    if (isFull) return place;
    this.#counts.push(0);
    this.#places.set(key, place);
    return place;
  }
}

/** Hash and lengths of type, action and source. */
function keyOf({ bytes, halves, at }: EventView): number {
  const half = (at + EVENT.TYPE_BYTES) >> 1;
  const [typeBytes, actionBytes, sourceBytes] = [halves[half]!, halves[half + 1]!, halves[half + 5]!];
  const head = at + EVENT.FIXED_BYTES;
  const source = head + typeBytes + actionBytes + halves[half + 2]! + halves[half + 3]! + halves[half + 4]!;
  let hash = FNV_OFFSET;
  for (let pos = head; pos < head + typeBytes + actionBytes; pos += 1) hash = Math.imul(hash ^ bytes[pos]!, FNV_PRIME);
  for (let pos = source; pos < source + sourceBytes; pos += 1) hash = Math.imul(hash ^ bytes[pos]!, FNV_PRIME);
  return (hash >>> 0) + (((typeBytes << 7) ^ (actionBytes << 3) ^ sourceBytes) & 0xffff) * 0x100000000;
}
