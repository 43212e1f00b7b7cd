import type { Encoder } from './encoder.ts';
import type { EventView } from './event-record.ts';

const FIRST_BYTES = 4096;
const NOTHING = new Uint8Array(0);

/**
 * The encoder of all lanes of a format, which remembers the last event: of lanes that show the same one only the first encodes it,
 * and the memory in which texts are put together stays in the processor's cache.
 */
export class SharedEncoder {
  readonly encoder: Encoder;
  #memory = new Uint8Array(FIRST_BYTES);
  #seq = 0;
  #isRedacted = false;
  #bytes: Uint8Array = NOTHING;

  constructor(encoder: Encoder) {
    this.encoder = encoder;
  }

  /**
   * The event as the format says it; empty when it has no word for it. Valid until another event is asked for.
   * @param isRedacted whether the view shows a copy without the event's secrets
   */
  encoded(event: EventView, seq: number, isRedacted: boolean): Uint8Array {
    if (seq === this.#seq && isRedacted === this.#isRedacted) return this.#bytes;
    const room = this.encoder.maxBytes(event.byteLength);
    if (room > this.#memory.length) this.#memory = new Uint8Array(2 * room);
    this.#seq = 0;
    this.#bytes = this.#memory.subarray(0, this.encoder.encode(event, this.#memory, 0));
    this.#seq = seq;
    this.#isRedacted = isRedacted;
    return this.#bytes;
  }
}
