import { viewToWrite } from './bytes.ts';

/** Two decimal digits as they stand in memory. */
const PAIRS = Uint16Array.from({ length: 100 }, (_, value) => 0x3030 + Math.floor(value / 10) + ((value % 10) << 8));

/** Decimal digits of a non-negative safe integer. */
export function writeUint(out: Uint8Array, pos: number, value: number): number {
  if (value < 10) {
    out[pos] = 48 + value;
    return pos + 1;
  }
  const output = viewToWrite(out);
  const end = pos + digitsOf(value);
  let rest = value;
  let at = end;
  // Above 2^31 the remainder of a double is slow; split until there are small integers.
  while (rest > 0x7fffffff) {
    const high = Math.floor(rest / 100);
    at -= 2;
    output.setUint16(at, PAIRS[rest - high * 100]!, true);
    rest = high;
  }
  let small = rest | 0;
  while (small >= 100) {
    const high = (small / 100) | 0;
    at -= 2;
    output.setUint16(at, PAIRS[small - high * 100]!, true);
    small = high;
  }
  if (small >= 10) output.setUint16(pos, PAIRS[small]!, true);
  else out[pos] = 48 + small;
  return end;
}

/** Of a non-negative safe integer. */
function digitsOf(value: number): number {
  if (value < 1e4) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  if (value < 1e8) return value < 1e6 ? (value < 1e5 ? 5 : 6) : value < 1e7 ? 7 : 8;
  return 8 + digitsOf(Math.floor(value / 1e8));
}

/** Digits that have just been written there, once more. The three bytes behind them may change too. @returns the position behind them */
export function repeatDigits(out: Uint8Array, from: number, to: number, pos: number): number {
  const output = viewToWrite(out);
  for (let done = 0; done < to - from; done += 4) output.setInt32(pos + done, output.getInt32(from + done, true), true);
  return pos + to - from;
}

export function writeInt(out: Uint8Array, pos: number, value: number): number {
  if (value >= 0) return writeUint(out, pos, value);
  out[pos] = 45;
  return writeUint(out, pos + 1, -value);
}

/** Exactly nine digits. */
export function writeNanos(out: Uint8Array, pos: number, nanos: number): number {
  const output = viewToWrite(out);
  const five = (nanos / 10_000) | 0;
  const one = (five / 10_000) | 0;
  out[pos] = 48 + one;
  output.setInt32(pos + 1, fourDigits(five - one * 10_000), true);
  output.setInt32(pos + 5, fourDigits(nanos - five * 10_000), true);
  return pos + 9;
}

function fourDigits(value: number): number {
  const high = (value / 100) | 0;
  return PAIRS[high]! | (PAIRS[value - high * 100]! << 16);
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
