import { CONTAINER_STATES, EXIT_CODE_UNKNOWN, IMAGE_STATES, STATE_STOPPED } from '../event/operators.ts';
import {
  EVENT,
  EVENT_VERSION,
  FLAG_REPLACED_UTF8,
  KIND_EVENT,
  MONITOR,
  MONITOR_EVENT_IMAGE,
  NO_EXIT_CODE,
  NO_PID,
} from '../messages/layout.ts';
import { copyBytes, isAscii, repairUtf8, textOf, utf8, writeBytes } from './bytes.ts';
import { type EventView, roundUp8, writeAttribute } from './event-record.ts';
import { readInt32, textEnd } from './monitor-record.ts';

/** Keys that only the service itself gives a value. */
export const BUILT_IN_ATTRIBUTES: ReadonlySet<string> = new Set(['pid', 'exitCode', 'image', 'name']);

/**
 * What the log knows about the object of a record, packed once per change so that formatting an event copies it in one go.
 */
export interface Origin {
  readonly id: Uint8Array;
  /** Packed attributes: image, name, labels. */
  readonly attributes: Uint8Array;
  readonly attributeCount: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly hasLabels: boolean;
  /** 0 = none. */
  readonly pid: number;
  readonly exitCode: number;
  readonly known: boolean;
  /** The record's name held invalid UTF-8, which `id` shows replaced. */
  readonly replacedUtf8: boolean;
  /** Set by the formatter: bytes that a record of this origin needs at most. */
  readonly maxRecordBytes: number;
}

