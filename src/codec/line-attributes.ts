import { textOf } from './bytes.ts';
import { isText, JSON_KIND, type JsonReader, notText } from './json-reader.ts';
import type { RecordWriter } from './record-writer.ts';

/** Up to here looking at every key is quicker than an index of them. */
const UNINDEXED = 16;
/** Words of an entry: kind, from and to of the key, then of the value. */
const STRIDE = 6;

/** Attributes of a line as places in it: in its order, each key once, at its first place and with its last value. */
export class LineAttributes {
  readonly #reader: JsonReader;
  #places = new Int32Array(32 * STRIDE);
  #byKey: Map<string, number> | undefined;
  count = 0;

  constructor(reader: JsonReader) {
    this.#reader = reader;
  }

  clear(): void {
    this.count = 0;
    this.#byKey = undefined;
  }

  /** Reads the object that the reader stands at. */
  read(): void {
    const reader = this.#reader;
    this.clear();
    for (let more = reader.firstKey(); more; more = reader.nextKey()) {
      const entry = this.#entryOfKey() * STRIDE;
      const kind = reader.value();
      const places = this.#places;
      places[entry + 3] = kind;
      places[entry + 4] = reader.from;
      places[entry + 5] = reader.to;
    }
  }

  /** @returns the index of the attribute with this key, or -1 */
  indexOf(key: Uint8Array): number {
    return this.#find(key, 0, key.length);
  }

  /** The value at this index, when it is a text or a number. */
  valueAt(index: number): string | undefined {
    const entry = index * STRIDE;
    const kind = this.#places[entry + 3]!;
    if (kind > JSON_KIND.NUMBER) return undefined;
    const shown = this.#reader.textAt(kind, this.#places[entry + 4]!, this.#places[entry + 5]!);
    return kind === JSON_KIND.NUMBER ? String(Number(shown)) : shown;
  }

  /** @param skipped index of one that is left out, or -1. @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE */
  write(out: RecordWriter, skipped: number): void {
    const reader = this.#reader;
    const places = this.#places;
    for (let index = 0; index < this.count; index += 1) {
      if (index === skipped) continue;
      const entry = index * STRIDE;
      const keyKind = places[entry]!;
      const kind = places[entry + 3]!;
      const from = places[entry + 1]!;
      const to = places[entry + 2]!;
      if (!isText(kind)) throw notText(`attribute ${reader.textAt(keyKind, from, to)}`, kind);
      if (kind === JSON_KIND.REPLACED || keyKind === JSON_KIND.REPLACED) out.markReplaced();
      out.attribute(reader.view(keyKind), from, to, reader.view(kind), places[entry + 4]!, places[entry + 5]!);
    }
    out.endAttributes();
  }

  /** The entry of the key that was just read: that of the same key before, or a new one. */
  #entryOfKey(): number {
    const { kind, from, to } = this.#reader;
    const known = this.#find(this.#reader.source(kind), from, to);
    if (known >= 0) {
      // The same only since it was replaced.
      if (kind === JSON_KIND.REPLACED) this.#places[known * STRIDE] = kind;
      return known;
    }
    const index = this.count;
    const entry = index * STRIDE;
    if (entry === this.#places.length) this.#grow();
    this.#places[entry] = kind;
    this.#places[entry + 1] = from;
    this.#places[entry + 2] = to;
    this.count += 1;
    if (this.#byKey) this.#byKey.set(this.#reader.textAt(kind, from, to), index);
    else if (this.count > UNINDEXED) this.#makeIndex();
    return index;
  }

  #find(bytes: Uint8Array, from: number, to: number): number {
    if (this.#byKey) return this.#byKey.get(textOf(bytes, from, to)) ?? -1;
    const places = this.#places;
    const end = this.count * STRIDE;
    const length = to - from;
    for (let entry = 0; entry < end; entry += STRIDE)
      if (length === places[entry + 2]! - places[entry + 1]! && this.#hasKey(entry, bytes, from, to))
        return entry / STRIDE;
    return -1;
  }

  /** A key of as many bytes. */
  #hasKey(entry: number, bytes: Uint8Array, from: number, to: number): boolean {
    const own = this.#reader.source(this.#places[entry]!);
    const ownFrom = this.#places[entry + 1]!;
    for (let at = from; at < to; at += 1) if (own[ownFrom + at - from] !== bytes[at]) return false;
    return true;
  }

  #makeIndex(): void {
    this.#byKey = new Map();
    for (let index = 0; index < this.count; index += 1) this.#byKey.set(this.#keyAt(index), index);
  }

  #keyAt(index: number): string {
    const entry = index * STRIDE;
    return this.#reader.textAt(this.#places[entry]!, this.#places[entry + 1]!, this.#places[entry + 2]!);
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Int32Array(2 * before.length);
    this.#places.set(before);
  }
}
