import { utf8 } from './bytes.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** UTF-8 of a code point that is no half of a surrogate pair. */
export function writeCodePoint(out: Uint8Array, pos: number, point: number): number {
  if (point < 0x80) {
    out[pos] = point;
    return pos + 1;
  }
  let at = pos;
  if (point < 0x800) {
    out[at] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x10000) {
      out[at] = 0xe0 | (point >> 12);
    } else {
      out[at] = 0xf0 | (point >> 18);
      at += 1;
      out[at] = 0x80 | ((point >> 12) & 0x3f);
    }
    at += 1;
    out[at] = 0x80 | ((point >> 6) & 0x3f);
  }
  out[at + 1] = 0x80 | (point & 0x3f);
  return at + 2;
}

/**
 * Bytes of the UTF-8 sequence that begins with this byte, which is not ASCII. Negative when it is not valid: as many bytes are
 * then one U+FFFD to a decoder (Unicode's "maximal subpart").
 */
export function utf8SequenceBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  const count = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte rules out overlong forms, surrogates and what lies beyond U+10FFFF.
  let low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  let high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  for (let index = 1; index < count; index += 1) {
    const byte = at + index < end ? bytes[at + index]! : 0;
    if (byte < low || byte > high) return -index;
    low = 0x80;
    high = 0xbf;
  }
  return count;
}

/** The range as valid UTF-8: each invalid sequence becomes U+FFFD. `replaced` tells whether there was one. */
export function repairUtf8(
  bytes: Uint8Array,
  from: number,
  to: number,
): { readonly bytes: Uint8Array; readonly replaced: boolean } {
  const original = bytes.slice(from, to);
  const repaired = utf8(decoder.decode(original));
  const replaced = repaired.length !== original.length || repaired.some((byte, index) => byte !== original[index]);
  return { bytes: repaired, replaced };
}
