import { CONTAINER_STATES, EXIT_CODE_UNKNOWN, IMAGE_STATES, STATE_STOPPED } from '../event/operators.ts';
import {
  EVENT,
  EVENT_VERSION,
  FLAG_NO_SECRET,
  FLAG_PLAIN,
  FLAG_REPLACED_UTF8,
  KIND_EVENT,
  MONITOR,
  MONITOR_EVENT_IMAGE,
  NO_EXIT_CODE,
  NO_PID,
} from '../messages/layout.ts';
import { copyPlainAscii, isPlain, isRange, isSpecial, textOf, utf8, viewOf, writeBytes, writeView } from './bytes.ts';
import { repairUtf8 } from './utf8.ts';
import { type EventView, roundUp8, writeAttribute } from './event-record.ts';
import { readInt32, textEnd } from './monitor-record.ts';
import { BUILT_IN_SCAN } from './secret-scan.ts';

/** Keys that only the service itself gives a value. */
export const BUILT_IN_ATTRIBUTES: ReadonlySet<string> = new Set(['pid', 'exitCode', 'image', 'name']);

/**
 * What the log knows about the object of a record, packed once per change so that formatting an event copies it in one go.
 */
export interface Origin {
  readonly id: Uint8Array;
  /** The end of its records as it stands there: id, source, packed attributes (image, name, labels). */
  readonly tail: Uint8Array;
  readonly tailView: DataView;
  readonly attributesBytes: number;
  readonly attributeCount: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly hasLabels: boolean;
  /** 0 = none. */
  readonly pid: number;
  readonly exitCode: number;
  readonly known: boolean;
  /** The record's name held invalid UTF-8, which `id` shows replaced. */
  readonly replacedUtf8: boolean;
  /** One of its attributes may hold a secret. */
  readonly isSuspect: boolean;
  /** All of its texts are, as FLAG_PLAIN says. */
  readonly isPlain: boolean;
  /** Bytes that a record of this origin needs at most. */
  readonly maxRecordBytes: number;
}

const FIXED_WORDS = EVENT.FIXED_BYTES >> 2;
const BUILT_IN_KEYS = [...BUILT_IN_ATTRIBUTES].map(utf8);
const SOURCE = utf8('fifo');
const EQUALS = 0x3d;
/** Type and action of each state. */
const CONTAINER_HEADS = CONTAINER_STATES.map((row) => makeHead('container', row.action));
const IMAGE_HEADS = IMAGE_STATES.map((row) => makeHead('image', row.action));
/** Fixed part, words, args and extra with every byte replaced by U+FFFD, source. */
const BARE_RECORD_BYTES = EVENT.FIXED_BYTES + 32 + 3 * (MONITOR.ARGS_BYTES + MONITOR.EXTRA_BYTES) + 16;

export function makeOrigin(
  id: Uint8Array,
  spec: {
    readonly image?: string;
    readonly name?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly pid: number;
    readonly exitCode: number;
    readonly known: boolean;
    readonly replacedUtf8?: boolean;
  },
): Origin {
  const entries: (readonly [Uint8Array, Uint8Array])[] = [];
  if (spec.image) entries.push([utf8('image'), utf8(spec.image)]);
  if (spec.name) entries.push([utf8('name'), utf8(spec.name)]);
  const labels = spec.labels ?? {};
  for (const [key, value] of Object.entries(labels)) {
    if (!BUILT_IN_ATTRIBUTES.has(key)) entries.push([utf8(key), utf8(value)]);
  }
  const size = entries.reduce((sum, [key, value]) => sum + 4 + key.length + value.length, 0);
  const tail = new Uint8Array(id.length + SOURCE.length + size);
  let pos = writeBytes(tail, writeBytes(tail, 0, id), SOURCE);
  let isSuspect = false;
  for (const [key, value] of entries) {
    const keyAt = pos + 4;
    pos = writeAttribute(tail, pos, key, value);
    isSuspect ||= BUILT_IN_SCAN.findsInAttribute(tail, keyAt, keyAt + key.length, pos);
  }
  return {
    id,
    tail,
    tailView: viewOf(tail),
    attributesBytes: size,
    attributeCount: entries.length,
    labels,
    hasLabels: Object.keys(labels).length > 0,
    pid: spec.pid,
    exitCode: spec.exitCode,
    known: spec.known,
    replacedUtf8: spec.replacedUtf8 ?? false,
    isSuspect,
    isPlain: [[id], ...entries].flat().every(isPlain),
    maxRecordBytes: roundUp8(BARE_RECORD_BYTES + id.length + size),
  };
}

