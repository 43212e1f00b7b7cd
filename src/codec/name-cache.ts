import { MONITOR } from '../messages/layout.ts';

const NAME_WORDS = (MONITOR.NAME_BYTES - 1) / 4;

/** Names that share a hash have so many places; the one that has been there longest gives way. */
const WAYS = 4;

const FIRST_SLOTS = 256;

/**
 * Finds what belongs to the name in a monitor record without decoding it: the field's 64 bytes are compared as sixteen words.
 * It grows with the names that it sees up to a fixed size, so that a flood of names costs no memory.
 */
export class NameCache<Value> {
  readonly #maxSlots: number;
  #mask = 0;
  #hashes = new Int32Array(0);
  #keys = new Int32Array(0);
  #values: (Value | undefined)[] = [];
  #next = 0;

  /** @param maxSlots a power of two */
  constructor(maxSlots: number) {
    this.#maxSlots = maxSlots;
    this.#grow(Math.min(maxSlots, FIRST_SLOTS));
  }

  /** @param words the memory that holds the record, @param at the record's byte offset, a multiple of four */
  find(words: Int32Array, at: number): Value | undefined {
    const name = (at + MONITOR.NAME) >> 2;
    const hash = hashOf(words, name);
    const first = hash & this.#mask & ~(WAYS - 1);
    for (let slot = first; slot < first + WAYS; slot += 1)
      if (this.#hashes[slot] === hash && this.#holds(slot, words, name)) return this.#values[slot];
    return undefined;
  }

  put(words: Int32Array, at: number, value: Value): void {
    const name = (at + MONITOR.NAME) >> 2;
    this.#place(words.subarray(name, name + NAME_WORDS), hashOf(words, name), value);
  }

  clear(): void {
    this.#values.fill(undefined);
  }

  #place(name: Int32Array, hash: number, value: Value): void {
    const first = hash & this.#mask & ~(WAYS - 1);
    let slot = first;
    while (slot < first + WAYS && this.#values[slot] !== undefined) {
      if (this.#hashes[slot] === hash && this.#holds(slot, name, 0)) break;
      slot += 1;
    }
    if (slot === first + WAYS) {
      if (this.#values.length < this.#maxSlots) {
        this.#grow(2 * this.#values.length);
        return this.#place(name, hash, value);
      }
      slot = first + this.#next;
      this.#next = (this.#next + 1) % WAYS;
    }
    this.#keys.set(name, slot * NAME_WORDS);
    this.#hashes[slot] = hash;
    this.#values[slot] = value;
  }

  /** Names that shared a hash share it still, or part in two: there is room for all. */
  #grow(slots: number): void {
    const [hashes, keys, values] = [this.#hashes, this.#keys, this.#values];
    this.#mask = slots - 1;
    this.#hashes = new Int32Array(slots);
    this.#keys = new Int32Array(slots * NAME_WORDS);
    this.#values = Array.from<Value | undefined>({ length: slots });
    for (const [slot, value] of values.entries()) {
      const key = slot * NAME_WORDS;
      if (value !== undefined) this.#place(keys.subarray(key, key + NAME_WORDS), hashes[slot]!, value);
    }
  }

  #holds(slot: number, words: Int32Array, name: number): boolean {
    const key = slot * NAME_WORDS;
    for (let index = 0; index < NAME_WORDS; index += 1) {
      if (this.#keys[key + index] !== words[name + index]) return false;
    }
    return true;
  }
}

/**
 * Names often differ in their last characters only, the high bytes of a word: each step brings them down. Four at a time, because a
 * step waits for the one before.
 */
function hashOf(words: Int32Array, name: number): number {
  let [one, two, three, four] = [0, 0, 0, 0];
  for (let at = name; at < name + NAME_WORDS; at += 4) {
    one = stepped(one, words[at]!);
    two = stepped(two, words[at + 1]!);
    three = stepped(three, words[at + 2]!);
    four = stepped(four, words[at + 3]!);
  }
  const hash = Math.imul(stepped(stepped(stepped(one, two), three), four), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

function stepped(hash: number, word: number): number {
  const next = Math.imul(hash ^ word, 0x9e3779b1);
  return next ^ (next >>> 15);
}
