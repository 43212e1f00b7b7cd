import type { Epoch } from '../event/cursor.ts';
import type { Epochs } from '../event/epochs.ts';
import type { Heartbeat, Lagged } from '../event/event.ts';
import type { Framing } from '../messages/control.ts';
import { EVENT, FLAG_PLAIN, FLAG_SOURCE_GAP, FLAG_SYNTHETIC, NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { copyAscii, copyPlain, type Literal, literal, utf8, writeLiteral } from './bytes.ts';
import { repeatDigits, writeInt, writeNanos, writeUint } from './numbers.ts';
import type { Encoder } from './encoder.ts';
import { type EventView, readUint16 } from './event-record.ts';
import { CHUNK_HEAD_BYTES, frameChunk, frameText } from './http-chunk.ts';

const HEX = utf8('0123456789abcdef');
const SEQ = literal('{"seq":');
const TYPE = literal('","type":"');
const ACTION = literal('","action":"');
const ARGS = literal('","args":"');
const ID = literal('","id":"');
const ATTRIBUTES = literal('","attributes":{');
const PID = literal(',"pid":');
const EXIT_CODE = literal(',"exitCode":');
const SCOPE = literal(',"scope":"');
const SOURCE = literal(',"source":"');
const NAMESPACE = literal(',"namespace":"');
const SYNTHETIC = literal(',"synthetic":true');
const REASON_SOURCE = literal(',"reason":"source"');
/** Everything that is not text of the event: keys, punctuation, numbers, cursor, time, framing. */
const OVERHEAD_BYTES = 400;
/** `\u001f`: the longest escape of one byte. */
const MAX_ESCAPE = 6;

/**
 * A native event line (docs/protocol.md): JSON and LF. With `framing: 'chunked'` each line is one HTTP/1.1 chunk, header
 * and trailer included, so that many of them can go out in one write.
 */
export class NativeJsonEncoder implements Encoder {
  readonly #framed: boolean;
  readonly #epochs: Epochs;
  /** Of the events of one epoch, which nearly all are. */
  #epoch: Epoch = '';
  #cursorPrefix = literal('');
  /** Formatting a date once a second is enough: what stands before the nanoseconds of the time, and between both of them. */
  #second = -1;
  #beforeNanos = literal('');
  #betweenNanos = literal('');

  constructor(epochs: Epochs, framing: Framing) {
    this.#framed = framing === 'chunked';
    this.#epochs = epochs;
  }

  maxBytes(recordBytes: number): number {
    return OVERHEAD_BYTES + recordBytes * MAX_ESCAPE;
  }

  encode(event: EventView, out: Uint8Array, pos: number): number {
    if (!this.#framed) return this.#line(event, out, pos);
    return frameChunk(out, pos, this.#line(event, out, pos + CHUNK_HEAD_BYTES));
  }

  #enterEpoch(epoch: Epoch): void {
    this.#epoch = epoch;
    this.#cursorPrefix = literal(`,"cursor":"${epoch}-`);
  }

  #enterSecond(sec: number): void {
    this.#second = sec;
    this.#beforeNanos = literal(`","time":"${new Date(sec * 1000).toISOString().slice(0, 20)}`);
    this.#betweenNanos = literal(`Z","timeNano":"${sec === 0 ? '' : sec}`);
  }

  #line(event: EventView, out: Uint8Array, start: number): number {
    const { bytes, at } = event;
    const digitsAt = start + SEQ.length;
    const { seq } = event;
    const digitsTo = writeUint(out, writeLiteral(out, start, SEQ), seq);
    const epoch = this.#epochs.at(seq);
    if (epoch !== this.#epoch) this.#enterEpoch(epoch);
    let pos = repeatDigits(out, digitsAt, digitsTo, writeLiteral(out, digitsTo, this.#cursorPrefix));
    const sec = event.timeSec;
    const nanos = event.timeNanos;
    if (sec !== this.#second) this.#enterSecond(sec);
    const nanosAt = writeLiteral(out, pos, this.#beforeNanos);
    pos = writeLiteral(out, writeNanos(out, nanosAt, nanos), this.#betweenNanos);
    if (sec === 0) pos = writeUint(out, pos, nanos);
    else pos = repeatDigits(out, nanosAt, nanosAt + 9, pos);

    const flags = event.half(EVENT.FLAGS);
    const isPlain = (flags & FLAG_PLAIN) !== 0;
    let from = at + EVENT.FIXED_BYTES;
    let to = from + event.half(EVENT.TYPE_BYTES);
    pos = writeText(bytes, from, to, out, writeLiteral(out, pos, TYPE), isPlain);
    from = to;
    to += event.half(EVENT.ACTION_BYTES);
    pos = writeText(bytes, from, to, out, writeLiteral(out, pos, ACTION), isPlain);
    const argsBytes = event.half(EVENT.ARGS_BYTES);
    if (argsBytes > 0) {
      from = to;
      to += argsBytes;
      pos = writeText(bytes, from, to, out, writeLiteral(out, pos, ARGS), isPlain);
    }
    from = to;
    to += event.half(EVENT.ID_BYTES);
    pos = writeText(bytes, from, to, out, writeLiteral(out, pos, ID), isPlain);
    pos = writeLiteral(out, pos, ATTRIBUTES);
    const scopeFrom = to;
    const sourceFrom = scopeFrom + event.half(EVENT.SCOPE_BYTES);
    const namespaceFrom = sourceFrom + event.half(EVENT.SOURCE_BYTES);
    const attributesFrom = namespaceFrom + event.half(EVENT.NAMESPACE_BYTES);
    pos = writeAttributes(event, attributesFrom, out, pos, isPlain);
    const { pid, exitCode } = event;
    if (pid !== NO_PID) pos = writeInt(out, writeLiteral(out, pos, PID), pid);
    if (exitCode !== NO_EXIT_CODE) pos = writeInt(out, writeLiteral(out, pos, EXIT_CODE), exitCode);
    pos = writeOptional(bytes, scopeFrom, sourceFrom, SCOPE, out, pos, isPlain);
    pos = writeOptional(bytes, sourceFrom, namespaceFrom, SOURCE, out, pos, isPlain);
    pos = writeOptional(bytes, namespaceFrom, attributesFrom, NAMESPACE, out, pos, isPlain);
    if (flags & FLAG_SOURCE_GAP) pos = writeLiteral(out, pos, REASON_SOURCE);
    if (flags & FLAG_SYNTHETIC) pos = writeLiteral(out, pos, SYNTHETIC);
    out[pos] = 0x7d;
    out[pos + 1] = 0x0a;
    return pos + 2;
  }
}

/** A gap or heartbeat line with the same framing as the events beside it. */
export function encodeNotice(notice: Lagged | Heartbeat, framing: Framing): Uint8Array {
  return frameText(`${JSON.stringify(notice)}\n`, framing);
}

function writeAttributes(event: EventView, from: number, out: Uint8Array, start: number, isPlain: boolean): number {
  const { bytes } = event;
  let pos = start;
  let at = from;
  for (let index = event.attributeCount; index > 0; index -= 1) {
    const keyAt = at + 4;
    const valueAt = keyAt + readUint16(bytes, at);
    at = valueAt + readUint16(bytes, keyAt - 2);
    out[pos] = 0x22;
    pos = writeText(bytes, keyAt, valueAt, out, pos + 1, isPlain);
    out[pos] = 0x22;
    out[pos + 1] = 0x3a;
    out[pos + 2] = 0x22;
    pos = writeText(bytes, valueAt, at, out, pos + 3, isPlain);
    out[pos] = 0x22;
    out[pos + 1] = 0x2c;
    pos += 2;
  }
  if (pos !== start) pos -= 1;
  out[pos] = 0x7d;
  return pos + 1;
}

function writeOptional(
  bytes: Uint8Array,
  from: number,
  to: number,
  key: Literal,
  out: Uint8Array,
  pos: number,
  isPlain: boolean,
): number {
  if (from === to) return pos;
  const end = writeText(bytes, from, to, out, writeLiteral(out, pos, key), isPlain);
  out[end] = 0x22;
  return end + 1;
}

/** JSON text without the quotes. The log holds valid UTF-8 only, so bytes from 0x80 on are copied as they are. */
function writeText(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  start: number,
  isPlain: boolean,
): number {
  if (isPlain) return copyAscii(bytes, from, to, out, start);
  const plain = copyPlain(bytes, from, to, out, start, false);
  let pos = start + plain;
  for (let at = from + plain; at < to; at += 1) {
    const byte = bytes[at]!;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) {
      out[pos] = byte;
      pos += 1;
    } else {
      pos = writeEscape(byte, out, pos);
    }
  }
  return pos;
}

function writeEscape(byte: number, out: Uint8Array, pos: number): number {
  out[pos] = 0x5c;
  if (byte === 0x22 || byte === 0x5c) {
    out[pos + 1] = byte;
    return pos + 2;
  }
  out[pos + 1] = 0x75;
  out[pos + 2] = 0x30;
  out[pos + 3] = 0x30;
  out[pos + 4] = HEX[byte >> 4]!;
  out[pos + 5] = HEX[byte & 15]!;
  return pos + 6;
}
