import { TocsinError } from '../event/errors.ts';
import {
  EVENT,
  EVENT_VERSION,
  FLAG_PLAIN,
  FLAG_REPLACED_UTF8,
  FLAG_SOURCE_GAP,
  FLAG_SYNTHETIC,
  KIND_EVENT,
  MAX_EVENT_BYTES,
} from '../messages/layout.ts';
import { copyWords, isRange, textOf, utf8, viewOf } from './bytes.ts';
import { roundUp8 } from './event-record.ts';

/** Types of the lines and deliveries that are not events. */
const NOTICE_TYPES: readonly Uint8Array[] = ['gap', 'heartbeat'].map(utf8);
/** Half a surrogate pair has no UTF-8: it becomes U+FFFD. */
const LONE_SURROGATE = /\p{Cs}/u;
const FIRST_BYTES = 16 * 1024;
/** A longer memory is let go of by `clear`. */
const KEPT_BYTES = 1024 * 1024;
const MAX_TEXT_BYTES = 0xffff;
/** Up to here a loop over the characters is quicker than the call of the encoder. */
const SHORT_CHARS = 100;

const encoder = new TextEncoder();

/**
 * Packed event records, back to back in memory that grows. A record is written in this order, and belongs to the list once it
 * is finished; `begin` drops one that was not.
 *
 *   begin -> seven texts, in the order of the record -> endTexts -> attributes -> endAttributes -> finish
 *
 * Every step may throw ERR_EVENT_INVALID or ERR_EVENT_TOO_LARGE.
 */
export class RecordWriter {
  bytes = new Uint8Array(FIRST_BYTES);
  #view = viewOf(this.bytes);
  readonly #ends: number[] = [];
  /** Of the record that is being written. */
  #start = 0;
  #pos = 0;
  #texts = 0;
  #attributes = 0;
  #attributesFrom = 0;
  /** Bytes that were written over, because the record is too long anyway. */
  #excess = 0;
  #flags = 0;

  get count(): number {
    return this.#ends.length;
  }

  /** Where the records up to this index, exclusively, end. */
  endOf(count: number): number {
    return count === 0 ? 0 : this.#ends[count - 1]!;
  }

  clear(): void {
    this.#ends.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.#allocate(FIRST_BYTES);
  }

  /** Takes the record back that was finished last. */
  dropLast(): void {
    this.#ends.pop();
  }

  begin(): void {
    this.#start = this.endOf(this.count);
    this.#pos = this.#start + EVENT.FIXED_BYTES;
    this.#texts = 0;
    this.#attributes = 0;
    this.#excess = 0;
    this.#flags = 0;
    this.#reserve(0);
  }

  /** A text that is in valid UTF-8 already. @param field its name, for errors */
  text(field: string, source: DataView, from: number, to: number): void {
    if (to - from > MAX_TEXT_BYTES) throw tooLong(field);
    this.#reserve(to - from);
    this.#endText(copyWords(source, from, to, this.#view, this.#pos));
  }

  /** A text of the embedding program, whatever it is. */
  string(field: string, value: unknown): void {
    this.#endText(this.#writeString(field, value, this.#pos));
  }

  /** Something in the event was no UTF-8. */
  markReplaced(): void {
    this.#flags |= FLAG_REPLACED_UTF8;
  }

  /** All texts of the event are. */
  markPlain(): void {
    this.#flags |= FLAG_PLAIN;
  }

  /** It tells that events of a source may be missing. */
  markSourceGap(): void {
    this.#flags |= FLAG_SOURCE_GAP;
  }

  /** No engine told it. */
  markSynthetic(): void {
    this.#flags |= FLAG_SYNTHETIC;
  }

  endTexts(): void {
    const typeBytes = this.#view.getUint16(this.#start + EVENT.TYPE_BYTES, true);
    const actionBytes = this.#view.getUint16(this.#start + EVENT.ACTION_BYTES, true);
    if (typeBytes === 0 || actionBytes === 0) throw invalid('type and action must not be empty');
    const from = this.#start + EVENT.FIXED_BYTES;
    for (const type of NOTICE_TYPES)
      if (isRange(this.bytes, from, from + typeBytes, type))
        throw invalid(`type: ${textOf(type, 0, type.length)} is kept for what is no event`);
    this.#attributesFrom = this.#pos;
  }

