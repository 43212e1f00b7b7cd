import type { Epoch } from '../event/cursor.ts';
import type { Epochs } from '../event/epochs.ts';
import type { Heartbeat, Lagged } from '../event/event.ts';
import type { Framing } from '../messages/control.ts';
import { type Literal, literal, writeLiteral } from './bytes.ts';
import { writeUint } from './numbers.ts';
import type { Encoder } from './encoder.ts';
import type { EventView } from './event-record.ts';
import { CHUNK_HEAD_BYTES, frameChunk, frameText } from './http-chunk.ts';
import { NativeJsonEncoder } from './native-json.ts';

const DATA = literal('\ndata: ');
/** `id: <cursor>`, `data: ` and the ends of lines, with room to spare; chunk framing is in the line's own room. */
const FRAME_BYTES = 64;

/**
 * An event as the server-sent events of the HTML standard have it (docs/protocol.md): its cursor as `id`, its native line as
 * `data`, an empty line. JSON has no raw line ends, so one `data` holds all of it. With `framing: 'chunked'` each is one
 * HTTP/1.1 chunk.
 */
export class NativeSseEncoder implements Encoder {
  readonly #isChunked: boolean;
  readonly #line: NativeJsonEncoder;
  readonly #epochs: Epochs;
  /** Of the events of one epoch, which nearly all are. */
  #epoch: Epoch = '';
  #id: Literal = literal('');

  constructor(epochs: Epochs, framing: Framing) {
    this.#isChunked = framing === 'chunked';
    this.#line = new NativeJsonEncoder(epochs, 'plain');
    this.#epochs = epochs;
  }

  maxBytes(recordBytes: number): number {
    return FRAME_BYTES + this.#line.maxBytes(recordBytes);
  }

  encode(event: EventView, out: Uint8Array, pos: number): number {
    if (!this.#isChunked) return this.#frame(event, out, pos);
    return frameChunk(out, pos, this.#frame(event, out, pos + CHUNK_HEAD_BYTES));
  }

  #enterEpoch(epoch: Epoch): void {
    this.#epoch = epoch;
    this.#id = literal(`id: ${epoch}-`);
  }

  #frame(event: EventView, out: Uint8Array, start: number): number {
    const { seq } = event;
    const epoch = this.#epochs.at(seq);
    if (epoch !== this.#epoch) this.#enterEpoch(epoch);
    const idTo = writeUint(out, writeLiteral(out, start, this.#id), seq);
    const end = this.#line.encode(event, out, writeLiteral(out, idTo, DATA));
    out[end] = 0x0a;
    return end + 1;
  }
}

/** A gap or heartbeat beside such events. Its id is where the client then stands, so that a gap is not told again to who comes back. */
export function encodeSseNotice(notice: Lagged | Heartbeat, framing: Framing): Uint8Array {
  const id = notice.type === 'gap' ? notice.oldest : notice.cursor;
  return frameText(`event: ${notice.type}\nid: ${id}\ndata: ${JSON.stringify(notice)}\n\n`, framing);
}