/**
 * Monitor record in, packed event record out: one pass, no object per event. What was left out or mended is counted in the
 * public fields; the collector folds them into the counter table once per batch.
 */
export class RecordFormatter {
  extraDropped = 0;
  attributesShadowed = 0;
  utf8Replaced = 0;
  #flags = 0;
  #isPlain = false;
  #attributeCount = 0;

  /**
   * @param out view of the segment; `at` and its memory from `pos` on are the formatter's until it returns
   * @param record bytes of the ring, valid by `isMonitorRecord`, starting at `at`
   * @returns the position behind the new record, a multiple of eight
   */
  format(
    out: EventView,
    pos: number,
    record: Uint8Array,
    at: number,
    origin: Origin,
    seq: number,
    sec: number,
    nanos: number,
  ): number {
    const { bytes, words } = out;
    const isImage = readInt32(record, at + MONITOR.EVENT_TYPE) === MONITOR_EVENT_IMAGE;
    const value = readInt32(record, at + MONITOR.VALUE);
    const head = isImage ? IMAGE_HEADS[value]! : CONTAINER_HEADS[value]!;
    const word = pos >> 2;
    this.#flags = origin.replacedUtf8 ? FLAG_REPLACED_UTF8 : 0;
    this.#isPlain = origin.isPlain;
    this.#attributeCount = origin.attributeCount;

    // The fixed part ends on a word; what the last one has too much is written over by what follows.
    for (let index = 0; index < head.words.length; index += 1) words[word + FIXED_WORDS + index] = head.words[index]!;
    const argsFrom = pos + EVENT.FIXED_BYTES + head.byteLength;
    let end = argsFrom;
    if (!isImage && record[at + MONITOR.ARGS] !== 0)
      end = this.#text(record, at + MONITOR.ARGS, at + MONITOR.ARGS + MONITOR.ARGS_BYTES, bytes, end);
    const argsBytes = end - argsFrom;
    let isSuspect = origin.isSuspect || BUILT_IN_SCAN.findsInCommand(out, argsFrom, end);
    end = writeView(bytes, end, origin.tailView, origin.tail.length);
    const attributesFrom = end - origin.attributesBytes;
    if (!isImage && record[at + MONITOR.EXTRA] !== 0) {
      const addedFrom = end;
      end = this.#extra(record, at + MONITOR.EXTRA, bytes, end, attributesFrom, origin);
      // Else it is in the place of a label, perhaps.
      const isAdded = this.#attributeCount > origin.attributeCount;
      isSuspect ||= BUILT_IN_SCAN.findsInAttributes(out, isAdded ? addedFrom : attributesFrom, end);
    }
    if (!isSuspect) this.#flags |= FLAG_NO_SECRET;
    if (this.#isPlain) this.#flags |= FLAG_PLAIN;
    const next = roundUp8(end);
    for (let pad = end; pad < next; pad += 1) bytes[pad] = 0;

    words[word] = next - pos;
    words[word + 1] = EVENT_VERSION | (KIND_EVENT << 8) | (this.#flags << 16);
    words[word + 2] = seq | 0;
    words[word + 3] = (seq / 0x100000000) | 0;
    words[word + 4] = sec;
    words[word + 5] = nanos;
    words[word + 6] = 0;
    words[word + 7] = 0;
    words[word + 8] = isImage ? NO_PID : this.#pid(record, at, origin);
    words[word + 9] = isImage ? NO_EXIT_CODE : exitCodeOf(value, readInt32(record, at + MONITOR.EXIT_CODE), origin);
    // Two lengths a word, the first in its low half: type and action, args and id, scope and source, namespace and the count.
    words[word + 10] = head.lengths;
    words[word + 11] = argsBytes | (origin.id.length << 16);
    words[word + 12] = SOURCE.length << 16;
    words[word + 13] = this.#attributeCount << 16;
    words[word + 14] = end - attributesFrom;
    words[word + 15] = 0;
    if (this.#flags & FLAG_REPLACED_UTF8) this.utf8Replaced += 1;
    return next;
  }

  #pid(record: Uint8Array, at: number, origin: Origin): number {
    if (origin.known) return origin.pid > 0 ? origin.pid : NO_PID;
    const pid = readInt32(record, at + MONITOR.PID);
    return pid > 0 ? pid : NO_PID;
  }

  /** The text up to `to`, or up to the NUL before it that ends every text of a valid record. @returns the position behind it */
  #text(record: Uint8Array, from: number, to: number, out: Uint8Array, start: number): number {
    const copied = copyPlainAscii(record, from, to, out, start);
    let pos = start + copied;
    for (let at = from + copied; at < to && record[at] !== 0; at += 1, pos += 1) {
      const byte = record[at]!;
      if (isSpecial(byte)) this.#isPlain = false;
      if (byte >= 0x80) return writeBytes(out, start, this.#repair(record, from, to));
      out[pos] = byte;
    }
    return pos;
  }

  #repair(record: Uint8Array, from: number, to: number): Uint8Array {
    const { bytes, replaced } = repairUtf8(record, from, textEnd(record, from, to - from));
    if (replaced) this.#flags |= FLAG_REPLACED_UTF8;
    return bytes;
  }

  /** Appends the sender's own `key=value`; where a label has the key, the label gives way. @returns the new end */
  #extra(
    record: Uint8Array,
    from: number,
    out: Uint8Array,
    pos: number,
    attributesFrom: number,
    origin: Origin,
  ): number {
    let keyTo = from;
    while (record[keyTo] !== 0 && record[keyTo] !== EQUALS) keyTo += 1;
    if (record[keyTo] === 0) {
      this.extraDropped += 1;
      return pos;
    }
    if (isBuiltIn(record, from, keyTo)) {
      this.attributesShadowed += 1;
      return pos;
    }
    const keyAt = pos + 4;
    const valueAt = this.#text(record, from, keyTo, out, keyAt);
    const end = this.#text(record, keyTo + 1, from + MONITOR.EXTRA_BYTES, out, valueAt);
    if (origin.hasLabels) {
      const key = textOf(out, keyAt, valueAt);
      if (Object.hasOwn(origin.labels, key)) {
        const value = out.slice(valueAt, end);
        const { [key]: _, ...labels } = origin.labels;
        const start = writeBytes(out, attributesFrom, withLabels(origin, labels));
        return writeAttribute(out, start, utf8(key), value);
      }
    }
    const keyBytes = valueAt - keyAt;
    const valueBytes = end - valueAt;
    out[pos] = keyBytes & 0xff;
    out[pos + 1] = keyBytes >> 8;
    out[pos + 2] = valueBytes & 0xff;
    out[pos + 3] = valueBytes >> 8;
    this.#attributeCount += 1;
    return end;
  }
}

