import { TocsinError } from '../event/errors.ts';
import { CONTAINER_STATES, IMAGE_STATES, type StateRow, stateValue } from '../event/operators.ts';
import { MONITOR, MONITOR_EVENT_CONTAINER, MONITOR_EVENT_IMAGE, MONITOR_TYPE_LAST } from '../messages/layout.ts';
import { utf8 } from './bytes.ts';

/** What a sender says about a container. Defaults are iSulad's: no pid, exit code 0. */
export interface ContainerRecord {
  readonly id: string;
  /** iSulad's state name (`STOPPED`) or the action (`die`), in any case. */
  readonly state: string;
  readonly pid?: number;
  readonly exitCode?: number;
  readonly args?: string;
  /** `key=value` */
  readonly extra?: string;
}

export interface ImageRecord {
  readonly ref: string;
  readonly state: string;
}

/**
 * One 596-byte monitor record of a container. Texts are cut to what the record holds (64, 254 and 254 bytes), never inside a
 * UTF-8 character.
 * @throws ERR_STATE_UNKNOWN, ERR_EVENT_INVALID (an empty id, a NUL in a text)
 */
export function encodeContainerRecord(record: ContainerRecord): Uint8Array {
  const bytes = new Uint8Array(MONITOR.BYTES);
  const words = new DataView(bytes.buffer);
  const { pid = -1, exitCode = 0 } = record;
  words.setUint32(MONITOR.EVENT_TYPE, MONITOR_EVENT_CONTAINER, true);
  putText(bytes, 'id', record.id, MONITOR.NAME, MONITOR.NAME_BYTES);
  putText(bytes, 'args', record.args ?? '', MONITOR.ARGS, MONITOR.ARGS_BYTES);
  putText(bytes, 'extra', record.extra ?? '', MONITOR.EXTRA, MONITOR.EXTRA_BYTES);
  words.setInt32(MONITOR.VALUE, requireState(CONTAINER_STATES, record.state), true);
  words.setInt32(MONITOR.EXIT_CODE, exitCode >= 0 ? requireInt32('exitCode', exitCode) : -1, true);
  words.setInt32(MONITOR.PID, pid > 0 ? requireInt32('pid', pid) : -1, true);
  return bytes;
}

/** One monitor record of an image; iSulad sends exit code 0 and pid 0 with it. @throws as encodeContainerRecord */
export function encodeImageRecord(record: ImageRecord): Uint8Array {
  const bytes = new Uint8Array(MONITOR.BYTES);
  const words = new DataView(bytes.buffer);
  words.setUint32(MONITOR.EVENT_TYPE, MONITOR_EVENT_IMAGE, true);
  putText(bytes, 'ref', record.ref, MONITOR.NAME, MONITOR.NAME_BYTES);
  words.setInt32(MONITOR.VALUE, requireState(IMAGE_STATES, record.state), true);
  return bytes;
}

/**
 * Whether the 596 bytes at `at` are a record: a type and event type of iSulad, a state that exists, a NUL within each text,
 * and a name.
 */
export function isMonitorRecord(bytes: Uint8Array, at: number): boolean {
  if (readInt32(bytes, at + MONITOR.TYPE) >>> 0 > MONITOR_TYPE_LAST) return false;
  const eventType = readInt32(bytes, at + MONITOR.EVENT_TYPE);
  const states = eventType === MONITOR_EVENT_CONTAINER ? 29 : eventType === MONITOR_EVENT_IMAGE ? 7 : 0;
  if (readInt32(bytes, at + MONITOR.VALUE) >>> 0 >= states) return false;
  if (bytes[at + MONITOR.NAME] === 0) return false;
  return (
    hasNul(bytes, at + MONITOR.NAME, MONITOR.NAME_BYTES) &&
    hasNul(bytes, at + MONITOR.ARGS, MONITOR.ARGS_BYTES) &&
    hasNul(bytes, at + MONITOR.EXTRA, MONITOR.EXTRA_BYTES)
  );
}

/** Unaligned on purpose: while resynchronising a record may start at any byte. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Offset of the first NUL of a text field. */
export function textEnd(bytes: Uint8Array, from: number, size: number): number {
  let at = from;
  const end = from + size;
  while (at < end && bytes[at] !== 0) at += 1;
  return at;
}

function hasNul(bytes: Uint8Array, from: number, size: number): boolean {
  // Senders zero-fill, so the last byte nearly always settles it.
  return bytes[from + size - 1] === 0 || textEnd(bytes, from, size) < from + size;
}

function putText(bytes: Uint8Array, field: string, text: string, at: number, size: number): void {
  if (text.includes('\0')) throw new TocsinError('ERR_EVENT_INVALID', `${field} contains a NUL character`);
  const encoded = utf8(text);
  let length = Math.min(encoded.length, size - 1);
  // Step back to a character's first byte where the cut would fall inside one.
  if (length < encoded.length) while (length > 0 && (encoded[length]! & 0xc0) === 0x80) length -= 1;
  bytes.set(encoded.subarray(0, length), at);
  if (at === MONITOR.NAME && length === 0) throw new TocsinError('ERR_EVENT_INVALID', `${field} is empty`);
}

function requireState(table: readonly StateRow[], word: string): number {
  const value = stateValue(table, word);
  if (value === undefined) {
    const known = table.map((row) => row.state).join(', ');
    throw new TocsinError('ERR_STATE_UNKNOWN', `unknown state ${JSON.stringify(word)}; expected one of ${known}`);
  }
  return value;
}

function requireInt32(field: string, value: number): number {
  if (!Number.isInteger(value) || value > 0x7fffffff) {
    throw new TocsinError('ERR_EVENT_INVALID', `${field}: expected a 32-bit integer, got ${value}`);
  }
  return value;
}
