/**
 * A number that stands for the content of a packed record that is not in the log yet, the source's own time included. Of 512
 * marks one is that of another event once in 10^13 events.
 */
export function markOf(words: Int32Array, at: number, length: number): number {
  let high = 0x2545f491;
  let low = 0x1b873593;
  for (let word = at >> 2; word < (at + length) >> 2; word += 1) {
    const value = words[word]!;
    high = Math.imul(high ^ value, 0x9e3779b1);
    high ^= high >>> 15;
    low = Math.imul(((low << 13) | (low >>> 19)) ^ value, 0x85ebca77);
  }
  return (mixed(high) >>> 0) * 0x200000 + (mixed(low) >>> 11);
}

/** Spreads every bit over all of them. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
