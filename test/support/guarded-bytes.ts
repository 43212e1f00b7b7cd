import assert from 'node:assert/strict';

/** What a function wrote between the guards, which must still be there. */
export function written(write: (out: Uint8Array, pos: number) => number): Uint8Array {
  const out = new Uint8Array(64).fill(0xee);
  const end = write(out, 8);
  assert.ok(out.subarray(0, 8).every((byte) => byte === 0xee));
  assert.ok(out.subarray(end).every((byte) => byte === 0xee));
  return out.slice(8, end);
}

/** The bytes in shared memory, eight others before and behind them. */
export function shared(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length + 16));
  out.set(bytes, 8);
  return out;
}
