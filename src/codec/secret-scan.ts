import { EVENT } from '../messages/layout.ts';
import { isRange, utf8 } from './bytes.ts';
import { type EventView, readUint16 } from './event-record.ts';

/**
 * Pieces of all names and words by which `redactText` knows a secret; a test holds the two together. Of words that are compared
 * with separators in them, a piece without one.
 */
const WORDS = ['pass', 'pwd', 'secr', 'toke', 'key', 'cred', 'auth', 'cook', 'bear', 'iden'];
/** Programs with a short option for a password. Only in commands: containers are called like them. */
const PROGRAMS = ['mysq', 'mari', 'mong', 'redi', 'valk', 'curl', 'ldap', 'logi', 'sqlc', 'cqls'];

/** What a range of bytes has, as bits. */
const HAS_WORD = 1;
const HAS_PROGRAM = 2;
const HAS_SCHEME = 4;
const HAS_AT = 8;

/** Small and capital letters are one class each, so are digits, and what separates words in a name; 0 = anything else. */
const CLASSES = new Uint8Array(256);
const DIGIT = 27;
const SEPARATOR = 28;
const COLON = 29;
const SLASH = 30;
const AT = 31;
for (let letter = 1; letter <= 26; letter += 1) CLASSES[0x40 + letter] = CLASSES[0x60 + letter] = letter;
CLASSES.fill(DIGIT, 0x30, 0x3a);
for (const separator of '-_.') CLASSES[separator.charCodeAt(0)] = SEPARATOR;
CLASSES[0x3a] = COLON;
CLASSES[0x2f] = SLASH;
CLASSES[0x40] = AT;
const CLASS_COUNT = 32;

/** Attributes that say which object it is: nobody hides them, and lanes are found by them. */
export const PLAIN_ATTRIBUTES: readonly string[] = ['image', 'name', 'execID'];
const PLAIN_KEYS = PLAIN_ATTRIBUTES.map(utf8);

/** Memory of events: the same bytes, alone and in words. */
type Memory = Pick<EventView, 'bytes' | 'words'>;

/**
 * Tells events that cannot hold a secret from those that may, quickly: every second byte is the first of three that are looked up,
 * so that each word of four letters is met once, at its first or second one. Some events are suspected in vain; none that
 * `redactText` would change is passed over.
 *
 * Nearly all texts are done with once their words have been looked at by the lowest five bits of each byte, which large and small
 * letters have in common, and others too: 0.4 ns a byte. The rest is looked at again by classes of bytes, which takes twice as long.
 */
export class SecretScan {
  /** By the lowest five bits of three bytes: 1 = something of what is looked for may begin with them. */
  readonly #quick = new Uint8Array(CLASS_COUNT ** 3);
  /** By the classes of three bytes. */
  readonly #table = new Uint8Array(CLASS_COUNT ** 3);

  /** @param words of three characters and more. Absent: what `redactText` knows by itself */
  constructor(words?: readonly string[]) {
    for (const word of words ?? WORDS) this.#add(word, HAS_WORD);
    if (words) return;
    for (const program of PROGRAMS) this.#add(program, HAS_PROGRAM);
    this.#add('://', HAS_SCHEME);
    for (let one = 0; one < CLASS_COUNT; one += 1)
      for (let other = 0; other < CLASS_COUNT; other += 1)
        for (const index of [indexOf(AT, one, other), indexOf(one, AT, other), indexOf(one, other, AT)])
          this.#table[index]! |= HAS_AT;
  }

  /** Whether action, args or attributes of the event may hold a secret. */
  finds(event: EventView): boolean {
    const { words, halves, at: start } = event;
    // Lengths of the texts, one behind the other: faster than asking for each by its name.
    const half = (start + EVENT.TYPE_BYTES) >> 1;
    const actionFrom = start + EVENT.FIXED_BYTES + halves[half]!;
    const argsTo = actionFrom + halves[half + 1]! + halves[half + 2]!;
    if (this.findsInCommand(event, actionFrom, argsTo)) return true;
    const attributesAt = argsTo + halves[half + 3]! + halves[half + 4]! + halves[half + 5]! + halves[half + 6]!;
    const end = attributesAt + words[(start + EVENT.ATTRIBUTES_BYTES) >> 2]!;
    return this.findsInAttributes(event, attributesAt, end);
  }

