/** A 596-byte monitor record made by hand, field by field; independent of the code under test. Offsets: docs/protocol.md. */
export function rawRecord(
  fields: {
    readonly type?: number;
    readonly eventType?: number;
    readonly name?: string | Uint8Array;
    readonly args?: string | Uint8Array;
    readonly extra?: string | Uint8Array;
    readonly value?: number;
    readonly exitCode?: number;
    readonly pid?: number;
  } = {},
): Buffer {
  const { type = 0, eventType = 0, name = 'c1', args = '', extra = '', value = 11, exitCode = 0, pid = -1 } = fields;
  const record = Buffer.alloc(596);
  record.writeUInt32LE(type, 0);
  record.writeUInt32LE(eventType, 4);
  Buffer.from(name as string).copy(record, 8, 0, 65);
  Buffer.from(args as string).copy(record, 73, 0, 255);
  Buffer.from(extra as string).copy(record, 328, 0, 255);
  record.writeInt32LE(value, 584);
  record.writeInt32LE(exitCode, 588);
  record.writeInt32LE(pid, 592);
  return record;
}

/** A small seeded generator, so that a failing run can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
