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

/** The body of the one chunk that these bytes are; anything else about them is an error. */
export function onlyChunk(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  const head = /^([1-9a-f][0-9a-f]*)\r\n/.exec(text);
  assert.ok(head?.[1], `no chunk header without leading zeros: ${JSON.stringify(text.slice(0, 12))}`);
  const from = head[0].length;
  const to = from + Number.parseInt(head[1], 16);
  assert.equal(text.slice(to), '\r\n');
  return Buffer.from(bytes.subarray(from, to)).toString();
}

function isUntouched(out: Uint8Array, from: number, to: number): boolean {
  return out.subarray(from, to).every((byte) => byte === GUARD);
}
