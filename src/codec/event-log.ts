import type { Lagged } from '../event/event.ts';
import { EVENT, NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { utf8, writeBytes } from './bytes.ts';
import { writeInt, writeNanos } from './numbers.ts';
import type { Encoder } from './encoder.ts';
import { type EventView, readUint16 } from './event-record.ts';

const HEX = utf8('0123456789abcdef');
const OBJECT = utf8('Z Event: {Object: ');
const TYPE = utf8(', Type: ');
const PID = utf8('pid=');
const EXIT_CODE = utf8('exitCode=');
const SEPARATOR = utf8(', ');
const SYNTHETIC = utf8(', Synthetic: true');
/** Everything but the event's texts. */
const OVERHEAD_BYTES = 128;
/** `\u000a`: the longest escape of one byte; also more than the punctuation that an attribute of no length needs. */
const MAX_ESCAPE = 6;

/**
 * A line of the event log, as iSulad's own log has it behind its prefix:
 * `2026-05-10T09:20:34.661862100Z Event: {Object: 3277..., Type: container start (pid=9007, image=busybox)}`. Annotations in
 * the order of the record; control characters as `\u000a`, so that an event is one line whatever its texts hold.
 */
export class EventLogEncoder implements Encoder {
  #second = -1;
  #secondText: Uint8Array = new Uint8Array(0);
  /** Annotations of the present event so far. */
  #annotations = 0;

  maxBytes(recordBytes: number): number {
    return OVERHEAD_BYTES + recordBytes * MAX_ESCAPE;
  }

  encode(event: EventView, out: Uint8Array, start: number): number {
    const { bytes, pid, exitCode } = event;
    const typeFrom = event.at + EVENT.FIXED_BYTES;
    const actionFrom = typeFrom + event.half(EVENT.TYPE_BYTES);
    const argsFrom = actionFrom + event.half(EVENT.ACTION_BYTES);
    const idFrom = argsFrom + event.half(EVENT.ARGS_BYTES);
    const idTo = idFrom + event.half(EVENT.ID_BYTES);
    let pos = writeBytes(out, this.#time(event, out, start), OBJECT);
    pos = writeText(bytes, idFrom, idTo, out, pos);
    pos = writeText(bytes, typeFrom, actionFrom, out, writeBytes(out, pos, TYPE));
    out[pos] = 0x20;
    pos = writeText(bytes, actionFrom, argsFrom, out, pos + 1);
    if (idFrom > argsFrom) {
      out[pos] = 0x3a;
      out[pos + 1] = 0x20;
      pos = writeText(bytes, argsFrom, idFrom, out, pos + 2);
    }
    this.#annotations = 0;
    if (pid !== NO_PID) pos = writeInt(out, writeBytes(out, this.#next(out, pos), PID), pid);
    // iSulad says nothing of an exit code of 0.
    if (exitCode !== NO_EXIT_CODE && exitCode !== 0)
      pos = writeInt(out, writeBytes(out, this.#next(out, pos), EXIT_CODE), exitCode);
    pos = this.#attributes(event, out, pos);
    if (this.#annotations > 0) {
      out[pos] = 0x29;
      pos += 1;
    }
    if (event.isSynthetic) pos = writeBytes(out, pos, SYNTHETIC);
    out[pos] = 0x7d;
    out[pos + 1] = 0x0a;
    return pos + 2;
  }

  #time(event: EventView, out: Uint8Array, start: number): number {
    const { timeSec } = event;
    if (timeSec !== this.#second) {
      this.#second = timeSec;
      this.#secondText = utf8(new Date(timeSec * 1000).toISOString().slice(0, 20));
    }
    return writeNanos(out, writeBytes(out, start, this.#secondText), event.timeNanos);
  }

  #attributes(event: EventView, out: Uint8Array, start: number): number {
    const { bytes } = event;
    let pos = start;
    let at = event.attributesAt;
    for (let index = event.attributeCount; index > 0; index -= 1) {
      const keyFrom = at + 4;
      const keyTo = keyFrom + readUint16(bytes, at);
      at = keyTo + readUint16(bytes, keyFrom - 2);
      pos = writeText(bytes, keyFrom, keyTo, out, this.#next(out, pos));
      out[pos] = 0x3d;
      pos = writeText(bytes, keyTo, at, out, pos + 1);
    }
    return pos;
  }

  /** What stands before the next annotation. */
  #next(out: Uint8Array, pos: number): number {
    this.#annotations += 1;
    if (this.#annotations > 1) return writeBytes(out, pos, SEPARATOR);
    out[pos] = 0x20;
    out[pos + 1] = 0x28;
    return pos + 2;
  }
}

/** What stands in the event log in place of events that are gone. */
export function gapLogLine(gap: Lagged): Uint8Array {
  const { missed, from, to, reason } = gap;
  return utf8(`Gap: {missed: ${missed ?? 'unknown'}, from: ${from}, to: ${to}, reason: ${reason}}\n`);
}

function writeText(bytes: Uint8Array, from: number, to: number, out: Uint8Array, start: number): number {
  let pos = start;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    if (byte >= 0x20 && byte !== 0x7f) {
      out[pos] = byte;
      pos += 1;
    } else {
      out[pos] = 0x5c;
      out[pos + 1] = 0x75;
      out[pos + 2] = 0x30;
      out[pos + 3] = 0x30;
      out[pos + 4] = HEX[byte >> 4]!;
      out[pos + 5] = HEX[byte & 15]!;
      pos += 6;
    }
  }
  return pos;
}
