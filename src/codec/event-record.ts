import type { FilterSubject } from '../event/filter.ts';
import type { Epochs } from '../event/epochs.ts';
import type { Timestamp, TocsinEvent } from '../event/event.ts';
import { formatTime, timeNano } from '../event/time.ts';
import { EVENT, FLAG_SOURCE_GAP, FLAG_SYNTHETIC, NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { isRange, isText, textOf, writeBytes } from './bytes.ts';

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
  /** It tells that events of its source may be missing. */
  get isSourceGap(): boolean {
    return (this.bytes[this.at + EVENT.FLAGS]! & FLAG_SOURCE_GAP) !== 0;
  }
  /** A source made it of what its engine says is there; no event of the engine's says so. */
  get isSynthetic(): boolean {
    return (this.bytes[this.at + EVENT.FLAGS]! & FLAG_SYNTHETIC) !== 0;
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
    const from = this.at + EVENT.FIXED_BYTES;
    return isRange(this.bytes, from, from + this.half(EVENT.TYPE_BYTES), type);
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
      if (isRange(this.bytes, at + 4, at + 4 + keyBytes, key)) return at;
      at += 4 + keyBytes + readUint16(this.bytes, at + 2);
    }
    return -1;
  }

  attribute(key: string): string | undefined {
    let at = this.attributesAt;
    for (let left = this.attributeCount; left > 0; left -= 1) {
      const keyAt = at + 4;
      const valueAt = keyAt + readUint16(this.bytes, at);
      at = valueAt + readUint16(this.bytes, keyAt - 2);
      if (isText(this.bytes, keyAt, valueAt, key)) return textOf(this.bytes, valueAt, at);
    }
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

  toEvent(epochs: Epochs): TocsinEvent {
    const time: Timestamp = { sec: this.timeSec, nanos: this.timeNanos };
    const { seq, args, pid, exitCode, scope, source, namespace } = this;
    return {
      seq,
      cursor: epochs.cursor(seq),
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
      ...(this.isSourceGap ? { reason: 'source' } : {}),
      ...(this.isSynthetic ? { synthetic: true } : {}),
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
