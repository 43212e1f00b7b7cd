import type { EventView } from './event-record.ts';

/** Turns packed records into the bytes of one wire format, framing included. Deterministic; keeps no reference to `out`. */
export interface Encoder {
  /** Room that a packed record of this length needs at most. */
  maxBytes(recordBytes: number): number;
  /** Writes the event under the view at `pos`. @returns the position behind it; `pos` itself when the format has no word for the event */
  encode(event: EventView, out: Uint8Array, pos: number): number;
}
