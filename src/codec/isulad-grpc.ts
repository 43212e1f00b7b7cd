import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { isuladAction } from '../event/operators.ts';
import { EVENT, NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { copyBytes, textOf, utf8, writeBytes } from './bytes.ts';
import { varintBytes, writeInt, writeVarint } from './numbers.ts';
import type { Encoder } from './encoder.ts';
import { type EventView, readUint16 } from './event-record.ts';

/** Protobuf tags of `containers.Event`: timestamp=1, opt=2, id=3 (length-delimited), annotations=4 (map entries). */
const TAG_TIMESTAMP = 0x0a;
const TAG_OPT = 0x12;
const TAG_ID = 0x1a;
const TAG_ANNOTATION = 0x22;
const TAG_KEY = 0x0a;
const TAG_VALUE = 0x12;
const TAG_SECONDS = 0x08;
const TAG_NANOS = 0x10;
const GRPC_PREFIX_BYTES = 5;
/** Timestamp, tags and lengths of opt and id, prefix, pid and exit code entries. */
const OVERHEAD_BYTES = 128;
const KEY_PID = utf8('pid');
const KEY_EXIT_CODE = utf8('exitCode');

/**
 * `containers.Event` of iSulad as a gRPC message: five bytes of prefix, then protobuf. Shows what iSulad's own door shows:
 * `opt` is `container exec_create: ls`, annotations are pid, exitCode (never 0), image, name, labels and the sender's own.
 * Events that are neither container nor image have no word there and are left out, as are those that no engine told.
 */
export class IsuladGrpcEncoder implements Encoder {
  readonly #number = new Uint8Array(16);

  maxBytes(recordBytes: number): number {
    // An attribute of n bytes needs at most n + 11: two tags, the entry's tag, and three lengths of three bytes.
    return OVERHEAD_BYTES + recordBytes * 4;
  }

  encode(event: EventView, out: Uint8Array, start: number): number {
    const { bytes, at } = event;
    const typeFrom = at + EVENT.FIXED_BYTES;
    const actionFrom = typeFrom + event.half(EVENT.TYPE_BYTES);
    if (event.isSynthetic || !isShownType(bytes, typeFrom, actionFrom)) return start;
    const argsFrom = actionFrom + event.half(EVENT.ACTION_BYTES);
    const idFrom = argsFrom + event.half(EVENT.ARGS_BYTES);
    const idTo = idFrom + event.half(EVENT.ID_BYTES);

    let pos = this.#timestamp(event, out, start + GRPC_PREFIX_BYTES);
    const action = this.#action(bytes, actionFrom, argsFrom);
    const typeBytes = actionFrom - typeFrom;
    const actionBytes = action ? action.length : argsFrom - actionFrom;
    const argsBytes = idFrom - argsFrom;
    out[pos] = TAG_OPT;
    pos = writeVarint(out, pos + 1, typeBytes + 1 + actionBytes + (argsBytes > 0 ? argsBytes + 2 : 0));
    pos = copyBytes(bytes, typeFrom, actionFrom, out, pos);
    out[pos] = 0x20;
    pos = action ? writeBytes(out, pos + 1, action) : copyBytes(bytes, actionFrom, argsFrom, out, pos + 1);
    if (argsBytes > 0) {
      out[pos] = 0x3a;
      out[pos + 1] = 0x20;
      pos = copyBytes(bytes, argsFrom, idFrom, out, pos + 2);
    }
    out[pos] = TAG_ID;
    pos = writeVarint(out, pos + 1, idTo - idFrom);
    pos = copyBytes(bytes, idFrom, idTo, out, pos);
    if (event.pid !== NO_PID) pos = this.#numberEntry(KEY_PID, event.pid, out, pos);
    const { exitCode } = event;
    if (exitCode !== NO_EXIT_CODE && exitCode !== 0) pos = this.#numberEntry(KEY_EXIT_CODE, exitCode, out, pos);
    pos = writeAnnotations(event, out, pos);

    const size = pos - start - GRPC_PREFIX_BYTES;
    out[start] = 0;
    out[start + 1] = size >>> 24;
    out[start + 2] = size >>> 16;
    out[start + 3] = size >>> 8;
    out[start + 4] = size;
    return pos;
  }

  #timestamp(event: EventView, out: Uint8Array, pos: number): number {
    out[pos] = TAG_TIMESTAMP;
    out[pos + 2] = TAG_SECONDS;
    let end = writeVarint(out, pos + 3, event.timeSec);
    const nanos = event.timeNanos;
    if (nanos > 0) {
      out[end] = TAG_NANOS;
      end = writeVarint(out, end + 1, nanos);
    }
    out[pos + 1] = end - pos - 2;
    return end;
  }

  /** The door's own word for the action, where iSulad spells it differently; undefined when the log's bytes will do. */
  #action(bytes: Uint8Array, from: number, to: number): Uint8Array | undefined {
    // Only `rename` differs; its first byte and length rule out nearly everything else.
    if (to - from !== 6 || bytes[from] !== 0x72) return undefined;
    return utf8(isuladAction(textOf(bytes, from, to)));
  }

  #numberEntry(key: Uint8Array, value: number, out: Uint8Array, pos: number): number {
    const digits = writeInt(this.#number, 0, value);
    out[pos] = TAG_ANNOTATION;
    out[pos + 1] = 4 + key.length + digits;
    out[pos + 2] = TAG_KEY;
    out[pos + 3] = key.length;
    let end = writeBytes(out, pos + 4, key);
    out[end] = TAG_VALUE;
    out[end + 1] = digits;
    end = copyBytes(this.#number, 0, digits, out, end + 2);
    return end;
  }
}

