import type { Framing } from '../messages/control.ts';
import { utf8 } from './bytes.ts';

const HEX = utf8('0123456789abcdef');

/** Room that a line needs before it, and behind it, to become a chunk. */
export const CHUNK_HEAD_BYTES = 5;
const CHUNK_TAIL_BYTES = 6;

/**
 * Turns the text at `start + 5 .. end` into one HTTP/1.1 chunk that begins at `start`. Nearly every line has 256..4095 bytes,
 * three hexadecimal digits; the others are moved to where they belong.
 * @returns the position behind the chunk
 */
export function frameChunk(out: Uint8Array, start: number, end: number): number {
  const size = end - start - CHUNK_HEAD_BYTES;
  let digits = 3;
  if (size > 0xfff || size < 0x100) {
    digits = size.toString(16).length;
    out.copyWithin(start + digits + 2, start + CHUNK_HEAD_BYTES, end);
  }
  let rest = size;
  for (let at = start + digits - 1; at >= start; at -= 1) {
    out[at] = HEX[rest & 15]!;
    rest >>= 4;
  }
  out[start + digits] = 0x0d;
  out[start + digits + 1] = 0x0a;
  const body = start + digits + 2 + size;
  out[body] = 0x0d;
  out[body + 1] = 0x0a;
  return body + 2;
}

/** A text that is sent now and then, framed like the events beside it. */
export function frameText(text: string, framing: Framing): Uint8Array {
  const bytes = utf8(text);
  if (framing === 'plain') return bytes;
  const out = new Uint8Array(CHUNK_HEAD_BYTES + bytes.length + CHUNK_TAIL_BYTES);
  out.set(bytes, CHUNK_HEAD_BYTES);
  return out.subarray(0, frameChunk(out, 0, CHUNK_HEAD_BYTES + bytes.length));
}
