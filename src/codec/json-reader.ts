import { TocsinError } from '../event/errors.ts';
import { copyBytes, plainEnd, textOf, viewOf } from './bytes.ts';
import { utf8SequenceBytes, writeCodePoint } from './utf8.ts';

/** What a value or key is; 0 is kept for "none". The first three are texts: as they stand in the line, decoded, and decoded with U+FFFD for what is no UTF-8. */
export const JSON_KIND = {
  ABSENT: 0,
  TEXT: 1,
  DECODED: 2,
  REPLACED: 3,
  NUMBER: 4,
  TRUE: 5,
  FALSE: 6,
  NULL: 7,
  OBJECT: 8,
  ARRAY: 9,
} as const;

/** What a value of a kind is called in errors. */
export const KIND_WORDS: Readonly<Record<number, string>> = {
  [JSON_KIND.ABSENT]: 'nothing',
  [JSON_KIND.NUMBER]: 'a number',
  [JSON_KIND.TRUE]: 'true',
  [JSON_KIND.FALSE]: 'false',
  [JSON_KIND.NULL]: 'null',
  [JSON_KIND.OBJECT]: 'an object',
  [JSON_KIND.ARRAY]: 'a list',
};

/** Objects and lists in each other. Bounds the stack; no event has more than three. */
export const MAX_DEPTH = 128;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;
const ZERO = 0x30;
const REPLACEMENT = 0xfffd;
const NOTHING = new Uint8Array(0);
const WORD_TRUE = Uint8Array.of(0x74, 0x72, 0x75, 0x65);
const WORD_FALSE = Uint8Array.of(0x66, 0x61, 0x6c, 0x73, 0x65);
const WORD_NULL = Uint8Array.of(0x6e, 0x75, 0x6c, 0x6c);

/** What stands behind a backslash, and what it means. */
const ESCAPES = new Uint8Array(256);
ESCAPES.set([QUOTE], QUOTE);
ESCAPES.set([BACKSLASH], BACKSLASH);
ESCAPES.set([0x2f], 0x2f);
ESCAPES.set([0x08], 0x62);
ESCAPES.set([0x0c], 0x66);
ESCAPES.set([0x0a], 0x6e);
ESCAPES.set([0x0d], 0x72);
ESCAPES.set([0x09], 0x74);

/** Bytes that end the quick way through a text: quote, backslash, control characters, and whatever is not ASCII. */
const STOPS = new Uint8Array(256).fill(1, 0x80).fill(1, 0, 0x20);
STOPS[QUOTE] = 1;
STOPS[BACKSLASH] = 1;
/** Not plain, but nothing that a text would stop at. */
const MARKUP = 2;
for (const markup of '<>&') STOPS[markup.charCodeAt(0)] = MARKUP;

/**
 * Reads one JSON text from its bytes, piece by piece, with the grammar of JSON.parse and without making strings or objects.
 * `kind`, `from` and `to` describe the key or value that was read last; its bytes are in `source(kind)`, in valid UTF-8, until the
 * next `open`. Invalid UTF-8 inside a text and half surrogate pairs become U+FFFD.
 *
 *   open -> isAtObject? -> firstKey -> value | firstKey ... -> nextKey -> ... -> end
 *
 * Whatever is not JSON throws ERR_EVENT_INVALID.
 */
export class JsonReader {
  kind = 0;
  from = 0;
  to = 0;
  /** No text since `open` has anything special in it. */
  isPlain = true;
  #bytes: Uint8Array = NOTHING;
  #view = viewOf(NOTHING);
  #start = 0;
  #at = 0;
  #end = 0;
  #depth = 0;
  /** Texts of this line that do not stand in it as they are. */
  #decoded: Uint8Array = NOTHING;
  #decodedView = viewOf(NOTHING);
  #decodedEnd = 0;