function isBuiltIn(bytes: Uint8Array, from: number, to: number): boolean {
  for (const key of BUILT_IN_KEYS) if (isRange(bytes, from, to, key)) return true;
  return false;
}

function exitCodeOf(state: number, recorded: number, origin: Origin): number {
  if (state === STATE_STOPPED) return recorded >= 0 ? recorded : EXIT_CODE_UNKNOWN;
  return origin.exitCode === 0 ? NO_EXIT_CODE : origin.exitCode;
}

/** The origin's built-in attributes, then these labels. */
function withLabels(origin: Origin, labels: Readonly<Record<string, string>>): Uint8Array {
  const builtIn: { image?: string; name?: string } = {};
  const { tail, attributesBytes } = origin;
  for (let at = tail.length - attributesBytes; at < tail.length; ) {
    const keyBytes = tail[at]! | (tail[at + 1]! << 8);
    const valueBytes = tail[at + 2]! | (tail[at + 3]! << 8);
    const key = textOf(tail, at + 4, at + 4 + keyBytes);
    at += 4 + keyBytes + valueBytes;
    if (key === 'image' || key === 'name') builtIn[key] = textOf(tail, at - valueBytes, at);
  }
  const other = makeOrigin(origin.id, { ...builtIn, labels, pid: 0, exitCode: 0, known: true });
  return other.tail.subarray(other.tail.length - other.attributesBytes);
}

/** Texts that begin at the end of the fixed part, as words. */
interface Head {
  readonly words: Int32Array;
  readonly byteLength: number;
  /** Of type and action, as they stand in the record. */
  readonly lengths: number;
}

function makeHead(type: string, action: string): Head {
  const text = utf8(type + action);
  const padded = new Uint8Array((text.length + 3) & ~3);
  padded.set(text);
  return {
    words: new Int32Array(padded.buffer),
    byteLength: text.length,
    lengths: type.length | (action.length << 16),
  };
}
