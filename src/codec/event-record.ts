import type { FilterSubject } from '../event/filter.ts';
import { formatCursor, type Epoch } from '../event/cursor.ts';
import { TocsinError } from '../event/errors.ts';
import type { NewEvent, Timestamp, TocsinEvent } from '../event/event.ts';
import { formatTime, timeNano } from '../event/time.ts';
import {
  EVENT,
  EVENT_VERSION,
  FLAG_REPLACED_UTF8,
  KIND_EVENT,
  MAX_EVENT_BYTES,
  NO_EXIT_CODE,
  NO_PID,
} from '../messages/layout.ts';
import { textOf, utf8, writeBytes } from './bytes.ts';

/**
 * A window on one packed record. Moving it costs two stores: nothing is decoded until it is asked for. The memory belongs to
 * the segment and never changes once committed.
 */
export class EventView implements FilterSubject {
  bytes: Uint8Array;
  /** The same memory as 32-bit words and 16-bit halves; records start on eight-byte boundaries. */
  words: Int32Array;
  halves: Uint16Array;
  /** Byte offset of the record. */
  at = 0;

  constructor(memory: ArrayBufferLike) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.halves = new Uint16Array(memory);
  }

  get byteLength(): number {
    return this.words[this.at >> 2]!;
  }
  get kind(): number {
    return this.bytes[this.at + EVENT.KIND]!;
  }
  get seq(): number {
    return this.#unsigned(EVENT.SEQ_LOW) + this.#unsigned(EVENT.SEQ_HIGH) * 0x100000000;
  }
  get timeSec(): number {
    return this.#unsigned(EVENT.TIME_SEC);
  }
  get timeNanos(): number {
    return this.#unsigned(EVENT.TIME_NANOS);
  }
  get pid(): number {
    return this.words[(this.at + EVENT.PID) >> 2]!;
  }
  get exitCode(): number {
    return this.words[(this.at + EVENT.EXIT_CODE) >> 2]!;
  }
  get attributeCount(): number {
    return this.half(EVENT.ATTRIBUTES);
  }

  get type(): string {
    return this.#text(0, EVENT.TYPE_BYTES);
  }
  get action(): string {
    return this.#text(1, EVENT.ACTION_BYTES);
  }
  get args(): string {
    return this.#text(2, EVENT.ARGS_BYTES);
  }
  get id(): string {
    return this.#text(3, EVENT.ID_BYTES);
  }
  get scope(): string {
    return this.#text(4, EVENT.SCOPE_BYTES);
  }
  get source(): string {
    return this.#text(5, EVENT.SOURCE_BYTES);
  }
  get namespace(): string {
    return this.#text(6, EVENT.NAMESPACE_BYTES);
  }

  /** Byte length of one of the texts, or the attribute count: a 16-bit field of the fixed part. */
  half(field: number): number {
    return this.halves[(this.at + field) >> 1]!;
  }

  /** Compares bytes: nothing is decoded for the many events of other types. */
  isOfType(type: Uint8Array): boolean {
    if (this.half(EVENT.TYPE_BYTES) !== type.length) return false;
    return bytesEqual(this.bytes, this.at + EVENT.FIXED_BYTES, type);
  }

  /** Offset of the first attribute. */
  get attributesAt(): number {
    return this.#textAt(7);
  }

  /** Offset of the attribute with this key, as `[u16 key length][u16 value length][key][value]`; -1 = there is none. */
  attributeAt(key: Uint8Array): number {
    let at = this.attributesAt;
    for (let left = this.attributeCount; left > 0; left -= 1) {
      const keyBytes = readUint16(this.bytes, at);
      if (keyBytes === key.length && bytesEqual(this.bytes, at + 4, key)) return at;
      at += 4 + keyBytes + readUint16(this.bytes, at + 2);
    }
    return -1;
  }

  attribute(key: string): string | undefined {
    for (const [name, value] of this.attributes()) if (name === key) return value;
    return undefined;
  }

  *attributes(): IterableIterator<readonly [string, string]> {
    let at = this.attributesAt;
    for (let index = this.attributeCount; index > 0; index -= 1) {
      const keyAt = at + 4;
      const valueAt = keyAt + readUint16(this.bytes, at);
      at = valueAt + readUint16(this.bytes, keyAt - 2);
      yield [textOf(this.bytes, keyAt, valueAt), textOf(this.bytes, valueAt, at)];
    }
  }

  toEvent(epoch: Epoch): TocsinEvent {
    const time: Timestamp = { sec: this.timeSec, nanos: this.timeNanos };
    const { seq, args, pid, exitCode, scope, source, namespace } = this;
    return {
      seq,
      cursor: formatCursor(epoch, seq),
      time: formatTime(time),
      timeNano: timeNano(time),
      type: this.type,
      action: this.action,
      ...(args === '' ? {} : { args }),
      id: this.id,
      attributes: Object.fromEntries(this.attributes()),
      ...(pid === NO_PID ? {} : { pid }),
      ...(exitCode === NO_EXIT_CODE ? {} : { exitCode }),
      ...(scope === '' ? {} : { scope }),
      ...(source === '' ? {} : { source }),
      ...(namespace === '' ? {} : { namespace }),
    };
  }

  #unsigned(field: number): number {
    return this.words[(this.at + field) >> 2]! >>> 0;
  }

  #textAt(index: number): number {
    let at = this.at + EVENT.FIXED_BYTES;
    for (let before = 0; before < index; before += 1) at += this.halves[((this.at + EVENT.TYPE_BYTES) >> 1) + before]!;
    return at;
  }

  #text(index: number, field: number): string {
    const at = this.#textAt(index);
    return textOf(this.bytes, at, at + this.half(field));
  }
}

