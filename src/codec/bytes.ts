/**
 * The few byte primitives that the hot codecs share. Short texts are copied in a loop: below ~64 bytes that is cheaper than
 * the call into `Uint8Array.set`.
 */

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes bytes that are valid UTF-8 (the log sees to that). TextDecoder would refuse shared memory. */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  if (from === to) return '';
  if (to - from < 16) {
    // Nearly all short texts are ASCII.
    let text = '';
    let at = from;
    for (; at < to; at += 1) {
      const byte = bytes[at]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === to) return text;
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
}

/** Whether the range, which is valid UTF-8, holds this text. Nothing is decoded unless both are longer than ASCII. */
export function isText(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  // No text has more characters than bytes.
  if (to - from < text.length) return false;
  for (let index = 0; index < text.length; index += 1) {
    const byte = bytes[from + index]!;
    if (byte >= 0x80) return textOf(bytes, from, to) === text;
    if (byte !== text.charCodeAt(index)) return false;
  }
  return to - from === text.length;
}

/** Views of the memory that was read and written last: nearly always it is the same again. */
let readBytes: Uint8Array | undefined;
let readView: DataView = new DataView(new ArrayBuffer(0));
let writtenBytes: Uint8Array | undefined;
let writtenView: DataView = readView;
/** Of everything that is written in turns: each lane has a memory of its own. */
const writtenViews = new WeakMap<Uint8Array, DataView>();

function viewToRead(bytes: Uint8Array): DataView {
  if (bytes !== readBytes) {
    readBytes = bytes;
    readView = viewOf(bytes);
  }
  return readView;
}

export function viewToWrite(bytes: Uint8Array): DataView {
  if (bytes !== writtenBytes) {
    writtenBytes = bytes;
    let view = writtenViews.get(bytes);
    if (!view) writtenViews.set(bytes, (view = viewOf(bytes)));
    writtenView = view;
  }
  return writtenView;
}

/** The ranges must not overlap. */
export function copyBytes(source: Uint8Array, from: number, to: number, out: Uint8Array, pos: number): number {
  const count = to - from;
  if (count > 160) {
    out.set(source.subarray(from, to), pos);
    return pos + count;
  }
  // Short texts are often constants or the output itself, whose views would push the record's out.
  if (count >= 24) return copyWords(viewToRead(source), from, to, viewToWrite(out), pos);
  for (let done = 0; done < count; done += 1) out[pos + done] = source[from + done]!;
  return pos + count;
}

/** For shared memory, into which `Uint8Array.set` goes byte by byte unless both texts lie alike in their words. */
export function writeView(out: Uint8Array, pos: number, source: DataView, length: number): number {
  return copyWords(source, 0, length, viewToWrite(out), pos);
}

export function writeBytes(out: Uint8Array, pos: number, source: Uint8Array): number {
  return copyBytes(source, 0, source.length, out, pos);
}

/** A constant ASCII text, ready to be written eight bytes at a time: up to seven bytes behind it are written as well. */
export interface Literal {
  /** No ASCII is a NaN, so a number stands for its bytes. */
  readonly parts: Float64Array;
  readonly length: number;
}

export function literal(text: string): Literal {
  const bytes = encoder.encode(text);
  const padded = new Uint8Array((bytes.length + 7) & ~7);
  padded.set(bytes);
  return { parts: new Float64Array(padded.buffer), length: bytes.length };
}

/** The seven bytes behind the text may change too. @returns the position behind the text */
export function writeLiteral(out: Uint8Array, pos: number, { parts, length }: Literal): number {
  const output = viewToWrite(out);
  for (let index = 0; index < parts.length; index += 1) output.setFloat64(pos + 8 * index, parts[index]!, true);
  return pos + length;
}

/**
 * Copies text in steps of four bytes, up to a step with a byte that JSON may want escaped: a control character, a quote, a
 * backslash; with `html`, as Go has it, also `<`, `>`, `&` and the first byte of the line separators.
 * @returns how many bytes were copied
 */
export function copyPlain(
  source: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  pos: number,
  html: boolean,
): number {
  const input = viewToRead(source);
  const output = viewToWrite(out);
  const last = to - 4;
  let at = from;
  for (; at <= last; at += 4) {
    const word = input.getInt32(at, true);
    let found = ((word - 0x20202020) & ~word) | zeroByte(word ^ 0x22222222) | zeroByte(word ^ 0x5c5c5c5c);
    if (html) {
      // `<` and `>` differ in one bit.
      const angle = (word & ~0x02020202) ^ 0x3c3c3c3c;
      found |= zeroByte(angle) | zeroByte(word ^ 0x26262626) | zeroByte(word ^ 0xe2e2e2e2);
    }
    if ((found & 0x80808080) !== 0) break;
    output.setInt32(pos + at - from, word, true);
  }
  return at - from;
}