  /** The bytes must not change before the last piece has been used. */
  open(bytes: Uint8Array, from: number, to: number): void {
    // The lines of a batch are in the same memory.
    if (bytes !== this.#bytes) this.#view = viewOf(bytes);
    this.#bytes = bytes;
    this.#start = from;
    this.#at = from;
    this.#end = to;
    this.#depth = 0;
    this.#decodedEnd = 0;
    this.isPlain = true;
  }

  /** Where the bytes of a key or value of this kind are. */
  source(kind: number): Uint8Array {
    return kind === JSON_KIND.DECODED || kind === JSON_KIND.REPLACED ? this.#decoded : this.#bytes;
  }

  /** The same memory, for copyWords. */
  view(kind: number): DataView {
    return kind === JSON_KIND.DECODED || kind === JSON_KIND.REPLACED ? this.#decodedView : this.#view;
  }

  /** A text, or the digits of a number, as a string. */
  textAt(kind: number, from: number, to: number): string {
    return textOf(this.source(kind), from, to);
  }

  get isAtObject(): boolean {
    return this.#next() === OPEN_OBJECT;
  }

  /** Enters the object here and reads its first key. @returns false when it has none; it has been left then */
  firstKey(): boolean {
    this.#enter();
    return this.#next() === CLOSE_OBJECT ? this.#leave() : this.#key();
  }

  /** Behind a value: reads the next key of its object. @returns false when there is none; the object has been left then */
  nextKey(): boolean {
    const byte = this.#next();
    if (byte === CLOSE_OBJECT) return this.#leave();
    if (byte !== COMMA) throw this.#invalid();
    this.#at += 1;
    this.#next();
    return this.#key();
  }

  /** Reads the value here to its end. @returns its kind */
  value(): number {
    switch (this.#next()) {
      case QUOTE:
        return this.#text();
      case OPEN_OBJECT:
        for (let more = this.firstKey(); more; more = this.nextKey()) this.value();
        return (this.kind = JSON_KIND.OBJECT);
      case OPEN_ARRAY:
        return this.#array();
      case WORD_TRUE[0]:
        return this.#word(WORD_TRUE, JSON_KIND.TRUE);
      case WORD_FALSE[0]:
        return this.#word(WORD_FALSE, JSON_KIND.FALSE);
      case WORD_NULL[0]:
        return this.#word(WORD_NULL, JSON_KIND.NULL);
      default:
        return this.#number();
    }
  }

  /** Nothing may follow but white space. */
  end(): void {
    this.#next();
    if (this.#at < this.#end) throw this.#invalid();
  }

  #enter(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH)
      throw new TocsinError('ERR_EVENT_INVALID', `objects and lists nested deeper than ${MAX_DEPTH}`);
    this.#at += 1;
  }

  #leave(): false {
    this.#depth -= 1;
    this.#at += 1;
    return false;
  }

  #key(): true {
    if (this.#byte(this.#at) !== QUOTE) throw this.#invalid();
    this.#text();
    if (this.#next() !== COLON) throw this.#invalid();
    this.#at += 1;
    return true;
  }

  #array(): number {
    this.#enter();
    if (this.#next() === CLOSE_ARRAY) this.#leave();
    else this.#elements();
    return (this.kind = JSON_KIND.ARRAY);
  }

  #elements(): void {
    for (;;) {
      this.value();
      const byte = this.#next();
      if (byte === CLOSE_ARRAY) return void this.#leave();
      if (byte !== COMMA) throw this.#invalid();
      this.#at += 1;
    }
  }

  #word(word: Uint8Array, kind: number): number {
    for (let index = 0; index < word.length; index += 1)
      if (this.#byte(this.#at + index) !== word[index]) throw this.#invalid();
    this.#at += word.length;
    return (this.kind = kind);
  }

