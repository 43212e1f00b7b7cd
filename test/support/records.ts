import fc from 'fast-check';

/**
 * Monitor records made from the offset table of iSulad's C struct (shared/spec/isulad.md 1.3), without any of the code
 * under test, so that a wrong offset in the project's own layout cannot hide.
 */
export interface RecordParts {
  readonly type?: number;
  readonly eventType?: number;
  /** Bytes may fill the whole field, also without a NUL. */
  readonly name?: string | Uint8Array;
  readonly args?: string | Uint8Array;
  readonly extra?: string | Uint8Array;
  readonly value?: number;
  readonly exitCode?: number;
  readonly pid?: number;
}

export const RECORD_BYTES = 596;

/** A START of container `c1` where nothing else is said. */
export function monitorRecord(parts: RecordParts = {}): Uint8Array<ArrayBuffer> {
  const { type = 0, eventType = 0, name = 'c1', args = '', extra = '', value = 11, exitCode = 0, pid = -1 } = parts;
  const bytes = new Uint8Array(RECORD_BYTES);
  const fields = new DataView(bytes.buffer);
  fields.setUint32(0, type, true);
  fields.setUint32(4, eventType, true);
  bytes.set(field(name, 65), 8);
  bytes.set(field(args, 255), 73);
  bytes.set(field(extra, 255), 328);
  fields.setInt32(584, value, true);
  fields.setInt32(588, exitCode, true);
  fields.setInt32(592, pid, true);
  return bytes;
}

/** Any record that iSulad's senders could write: a state that exists, zero-filled texts, a name. */
export const validRecord: fc.Arbitrary<Uint8Array> = fc
  .record({
    eventType: fc.constantFrom(0, 0, 0, 1),
    name: fc.stringMatching(/^[a-z0-9]{1,64}$/),
    args: fc.oneof(fc.constant(''), fc.stringMatching(/^[ -~]{0,254}$/)),
    extra: fc.oneof(fc.constant(''), fc.stringMatching(/^[a-z]{1,10}=[ -~]{0,200}$/)),
    value: fc.nat(28),
    exitCode: fc.integer({ min: -1, max: 255 }),
    pid: fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: 4_194_304 })),
  })
  .map((parts) => monitorRecord(parts.eventType === 1 ? { ...parts, value: parts.value % 7 } : parts));

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let pos = 0;
  for (const part of parts) {
    out.set(part, pos);
    pos += part.length;
  }
  return out;
}

function field(value: string | Uint8Array, size: number): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (bytes.length > size) throw new RangeError(`${bytes.length} bytes do not fit into a field of ${size}`);
  return bytes;
}
