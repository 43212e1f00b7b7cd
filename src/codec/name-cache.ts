import { MONITOR } from '../messages/layout.ts';

const NAME_WORDS = (MONITOR.NAME_BYTES - 1) / 4;

/**
 * Finds what belongs to the name in a monitor record without decoding it: the field's 64 bytes are compared as sixteen words.
 * Of fixed size, so that a flood of names costs no memory: two names share a pair of places, a third one takes the older's.
 */
export class NameCache<Value> {
  readonly #mask: number;
  readonly #keys: Int32Array;
  readonly #values: (Value | undefined)[];

  /** @param slots a power of two */
  constructor(slots: number) {
    this.#mask = slots - 1;
    this.#keys = new Int32Array(slots * NAME_WORDS);
    this.#values = Array.from({ length: slots });
  }

  /** @param words the memory that holds the record, @param at the record's byte offset, a multiple of four */
  find(words: Int32Array, at: number): Value | undefined {
    const name = (at + MONITOR.NAME) >> 2;
    const slot = this.#slotOf(words, name);
    if (this.#holds(slot, words, name)) return this.#values[slot];
    return this.#holds(slot ^ 1, words, name) ? this.#values[slot ^ 1] : undefined;
  }

  put(words: Int32Array, at: number, value: Value): void {
    const name = (at + MONITOR.NAME) >> 2;
    const slot = this.#slotOf(words, name);
    const key = slot * NAME_WORDS;
    if (this.#values[slot] !== undefined) {
      this.#keys.copyWithin((slot ^ 1) * NAME_WORDS, key, key + NAME_WORDS);
      this.#values[slot ^ 1] = this.#values[slot];
    }
    for (let index = 0; index < NAME_WORDS; index += 1) this.#keys[key + index] = words[name + index]!;
    this.#values[slot] = value;
  }

  clear(): void {
    this.#values.fill(undefined);
  }

  #holds(slot: number, words: Int32Array, name: number): boolean {
    const key = slot * NAME_WORDS;
    for (let index = 0; index < NAME_WORDS; index += 1) {
      if (this.#keys[key + index] !== words[name + index]) return false;
    }
    return true;
  }

  /** Names often differ in their last characters only, the high bytes of a word: each step brings them down. */
  #slotOf(words: Int32Array, name: number): number {
    let hash = 0;
    for (let index = 0; index < NAME_WORDS; index += 1) {
      hash = Math.imul(hash ^ words[name + index]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0x85ebca6b);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }
}
