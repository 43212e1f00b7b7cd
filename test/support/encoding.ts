import assert from 'node:assert/strict';
import type { Encoder } from '../../src/codec/encoder.ts';
import type { EventView } from '../../src/codec/event-record.ts';

const GUARD = 0xee;

/**
 * What an encoder writes for one event, with its promises checked: nothing before `pos`, nothing behind `maxBytes`, and the
 * same bytes whatever was in the memory before.
 */
export function encoded(encoder: Encoder, view: EventView, pos = 13): Uint8Array {
  const room = encoder.maxBytes(view.byteLength);
  const out = new Uint8Array(pos + room + 64).fill(GUARD);
  const end = encoder.encode(view, out, pos);
  assert.ok(end >= pos && end <= pos + room, `${end - pos} bytes in a room of ${room}`);
  assert.ok(isUntouched(out, 0, pos), 'bytes before the position were changed');
  assert.ok(isUntouched(out, pos + room, out.length), 'bytes behind the room were changed');
  return out.slice(pos, end);
}

function isUntouched(out: Uint8Array, from: number, to: number): boolean {
  return out.subarray(from, to).every((byte) => byte === GUARD);
}