  #number(): number {
    let at = this.#at;
    this.from = at;
    if (this.#byte(at) === MINUS) at += 1;
    at = this.#byte(at) === ZERO ? at + 1 : this.#digits(at);
    if (this.#byte(at) === 0x2e) at = this.#digits(at + 1);
    if ((this.#byte(at) | 0x20) === 0x65) {
      const sign = this.#byte(at + 1);
      at = this.#digits(sign === 0x2b || sign === MINUS ? at + 2 : at + 1);
    }
    this.to = at;
    this.#at = at;
    return (this.kind = JSON_KIND.NUMBER);
  }

  /** At least one. @returns the position behind the last one */
  #digits(from: number): number {
    let at = from;
    for (let byte = this.#byte(at); byte >= ZERO && byte <= 0x39; byte = this.#byte(at)) at += 1;
    if (at === from) throw this.#invalid();
    return at;
  }

  #text(): number {
    const bytes = this.#bytes;
    const end = this.#end;
    const from = this.#at + 1;
    let at = plainEnd(this.#view, from, end);
    let found = 0;
    for (; at < end; at += 1) {
      const stop = STOPS[bytes[at]!]!;
      if (stop === 1) break;
      found |= stop;
    }
    if (found !== 0) this.isPlain = false;
    if (this.#byte(at) !== QUOTE) return this.#decode(from, at);
    this.from = from;
    this.to = at;
    this.#at = at + 1;
    return (this.kind = JSON_KIND.TEXT);
  }

  /** A text that is plain only up to `plainTo`. */
  #decode(from: number, plainTo: number): number {
    this.isPlain = false;
    // No byte of a line becomes more than three; so once per line is enough.
    const room = 3 * (this.#end - this.#start);
    if (this.#decoded.length < room) {
      this.#decoded = new Uint8Array(room);
      this.#decodedView = viewOf(this.#decoded);
    }
    const bytes = this.#bytes;
    const out = this.#decoded;
    let pos = copyBytes(bytes, from, plainTo, out, this.#decodedEnd);
    this.kind = JSON_KIND.DECODED;
    this.#at = plainTo;
    for (let byte = this.#byte(plainTo); byte !== QUOTE; byte = this.#byte(this.#at)) {
      if (byte < 0x20) throw this.#invalid();
      if (byte === BACKSLASH) {
        pos = writeCodePoint(out, pos, this.#escape());
      } else if (byte < 0x80) {
        out[pos] = byte;
        pos += 1;
        this.#at += 1;
      } else {
        const count = utf8SequenceBytes(bytes, this.#at, this.#end);
        if (count > 0) pos = copyBytes(bytes, this.#at, this.#at + count, out, pos);
        else pos = writeCodePoint(out, pos, this.#replaced());
        this.#at += Math.abs(count);
      }
    }
    this.#at += 1;
    this.from = this.#decodedEnd;
    this.to = pos;
    this.#decodedEnd = pos;
    return this.kind;
  }

  /** @returns the code point that the escape here stands for */
  #escape(): number {
    const escaped = this.#byte(this.#at + 1);
    if (escaped !== 0x75) {
      const meant = ESCAPES[escaped]!;
      if (meant === 0) throw this.#invalid();
      this.#at += 2;
      return meant;
    }
    const unit = this.#hex(this.#at + 2);
    if (unit < 0) throw this.#invalid();
    this.#at += 6;
    if (unit < 0xd800 || unit > 0xdfff) return unit;
    const isPair = unit < 0xdc00 && this.#byte(this.#at) === BACKSLASH && this.#byte(this.#at + 1) === 0x75;
    const low = isPair ? this.#hex(this.#at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff) return this.#replaced();
    this.#at += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  }

  #replaced(): number {
    this.kind = JSON_KIND.REPLACED;
    return REPLACEMENT;
  }

  /** Four hexadecimal digits, or -1. */
  #hex(from: number): number {
    let value = 0;
    for (let at = from; at < from + 4; at += 1) {
      const byte = this.#byte(at);
      const letter = byte | 0x20;
      if (byte >= ZERO && byte <= 0x39) value = value * 16 + byte - ZERO;
      else if (letter >= 0x61 && letter <= 0x66) value = value * 16 + letter - 0x57;
      else return -1;
    }
    return value;
  }

  /** Passes over white space. @returns the byte behind it */
  #next(): number {
    let byte = this.#byte(this.#at);
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) {
      this.#at += 1;
      byte = this.#byte(this.#at);
    }
    return byte;
  }

  /** NUL behind the end: it is right nowhere. */
  #byte(at: number): number {
    return at < this.#end ? this.#bytes[at]! : 0;
  }

  #invalid(): TocsinError {
    const to = Math.min(this.#end, this.#start + 64);
    return new TocsinError('ERR_EVENT_INVALID', `not JSON: ${textOf(this.#bytes, this.#start, to)}`);
  }
}

export function isText(kind: number): boolean {
  return kind >= JSON_KIND.TEXT && kind <= JSON_KIND.REPLACED;
}

/** A value of this kind stands where a text is expected. */
export function notText(field: string, kind: number): TocsinError {
  return new TocsinError('ERR_EVENT_INVALID', `${field}: expected text, got ${KIND_WORDS[kind] ?? 'text'}`);
}
