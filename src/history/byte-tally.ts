import { isRange, textOf } from '../codec/bytes.ts';

interface Entry {
  readonly bytes: Uint8Array;
  count: number;
}

/** Counts texts by their bytes: each is decoded once, however often it comes. */
export class ByteTally {
  readonly #entries = new Map<number, Entry[]>();

  add(bytes: Uint8Array, from: number, to: number): void {
    let hash = 0;
    for (let at = from; at < to; at += 1) hash = Math.imul(hash, 31) + bytes[at]!;
    hash |= 0;
    const entries = this.#entries.get(hash);
    if (!entries) {
      this.#entries.set(hash, [{ bytes: bytes.slice(from, to), count: 1 }]);
      return;
    }
    for (const entry of entries) {
      if (!isRange(bytes, from, to, entry.bytes)) continue;
      entry.count += 1;
      return;
    }
    entries.push({ bytes: bytes.slice(from, to), count: 1 });
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const entries of this.#entries.values())
      for (const { bytes, count } of entries) counts.set(textOf(bytes, 0, bytes.length), count);
    return counts;
  }
}