  /** Both in valid UTF-8. */
  attribute(keys: DataView, keyFrom: number, keyTo: number, values: DataView, from: number, to: number): void {
    if (keyTo - keyFrom > MAX_TEXT_BYTES) throw tooLong('attribute key');
    this.#reserve(4 + keyTo - keyFrom + to - from);
    const keyAt = this.#pos + 4;
    const valueAt = copyWords(keys, keyFrom, keyTo, this.#view, keyAt);
    if (to - from > MAX_TEXT_BYTES) throw tooLong(`attribute ${textOf(this.bytes, keyAt, valueAt)}`);
    this.#endAttribute(keyAt, valueAt, copyWords(values, from, to, this.#view, valueAt));
  }

  /** Of the embedding program. */
  stringAttribute(key: string, value: unknown): void {
    const keyAt = this.#pos + 4;
    const valueAt = this.#writeString('attribute key', key, keyAt);
    const end = this.#writeString(key, value, valueAt, 'attribute ');
    this.#endAttribute(keyAt, valueAt, end);
  }

  endAttributes(): void {
    const length = roundUp8(this.#pos - this.#start + this.#excess);
    if (length > MAX_EVENT_BYTES)
      throw new TocsinError('ERR_EVENT_TOO_LARGE', `event of ${length} bytes; at most ${MAX_EVENT_BYTES} are taken`);
  }

  /** The numbers must fit. @param sec of the source's own time; zero for none */
  finish(pid: number, exitCode: number, sec: number, nanos: number): void {
    const length = roundUp8(this.#pos - this.#start);
    const end = this.#start + length;
    const view = this.#view;
    const start = this.#start;
    view.setInt32(start + EVENT.LENGTH, length, true);
    view.setInt32(start + EVENT.VERSION, EVENT_VERSION | (KIND_EVENT << 8) | (this.#flags << 16), true);
    view.setInt32(start + EVENT.SEQ_LOW, 0);
    view.setInt32(start + EVENT.SEQ_HIGH, 0);
    view.setInt32(start + EVENT.TIME_SEC, 0);
    view.setInt32(start + EVENT.TIME_NANOS, 0);
    view.setUint32(start + EVENT.SOURCE_SEC, sec, true);
    view.setUint32(start + EVENT.SOURCE_NANOS, nanos, true);
    view.setInt32(start + EVENT.PID, pid, true);
    view.setInt32(start + EVENT.EXIT_CODE, exitCode, true);
    view.setUint16(start + EVENT.ATTRIBUTES, this.#attributes, true);
    view.setUint32(start + EVENT.ATTRIBUTES_BYTES, this.#pos - this.#attributesFrom, true);
    view.setInt32(start + EVENT.RESERVED, 0);
    for (let pos = this.#pos; pos < end; pos += 1) this.bytes[pos] = 0;
    this.#ends.push(end);
  }

  #endText(end: number): void {
    this.#view.setUint16(this.#start + EVENT.TYPE_BYTES + 2 * this.#texts, end - this.#pos, true);
    this.#texts += 1;
    this.#pos = end;
  }

  #endAttribute(keyAt: number, valueAt: number, end: number): void {
    this.#view.setUint16(keyAt - 4, valueAt - keyAt, true);
    this.#view.setUint16(keyAt - 2, end - valueAt, true);
    this.#attributes += 1;
    this.#pos = end;
    const from = this.#start + EVENT.FIXED_BYTES;
    if (end - this.#start <= MAX_EVENT_BYTES) return;
    // Too long already. What follows is still looked at, but needs no memory.
    this.#excess += end - from;
    this.#pos = from;
  }

  /** @param pos at most four bytes and one text behind the record's end. @returns the position behind the text */
  #writeString(field: string, value: unknown, pos: number, prefix = ''): number {
    if (typeof value !== 'string') throw invalid(`${prefix}${field}: expected text, got ${typeof value}`);
    const chars = value.length;
    // No character has less than a byte.
    if (chars > MAX_TEXT_BYTES) throw tooLong(prefix + field);
    this.#reserve(pos - this.#pos + 3 * chars);
    const out = this.bytes;
    if (chars <= SHORT_CHARS) {
      let index = 0;
      for (; index < chars; index += 1) {
        const code = value.charCodeAt(index);
        if (code >= 0x80) break;
        out[pos + index] = code;
      }
      if (index === chars) return pos + chars;
    }
    const written = encoder.encodeInto(value, out.subarray(pos)).written;
    if (written > MAX_TEXT_BYTES) throw tooLong(prefix + field);
    if (written > chars && LONE_SURROGATE.test(value)) this.markReplaced();
    return pos + written;
  }

  /** Room for so many bytes more, and the rest of the last eight. */
  #reserve(bytes: number): void {
    const needed = this.#pos + bytes + 8;
    if (needed <= this.bytes.length) return;
    const before = this.bytes;
    this.#allocate(2 ** Math.ceil(Math.log2(needed)));
    this.bytes.set(before);
  }

  #allocate(byteLength: number): void {
    this.bytes = new Uint8Array(byteLength);
    this.#view = viewOf(this.bytes);
  }
}

/** @throws ERR_EVENT_INVALID */
export function integer(field: string, value: unknown, absent: number, max = 0x7fffffff): number {
  if (value === undefined) return absent;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max)
    throw invalid(`${field}: expected an integer from 0 to ${max}, got ${shown(value)}`);
  return value as number;
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : typeof value;
}

export function invalid(message: string, cause?: unknown): TocsinError {
  return new TocsinError('ERR_EVENT_INVALID', message, { cause });
}

function tooLong(field: string): TocsinError {
  return new TocsinError('ERR_EVENT_TOO_LARGE', `${field} is longer than 65,535 bytes`);
}