/** Unaligned little-endian 16 bits, as attributes use them. */
export function readUint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** Whether these bytes stand at `from`. Differences are most often at the end. */
export function bytesEqual(bytes: Uint8Array, from: number, wanted: Uint8Array): boolean {
  for (let index = wanted.length - 1; index >= 0; index -= 1) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}

/** `[u16 key length][u16 value length][key][value]`. @returns the position behind it */
export function writeAttribute(out: Uint8Array, pos: number, key: Uint8Array, value: Uint8Array): number {
  out[pos] = key.length & 0xff;
  out[pos + 1] = key.length >> 8;
  out[pos + 2] = value.length & 0xff;
  out[pos + 3] = value.length >> 8;
  return writeBytes(out, writeBytes(out, pos + 4, key), value);
}

export function roundUp8(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Types of the lines and deliveries that are not events. */
const NOTICE_TYPES: ReadonlySet<string> = new Set(['gap', 'heartbeat']);

/**
 * Packs what a publisher gave into a record without sequence number and time; the source's own time goes into SOURCE.
 * @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE
 */
export function packEvent(event: NewEvent): Uint8Array {
  requireObject('event', event);
  if (event.attributes !== undefined) requireObject('attributes', event.attributes);
  const texts = [
    text('type', event.type),
    text('action', event.action),
    text('args', event.args ?? ''),
    text('id', event.id),
    text('scope', event.scope ?? ''),
    text('source', event.source ?? ''),
    text('namespace', event.namespace ?? ''),
  ];
  if (event.type === '' || event.action === '') throw invalid('type and action must not be empty');
  if (NOTICE_TYPES.has(event.type)) throw invalid(`type: ${event.type} is kept for what is no event`);
  const attributes = Object.entries(event.attributes ?? {}).map(
    ([key, value]) => [text('attribute key', key), text(`attribute ${key}`, value)] as const,
  );
  const attributeBytes = attributes.reduce((sum, [key, value]) => sum + 4 + key.length + value.length, 0);
  const textBytes = texts.reduce((sum, bytes) => sum + bytes.length, 0);
  const length = roundUp8(EVENT.FIXED_BYTES + textBytes + attributeBytes);
  if (length > MAX_EVENT_BYTES || attributes.length > 0xffff) {
    throw new TocsinError('ERR_EVENT_TOO_LARGE', `event of ${length} bytes; at most ${MAX_EVENT_BYTES} are taken`);
  }
  const out = new Uint8Array(length);
  const fields = new DataView(out.buffer);
  fields.setInt32(EVENT.LENGTH, length, true);
  out[EVENT.VERSION] = EVENT_VERSION;
  out[EVENT.KIND] = KIND_EVENT;
  out[EVENT.FLAGS] = isReplaced(event) ? FLAG_REPLACED_UTF8 : 0;
  fields.setInt32(EVENT.PID, integer('pid', event.pid, NO_PID), true);
  fields.setInt32(EVENT.EXIT_CODE, integer('exitCode', event.exitCode, NO_EXIT_CODE), true);
  if (event.time !== undefined) {
    requireObject('time', event.time);
    fields.setUint32(EVENT.SOURCE_SEC, integer('time.sec', event.time.sec, 0, 0xffffffff), true);
    fields.setUint32(EVENT.SOURCE_NANOS, integer('time.nanos', event.time.nanos, 0, 999_999_999), true);
  }
  let pos: number = EVENT.FIXED_BYTES;
  texts.forEach((bytes, index) => {
    fields.setUint16(EVENT.TYPE_BYTES + 2 * index, bytes.length, true);
    pos = writeBytes(out, pos, bytes);
  });
  fields.setUint16(EVENT.ATTRIBUTES, attributes.length, true);
  fields.setUint32(EVENT.ATTRIBUTES_BYTES, attributeBytes, true);
  for (const [key, value] of attributes) pos = writeAttribute(out, pos, key, value);
  return out;
}

/** Half a surrogate pair has no UTF-8: it becomes U+FFFD. */
const LONE_SURROGATE = /\p{Cs}/u;

function isReplaced(event: NewEvent): boolean {
  const { type, action, args = '', id, scope = '', source = '', namespace = '', attributes = {} } = event;
  const texts = [type, action, args, id, scope, source, namespace, ...Object.entries(attributes).flat()];
  return texts.some((value) => LONE_SURROGATE.test(value));
}

function requireObject(field: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${field}: expected an object`);
}

function text(field: string, value: unknown): Uint8Array {
  if (typeof value !== 'string') throw invalid(`${field}: expected text, got ${typeof value}`);
  const bytes = utf8(value);
  if (bytes.length > 0xffff) throw new TocsinError('ERR_EVENT_TOO_LARGE', `${field} is longer than 65,535 bytes`);
  return bytes;
}

function integer(field: string, value: number | undefined, absent: number, max = 0x7fffffff): number {
  if (value === undefined) return absent;
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw invalid(`${field}: expected an integer from 0 to ${max}, got ${String(value)}`);
  }
  return value;
}

function invalid(message: string): TocsinError {
  return new TocsinError('ERR_EVENT_INVALID', message);
}
