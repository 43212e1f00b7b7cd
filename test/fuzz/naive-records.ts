/** A monitor record as the table of docs/protocol.md has it, read with nothing of the code under test. */
export const RECORD_BYTES = 596;

export interface Cut {
  readonly records: readonly Uint8Array[];
  /** Bytes that were in no record. */
  readonly junk: number;
  /** One of the records is valid, but none that a sender writes. */
  readonly hasUnusual: boolean;
}

/** The records in what a pipe held until it was found empty, and what lay between them. */
export function recordsIn(round: Uint8Array): Cut {
  const bytes = Buffer.from(round);
  const records: Uint8Array[] = [];
  let hasUnusual = false;
  for (let at = 0; at + RECORD_BYTES <= bytes.length; ) {
    const found = isRecord(bytes, at) ? at : behindJunk(bytes, at);
    if (found === undefined) break;
    records.push(Uint8Array.from(bytes.subarray(found, found + RECORD_BYTES)));
    hasUnusual ||= !isUsual(bytes, found);
    at = found + RECORD_BYTES;
  }
  return { records, junk: bytes.length - records.length * RECORD_BYTES, hasUnusual };
}

/** The first record such as senders write; else the first with another one, or nothing, behind it. */
function behindJunk(bytes: Buffer, from: number): number | undefined {
  let followed: number | undefined;
  for (let at = from; at + RECORD_BYTES <= bytes.length; at += 1) {
    if (!isRecord(bytes, at)) continue;
    if (isUsual(bytes, at)) return at;
    const next = at + RECORD_BYTES;
    const isFollowed = next === bytes.length || (next + RECORD_BYTES <= bytes.length && isRecord(bytes, next));
    if (isFollowed) followed ??= at;
  }
  return followed;
}

/** Where the texts begin and end. */
const TEXTS = [
  [8, 8 + 65],
  [73, 73 + 255],
  [328, 328 + 255],
] as const;

function isRecord(bytes: Buffer, at: number): boolean {
  if (bytes[at]! > 2 || bytes[at + 4]! > 1 || bytes[at + 8] === 0) return false;
  const states = [29, 7][bytes.readUInt32LE(at + 4)];
  return (
    bytes.readUInt32LE(at) <= 2 &&
    states !== undefined &&
    bytes.readUInt32LE(at + 584) < states &&
    TEXTS.every(([from, to]) => {
      const nul = bytes.indexOf(0, at + from);
      return nul >= 0 && nul < at + to;
    })
  );
}

function isUsual(bytes: Buffer, at: number): boolean {
  const first = bytes[at + 8]!;
  const isImage = bytes.readUInt32LE(at + 4) === 1;
  return first >= 0x20 && first < 0xf5 && (isImage || bytes.readInt32LE(at + 592) !== 0);
}