function writeAnnotations(event: EventView, out: Uint8Array, start: number): number {
  const { bytes } = event;
  let pos = start;
  let at = event.attributesAt;
  for (let index = event.attributeCount; index > 0; index -= 1) {
    const keyBytes = readUint16(bytes, at);
    const valueBytes = readUint16(bytes, at + 2);
    const keyAt = at + 4;
    const valueAt = keyAt + keyBytes;
    at = valueAt + valueBytes;
    if (isOwnNumber(event, keyAt, keyBytes)) continue;
    out[pos] = TAG_ANNOTATION;
    pos = writeVarint(out, pos + 1, 2 + varintBytes(keyBytes) + keyBytes + varintBytes(valueBytes) + valueBytes);
    out[pos] = TAG_KEY;
    pos = copyBytes(bytes, keyAt, valueAt, out, writeVarint(out, pos + 1, keyBytes));
    out[pos] = TAG_VALUE;
    pos = copyBytes(bytes, valueAt, at, out, writeVarint(out, pos + 1, valueBytes));
  }
  return pos;
}

/** An attribute with the key of a number that the event has itself: in a map, the last of two would win. */
function isOwnNumber(event: EventView, keyAt: number, keyBytes: number): boolean {
  const { bytes } = event;
  if (keyBytes === KEY_PID.length) return event.pid !== NO_PID && textOf(bytes, keyAt, keyAt + keyBytes) === 'pid';
  if (keyBytes !== KEY_EXIT_CODE.length || event.exitCode === NO_EXIT_CODE) return false;
  return textOf(bytes, keyAt, keyAt + keyBytes) === 'exitCode';
}

/** `container` or `image`. */
function isShownType(bytes: Uint8Array, from: number, to: number): boolean {
  const size = to - from;
  if (size === 9) return bytes[from] === 0x63 && textOf(bytes, from, to) === 'container';
  return size === 5 && bytes[from] === 0x69 && textOf(bytes, from, to) === 'image';
}

/** `containers.EventsRequest`. A Timestamp of zero, or none, means "not set" on iSulad's wire. */
export interface EventsRequest {
  readonly since?: Timestamp;
  readonly until?: Timestamp;
  readonly id: string;
}

/** @param message protobuf without the gRPC prefix. @throws ERR_BODY_INVALID */
export function decodeEventsRequest(message: Uint8Array): EventsRequest {
  let since: Timestamp | undefined;
  let until: Timestamp | undefined;
  let id = '';
  forEachField(message, 0, message.length, (field, wire, from, to) => {
    if (field === 1 && wire === 2) since = decodeTimestamp(message, from, to);
    else if (field === 2 && wire === 2) until = decodeTimestamp(message, from, to);
    else if (field === 4 && wire === 2) id = textOf(message, from, to);
  });
  return { ...(isSet(since) ? { since } : {}), ...(isSet(until) ? { until } : {}), id };
}

/** The request as a gRPC client sends it, prefix included. */
export function encodeEventsRequest(request: Partial<EventsRequest>): Uint8Array {
  const out = new Uint8Array(128 + 3 * (request.id?.length ?? 0));
  let pos = GRPC_PREFIX_BYTES;
  for (const [tag, time] of [[0x0a, request.since] as const, [0x12, request.until] as const]) {
    if (!time) continue;
    out[pos] = tag;
    const from = pos + 2;
    pos = from;
    if (time.sec > 0) pos = writeVarint(out, writeVarint(out, pos, TAG_SECONDS), time.sec);
    if (time.nanos > 0) pos = writeVarint(out, writeVarint(out, pos, TAG_NANOS), time.nanos);
    out[from - 1] = pos - from;
  }
  if (request.id) {
    const id = utf8(request.id);
    out[pos] = 0x22;
    pos = writeBytes(out, writeVarint(out, pos + 1, id.length), id);
  }
  const size = pos - GRPC_PREFIX_BYTES;
  new DataView(out.buffer).setUint32(1, size);
  return out.subarray(0, pos);
}

function isSet(time: Timestamp | undefined): time is Timestamp {
  return time !== undefined && (time.sec !== 0 || time.nanos !== 0);
}

function decodeTimestamp(message: Uint8Array, from: number, to: number): Timestamp {
  let sec = 0;
  let nanos = 0;
  forEachField(message, from, to, (field, wire, _from, _to, value) => {
    if (field === 1 && wire === 0) sec = value;
    else if (field === 2 && wire === 0) nanos = value;
  });
  if (sec > 0xffffffff || nanos > 999_999_999) throw malformed('a timestamp out of range');
  return { sec, nanos };
}

type FieldHandler = (field: number, wire: number, from: number, to: number, value: number) => void;

function forEachField(message: Uint8Array, start: number, end: number, handle: FieldHandler): void {
  let at = start;
  const varint = (): number => {
    let value = 0;
    // Ten bytes at most: what is negative has all of them.
    for (let scale = 1; at < end && scale < 2 ** 70; scale *= 128) {
      const byte = message[at]!;
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw malformed('a varint without end');
  };
  while (at < end) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) handle(field, wire, at, at, varint());
    else if (wire === 2) {
      const size = varint();
      if (at + size > end) throw malformed('a field longer than the message');
      handle(field, wire, at, at + size, 0);
      at += size;
    } else if (wire === 1 || wire === 5) at += wire === 1 ? 8 : 4;
    else throw malformed(`wire type ${wire}`);
  }
  if (at > end) throw malformed('a field longer than the message');
}

function malformed(what: string): TocsinError {
  return new TocsinError('ERR_BODY_INVALID', `EventsRequest with ${what}`);
}