/**
 * Copies text in steps of four bytes, up to a step with a byte that is not ASCII, or that JSON may want escaped, also where it may
 * stand in a web page.
 * @returns how many bytes were copied
 */
export function copyPlainAscii(source: Uint8Array, from: number, to: number, out: Uint8Array, pos: number): number {
  const input = viewToRead(source);
  const output = viewToWrite(out);
  const last = to - 4;
  let at = from;
  for (; at <= last; at += 4) {
    const word = input.getInt32(at, true);
    const angle = (word & ~0x02020202) ^ 0x3c3c3c3c;
    const found =
      word |
      (word - 0x20202020) |
      zeroByte(word ^ 0x22222222) |
      zeroByte(word ^ 0x5c5c5c5c) |
      zeroByte(angle) |
      zeroByte(word ^ 0x26262626);
    if ((found & 0x80808080) !== 0) break;
    output.setInt32(pos + at - from, word, true);
  }
  return at - from;
}

/** What is not ASCII, or JSON may want escaped, also where it may stand in a web page. */
const SPECIALS = new Uint8Array(256).fill(1, 0, 0x20).fill(1, 0x80);
for (const special of '"\\<>&') SPECIALS[special.charCodeAt(0)] = 1;

export function isSpecial(byte: number): boolean {
  return SPECIALS[byte] === 1;
}

/** ASCII without anything special. */
export function isPlain(text: Uint8Array): boolean {
  return !text.some(isSpecial);
}

/**
 * Copies ASCII, eight bytes at a time: none of it is a NaN, so a number stands for its bytes. In the machine's order, as all copies here:
 * the other one turns every word around twice.
 * @returns the position behind it
 */
export function copyAscii(source: Uint8Array, from: number, to: number, out: Uint8Array, pos: number): number {
  const end = pos + to - from;
  if (to - from < 4) {
    for (let at = from, put = pos; at < to; at += 1, put += 1) out[put] = source[at]!;
    return end;
  }
  const input = viewToRead(source);
  const output = viewToWrite(out);
  // The last step takes what is left, and some that was copied before.
  if (to - from < 8) {
    output.setInt32(pos, input.getInt32(from, true), true);
    output.setInt32(end - 4, input.getInt32(to - 4, true), true);
    return end;
  }
  const last = to - 8;
  for (let at = from, put = pos; at < last; at += 8, put += 8) output.setFloat64(put, input.getFloat64(at, true), true);
  output.setFloat64(end - 8, input.getFloat64(last, true), true);
  return end;
}

/**
 * How far nothing in the text is special, found in steps of four bytes: at most three fall short of the truth, and more where some
 * characters stand that differ from special ones in a bit or two (`^`, `|`, `~`).
 */
export function plainEnd(source: DataView, from: number, to: number): number {
  const last = to - 4;
  let at = from;
  for (; at <= last; at += 4) {
    const word = source.getInt32(at, true);
    // `"` and `&` differ in one bit; `<`, `>` and the backslash in three.
    const quote = (word & ~0x04040404) ^ 0x22222222;
    const angle = (word & ~0x62626262) ^ 0x1c1c1c1c;
    if (((word | (word - 0x20202020) | zeroByte(quote) | zeroByte(angle)) & 0x80808080) !== 0) break;
  }
  return at;
}

/** The top bit of the lowest byte that is zero is set, and of none below it. */
function zeroByte(word: number): number {
  return (word - 0x01010101) & ~word;
}

/** Copies four bytes at a time, for who has the views already. The ranges must not overlap: the last two words may. */
export function copyWords(source: DataView, from: number, to: number, out: DataView, pos: number): number {
  const end = pos + to - from;
  const last = to - 4;
  let at = from;
  let put = pos;
  for (; at <= last; at += 4, put += 4) out.setInt32(put, source.getInt32(at, true), true);
  if (at === to) return end;
  if (last >= from) out.setInt32(end - 4, source.getInt32(last, true), true);
  else for (; at < to; at += 1, put += 1) out.setUint8(put, source.getUint8(at));
  return end;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether the range holds exactly these bytes. Differences are most often at the end. */
export function isRange(bytes: Uint8Array, from: number, to: number, wanted: Uint8Array): boolean {
  if (to - from !== wanted.length) return false;
  for (let index = wanted.length - 1; index >= 0; index -= 1) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}