  /** Packed attributes, one behind the other. */
  findsInAttributes({ bytes, words }: Memory, from: number, end: number): boolean {
    // All of them at once, lengths included; only when that is suspicious, each by itself.
    if (!this.#mayHave(words, from, end)) return false;
    for (let at = from; at < end; ) {
      const valueAt = at + 4 + readUint16(bytes, at);
      const next = valueAt + readUint16(bytes, at + 2);
      if (this.findsInAttribute(bytes, at + 4, valueAt, next)) return true;
      at = next;
    }
    return false;
  }

  findsInCommand({ bytes, words }: Memory, from: number, to: number): boolean {
    return this.#mayHave(words, from, to) && isSuspicious(this.#look(bytes, from, to));
  }

  findsInText(bytes: Uint8Array, from: number, to: number): boolean {
    return isSuspicious(this.#look(bytes, from, to) & ~HAS_PROGRAM);
  }

  /** Key and value stand behind each other. */
  findsInAttribute(bytes: Uint8Array, keyFrom: number, valueFrom: number, to: number): boolean {
    for (const key of PLAIN_KEYS) if (isRange(bytes, keyFrom, valueFrom, key)) return false;
    return this.findsInText(bytes, keyFrom, to);
  }

  /** What stands beside the range in its words is looked at as well. */
  #mayHave(words: Int32Array, from: number, to: number): boolean {
    if (from === to) return false;
    const table = this.#quick;
    const last = (to - 1) >> 2;
    let hits = 0;
    let at = from >> 2;
    let word = words[at]!;
    for (; at < last; at += 1) {
      const next = words[at + 1]!;
      hits |=
        table[((word & 31) << 10) | ((word >>> 3) & 0x3e0) | ((word >>> 16) & 31)]! |
        table[((word >>> 6) & 0x7c00) | ((word >>> 19) & 0x3e0) | (next & 31)]!;
      word = next;
    }
    return (hits | table[((word & 31) << 10) | ((word >>> 3) & 0x3e0) | ((word >>> 16) & 31)]!) !== 0;
  }

  #look(bytes: Uint8Array, from: number, to: number): number {
    const last = to - 3;
    if (last < from) return 0;
    const table = this.#table;
    let hits = 0;
    let first = CLASSES[bytes[from]!]!;
    for (let at = from; at <= last; at += 2) {
      const third = CLASSES[bytes[at + 2]!]!;
      hits |= table[(first << 10) | (CLASSES[bytes[at + 1]!]! << 5) | third]!;
      first = third;
    }
    // An even number of bytes leaves the last one out.
    return hits | table[indexOf(CLASSES[bytes[last]!]!, CLASSES[bytes[last + 1]!]!, CLASSES[bytes[last + 2]!]!)]!;
  }

  /** So that it is met wherever it stands: at an even place of a range by its first letters, at an odd one by the next ones. */
  #add(word: string, bit: number): void {
    const bytes = [...utf8(word)];
    addTo(
      this.#table,
      bytes.map((byte) => CLASSES[byte]!),
      bit,
    );
    addTo(
      this.#quick,
      bytes.map((byte) => byte & 31),
      1,
    );
  }
}

function addTo(table: Uint8Array, [a = 0, b = 0, c = 0, d]: readonly number[], bit: number): void {
  table[indexOf(a, b, c)]! |= bit;
  if (d !== undefined) table[indexOf(b, c, d)]! |= bit;
  else for (let before = 0; before < CLASS_COUNT; before += 1) table[indexOf(before, a, b)]! |= bit;
}

function isSuspicious(hits: number): boolean {
  return (hits & (HAS_WORD | HAS_PROGRAM)) !== 0 || (hits & (HAS_SCHEME | HAS_AT)) === (HAS_SCHEME | HAS_AT);
}

function indexOf(first: number, second: number, third: number): number {
  return (first << 10) | (second << 5) | third;
}

/** For what `redactText` knows by itself. */
export const BUILT_IN_SCAN = new SecretScan();