const MAX_BUILT_IN_BYTES = 'exitCode'.length;
const SOURCE = utf8('fifo');
const CONTAINER_WORDS = CONTAINER_STATES.map((row) => utf8(`container${row.action}`));
const IMAGE_WORDS = IMAGE_STATES.map((row) => utf8(`image${row.action}`));
const CONTAINER_BYTES = 'container'.length;
const IMAGE_BYTES = 'image'.length;
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
  const attributes = new Uint8Array(size);
  let pos = 0;
  for (const [key, value] of entries) pos = writeAttribute(attributes, pos, key, value);
  return {
    id,
    attributes,
    attributeCount: entries.length,
    labels,
    hasLabels: Object.keys(labels).length > 0,
    pid: spec.pid,
    exitCode: spec.exitCode,
    known: spec.known,
    replacedUtf8: spec.replacedUtf8 ?? false,
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
    const { bytes, words, halves } = out;
    const isImage = readInt32(record, at + MONITOR.EVENT_TYPE) === MONITOR_EVENT_IMAGE;
    const value = readInt32(record, at + MONITOR.VALUE);
    const typeAndAction = isImage ? IMAGE_WORDS[value]! : CONTAINER_WORDS[value]!;
    const typeBytes = isImage ? IMAGE_BYTES : CONTAINER_BYTES;
    this.#flags = origin.replacedUtf8 ? FLAG_REPLACED_UTF8 : 0;

    let end = writeBytes(bytes, pos + EVENT.FIXED_BYTES, typeAndAction);
    const argsFrom = end;
    if (!isImage && record[at + MONITOR.ARGS] !== 0)
      end = this.#text(record, at + MONITOR.ARGS, MONITOR.ARGS_BYTES, bytes, end);
    const argsBytes = end - argsFrom;
    end = writeBytes(bytes, end, origin.id);
    end = writeBytes(bytes, end, SOURCE);
    const attributesFrom = end;
    this.#attributeCount = isImage ? 0 : origin.attributeCount;
    if (!isImage) {
      end = writeBytes(bytes, end, origin.attributes);
      if (record[at + MONITOR.EXTRA] !== 0)
        end = this.#extra(record, at + MONITOR.EXTRA, bytes, end, attributesFrom, origin);
    }
    const attributesBytes = end - attributesFrom;
    const next = roundUp8(end);
    for (let pad = end; pad < next; pad += 1) bytes[pad] = 0;

    const word = pos >> 2;
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
    const half = (pos + EVENT.TYPE_BYTES) >> 1;
    halves[half] = typeBytes;
    halves[half + 1] = typeAndAction.length - typeBytes;
    halves[half + 2] = argsBytes;
    halves[half + 3] = origin.id.length;
    halves[half + 4] = 0;
    halves[half + 5] = SOURCE.length;
    halves[half + 6] = 0;
    halves[half + 7] = this.#attributeCount;
    words[word + 14] = attributesBytes;
    words[word + 15] = 0;
    if (this.#flags & FLAG_REPLACED_UTF8) this.utf8Replaced += 1;
    return next;
  }

  #pid(record: Uint8Array, at: number, origin: Origin): number {
    if (origin.known) return origin.pid > 0 ? origin.pid : NO_PID;
    const pid = readInt32(record, at + MONITOR.PID);
    return pid > 0 ? pid : NO_PID;
  }

  #text(record: Uint8Array, from: number, size: number, out: Uint8Array, pos: number): number {
    const to = textEnd(record, from, size);
    if (isAscii(record, from, to)) return copyBytes(record, from, to, out, pos);
    const repaired = repairUtf8(record, from, to);
    if (repaired.replaced) this.#flags |= FLAG_REPLACED_UTF8;
    return writeBytes(out, pos, repaired.bytes);
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
    // The text lies one byte short of its place; the key then moves up over the "=", and both lengths fit before it.
    const textAt = pos + 3;
    const end = this.#text(record, from, MONITOR.EXTRA_BYTES, out, textAt);
    let split = textAt;
    while (split < end && out[split] !== 0x3d) split += 1;
    if (split === end) {
      this.extraDropped += 1;
      return pos;
    }
    const keyBytes = split - textAt;
    if (keyBytes <= MAX_BUILT_IN_BYTES && BUILT_IN_ATTRIBUTES.has(textOf(out, textAt, split))) {
      this.attributesShadowed += 1;
      return pos;
    }
    if (origin.hasLabels) {
      const key = textOf(out, textAt, split);
      if (Object.hasOwn(origin.labels, key)) {
        const value = out.slice(split + 1, end);
        const { [key]: _, ...labels } = origin.labels;
        const start = writeBytes(out, attributesFrom, makeOriginAttributes(origin, labels));
        return writeAttribute(out, start, utf8(key), value);
      }
    }
    out.copyWithin(textAt + 1, textAt, split);
    const valueBytes = end - split - 1;
    out[pos] = keyBytes & 0xff;
    out[pos + 1] = keyBytes >> 8;
    out[pos + 2] = valueBytes & 0xff;
    out[pos + 3] = valueBytes >> 8;
    this.#attributeCount += 1;
    return end;
  }
}

function exitCodeOf(state: number, recorded: number, origin: Origin): number {
  if (state === STATE_STOPPED) return recorded >= 0 ? recorded : EXIT_CODE_UNKNOWN;
  return origin.exitCode === 0 ? NO_EXIT_CODE : origin.exitCode;
}

/** The origin's built-in attributes, then these labels. */
function makeOriginAttributes(origin: Origin, labels: Readonly<Record<string, string>>): Uint8Array {
  const builtIn: { image?: string; name?: string } = {};
  const { attributes } = origin;
  for (let at = 0; at < attributes.length; ) {
    const keyBytes = attributes[at]! | (attributes[at + 1]! << 8);
    const valueBytes = attributes[at + 2]! | (attributes[at + 3]! << 8);
    const key = textOf(attributes, at + 4, at + 4 + keyBytes);
    at += 4 + keyBytes + valueBytes;
    if (key === 'image' || key === 'name') builtIn[key] = textOf(attributes, at - valueBytes, at);
  }
  return makeOrigin(origin.id, { ...builtIn, labels, pid: 0, exitCode: 0, known: true }).attributes;
}
