import type { Random } from '../support/random.ts';

/** That another change follows: most inputs differ in one place, so that the rest of them still means something. */
const ANOTHER = 0.5;
const MAX_BYTES = 8192;
const ZERO = 0x30;
const NINE = 0x39;
/** Where readers of numbers, texts and bytes have their edges. */
const NUMBERS = [
  '0',
  '-1',
  '1',
  '9',
  '127',
  '128',
  '255',
  '256',
  '999999999',
  '1000000000',
  '2147483647',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '18446744073709551616',
  '1e9',
  '0x10',
  '00',
  '.',
  'NaN',
].map((text) => Buffer.from(text));
const BYTES = [0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x25, 0x26, 0x2b, 0x2d, 0x3d, 0x5c, 0x7f, 0x80, 0xc3, 0xed, 0xff];

/** Makes inputs of inputs. The same random numbers make the same ones. */
export class Mutator {
  readonly #random: Random;
  readonly #words: readonly Uint8Array[];

  constructor(random: Random, dictionary: readonly string[]) {
    this.#random = random;
    this.#words = dictionary.map((word) => Buffer.from(word));
  }

  /** Neither of the two is changed. @param other what may be spliced in */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    let bytes = this.#change(input, other);
    while (this.#random.chance(ANOTHER)) bytes = this.#change(bytes, other);
    return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
  }

  #change(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const random = this.#random;
    const at = random.below(bytes.length + 1);
    const count = 1 + random.below(random.chance(0.2) ? 64 : 4);
    switch (random.below(10)) {
      case 0:
        return this.#flip(bytes, at);
      case 1:
        return replaced(bytes, at, 0, Uint8Array.of(random.chance(0.5) ? random.pick(BYTES) : random.below(256)));
      case 2:
        return replaced(bytes, at, count, new Uint8Array(0));
      case 3:
        return replaced(bytes, at, 0, bytes.subarray(at, at + count));
      case 4:
        return replaced(bytes, at, random.chance(0.5) ? count : 0, random.pick(NUMBERS));
      case 5:
        return replaced(bytes, at, bytes.length - at, other.subarray(random.below(other.length + 1)));
      case 6:
        return this.#repeat(bytes, at, count);
      case 7:
        return this.#digit(bytes, at);
      default:
        if (this.#words.length === 0) return this.#flip(bytes, at);
        return replaced(bytes, at, random.chance(0.5) ? count : 0, random.pick(this.#words));
    }
  }

  #flip(bytes: Uint8Array, at: number): Uint8Array {
    if (at >= bytes.length) return bytes;
    const changed = Uint8Array.from(bytes);
    changed[at]! ^= this.#random.chance(0.5) ? 1 << this.#random.below(8) : this.#random.below(256);
    return changed;
  }

  /** Another digit where one is, from here on. */
  #digit(bytes: Uint8Array, from: number): Uint8Array {
    const at = bytes.findIndex((byte, index) => index >= from && byte >= ZERO && byte <= NINE);
    if (at < 0) return this.#flip(bytes, from);
    const changed = Uint8Array.from(bytes);
    changed[at] = ZERO + this.#random.below(10);
    return changed;
  }

  /** A piece many times: nesting, long runs. */
  #repeat(bytes: Uint8Array, at: number, count: number): Uint8Array {
    const piece = bytes.subarray(at, at + count);
    const times = 1 + this.#random.below(this.#random.chance(0.1) ? 300 : 8);
    const many = new Uint8Array(piece.length * times);
    for (let index = 0; index < times; index += 1) many.set(piece, index * piece.length);
    return replaced(bytes, at, 0, many);
  }
}

function replaced(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const made = new Uint8Array(at + put.length + rest.length);
  made.set(bytes.subarray(0, at));
  made.set(put, at);
  made.set(rest, at + put.length);
  return made;
}
