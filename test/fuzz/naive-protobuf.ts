import type { EventsRequest } from '../../src/codec/isulad-grpc.ts';
import type { Timestamp } from '../../src/event/event.ts';
import { textOf } from './target.ts';

const MAX_SEC = 2n ** 32n - 1n;
const MAX_NANOS = 999_999_999n;

/** A field of a message: a number for varints, bytes for what has a length, nothing for what is passed over. */
export interface Field {
  readonly number: bigint;
  readonly value: bigint | Uint8Array | undefined;
}

/**
 * The fields of a message as protobuf.dev's encoding page has them; undefined when it is none. Groups are not known. What stands
 * behind a tag that nobody writes, of field 0 or with more than 32 bits, is unclear.
 */
export function fieldsOf(bytes: Uint8Array): readonly Field[] | undefined | 'unclear' {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    for (let value = 0n, shift = 0n; shift < 70n && at < bytes.length; shift += 7n) {
      const byte = BigInt(bytes[at]!);
      at += 1;
      value |= (byte & 127n) << shift;
      if (byte < 128n) return BigInt.asUintN(64, value);
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined) return undefined;
    if (tag >> 3n === 0n || tag >= 2n ** 32n) return 'unclear';
    const wire = Number(tag & 7n);
    let value: Field['value'];
    if (wire === 0 || wire === 2) {
      const number = varint();
      if (number === undefined) return undefined;
      value = number;
    }
    if (wire === 2) {
      const size = Number(value);
      value = bytes.subarray(at, at + size);
      at += size;
    } else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire !== 0) return undefined;
    if (at > bytes.length) return undefined;
    fields.push({ number: tag >> 3n, value });
  }
  return fields;
}

/** @returns undefined for what is to be refused, unclear where implementations differ */
export function requestOf(message: Uint8Array): EventsRequest | undefined | 'unclear' {
  const fields = fieldsOf(message);
  if (!fields || fields === 'unclear') return fields;
  const known = fields.filter(({ number, value }) => number === 3n || (number < 5n && value instanceof Uint8Array));
  // A message that comes twice is joined by some, and replaced by others.
  if (new Set(known.map(({ number }) => number)).size < known.length) return 'unclear';
  // A field of another wire type than it should have is passed over by some, and misread by others.
  const isAsItShould = ({ number, value }: Field): boolean =>
    number > 4n || (number === 3n ? typeof value === 'bigint' : value instanceof Uint8Array);
  if (!fields.every(isAsItShould)) return 'unclear';
  let request: EventsRequest = { id: '' };
  for (const { number, value } of known) {
    if (!(value instanceof Uint8Array)) continue;
    if (number === 4n) request = { ...request, id: textOf(value) };
    if (number > 2n) continue;
    const time = timestampOf(value);
    if (time === undefined || time === 'unclear') return time;
    if (time.sec > 0 || time.nanos > 0) request = { ...request, [number === 1n ? 'since' : 'until']: time };
  }
  // Texts that are no UTF-8, and marks of byte order, are read in more than one way.
  return request.id.includes('\ufffd') || request.id.includes('\ufeff') ? 'unclear' : request;
}

function timestampOf(message: Uint8Array): Timestamp | undefined | 'unclear' {
  const fields = fieldsOf(message);
  if (!fields || fields === 'unclear') return fields;
  if (fields.some(({ number, value }) => number < 3n && typeof value !== 'bigint')) return 'unclear';
  const of = (wanted: bigint): bigint =>
    (fields.findLast(({ number }) => number === wanted)?.value as bigint | undefined) ?? 0n;
  const [sec, nanos] = [of(1n), of(2n)];
  // A number of 32 bits that has more of them is cut by others.
  if (nanos > 2n ** 31n && nanos < 2n ** 64n - 2n ** 31n) return 'unclear';
  if (sec > MAX_SEC || nanos > MAX_NANOS) return undefined;
  return { sec: Number(sec), nanos: Number(nanos) };
}
