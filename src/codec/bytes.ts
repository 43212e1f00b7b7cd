/**
 * The few byte primitives that the hot codecs share. Short texts are copied in a loop: below ~64 bytes that is cheaper than
 * the call into `Uint8Array.set`.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes bytes that the log has already made valid UTF-8; shared memory is copied first (TextDecoder refuses it). */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  if (from === to) return '';
  if (to - from < 128) {
    // One allocation instead of three for the short ASCII texts that nearly all fields are.
    let text = '';
    let at = from;
    for (; at < to; at += 1) {
      const byte = bytes[at]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === to) return text;
  }
  return decoder.decode(bytes.slice(from, to));
}

export function copyBytes(source: Uint8Array, from: number, to: number, out: Uint8Array, pos: number): number {
  const count = to - from;
  if (count > 96) {
    out.set(source.subarray(from, to), pos);
  } else {
    for (let index = 0; index < count; index += 1) out[pos + index] = source[from + index]!;
  }
  return pos + count;
}

export function writeBytes(out: Uint8Array, pos: number, source: Uint8Array): number {
  return copyBytes(source, 0, source.length, out, pos);
}

/** Decimal digits of a non-negative safe integer. */
export function writeUint(out: Uint8Array, pos: number, value: number): number {
  if (value < 10) {
    out[pos] = 48 + value;
    return pos + 1;
  }
  let digits = 2;
  for (let limit = 100; value >= limit; limit *= 10) digits += 1;
  const end = pos + digits;
  let rest = value;
  let at = end;
  // Above 2^31 the remainder of a double is slow; split once and go on with small integers.
  while (rest > 0x7fffffff) {
    const high = Math.floor(rest / 10);
    at -= 1;
    out[at] = 48 + (rest - high * 10);
    rest = high;
  }
  let small = rest | 0;
  while (at > pos) {
    const high = (small / 10) | 0;
    at -= 1;
    out[at] = 48 + (small - high * 10);
    small = high;
  }
  return end;
}

export function writeInt(out: Uint8Array, pos: number, value: number): number {
  if (value >= 0) return writeUint(out, pos, value);
  out[pos] = 45;
  return writeUint(out, pos + 1, -value);
}

/** Exactly nine digits. */
export function writeNanos(out: Uint8Array, pos: number, nanos: number): number {
  let rest = nanos | 0;
  for (let at = pos + 8; at >= pos; at -= 1) {
    const high = (rest / 10) | 0;
    out[at] = 48 + (rest - high * 10);
    rest = high;
  }
  return pos + 9;
}

/** Protobuf varint of a non-negative integer below 2^53. */
export function writeVarint(out: Uint8Array, pos: number, value: number): number {
  let rest = value;
  let at = pos;
  while (rest > 0x7fffffff) {
    out[at] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  let small = rest | 0;
  while (small > 127) {
    out[at] = (small & 127) | 0x80;
    small >>>= 7;
    at += 1;
  }
  out[at] = small;
  return at + 1;
}

export function varintBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16384) return 2;
  let bytes = 3;
  for (let limit = 2097152; value >= limit; limit *= 128) bytes += 1;
  return bytes;
}

/** The range as valid UTF-8: each invalid sequence becomes U+FFFD. `replaced` tells whether there was one. */
export function repairUtf8(
  bytes: Uint8Array,
  from: number,
  to: number,
): { readonly bytes: Uint8Array; readonly replaced: boolean } {
  const original = bytes.slice(from, to);
  const repaired = encoder.encode(decoder.decode(original));
  const replaced = repaired.length !== original.length || repaired.some((byte, index) => byte !== original[index]);
  return { bytes: repaired, replaced };
}
