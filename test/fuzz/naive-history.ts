import { crc32 } from '../support/written-history.ts';

/** A history file by the tables of docs/history.md, read in the plainest way. */
export interface NaiveFile {
  /** Number that the header says; undefined when it cannot be believed. */
  readonly head: number | undefined;
  readonly batches: readonly NaiveBatch[];
  /** Everything is as it was written, up to an end that may be torn. */
  readonly isClean: boolean;
}

export interface NaiveBatch {
  readonly offset: number;
  readonly length: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly events: Buffer;
}

const HEAD_BYTES = 64;
const BATCH_BYTES = 48;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const FILE_MAGIC = 'TCH1';
const BATCH_MAGIC = 'TCB1';

/** @param firstSeq of the file's name */
export function readNaively(bytes: Uint8Array, firstSeq: number): NaiveFile {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const head = headOf(file);
  const batches: NaiveBatch[] = [];
  let isWhole = true;
  let at = HEAD_BYTES;
  let behind = HEAD_BYTES;
  while (at < file.length) {
    const batch = batchAt(file, at);
    if (batch) {
      isWhole &&= at === behind;
      batches.push(batch);
      behind = at + batch.length;
      at = behind;
    } else at += 8;
  }
  if (behind < file.length) isWhole &&= isTorn(file.subarray(behind));
  const isHead = file.length < HEAD_BYTES || head === firstSeq;
  return { head, batches, isClean: isHead && isWhole && areInOrder(file, batches, firstSeq) };
}

/** Makes the checksums right, as far as one header leads to the next. */
export function withChecksums(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes);
  if (file.length < HEAD_BYTES) return file;
  file.writeUInt32LE(crc32(file.subarray(8, HEAD_BYTES)), 4);
  for (let at = HEAD_BYTES; at + BATCH_BYTES <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    if (length < BATCH_BYTES || at + length > file.length) break;
    file.writeUInt32LE(crc32(file.subarray(at + 8, at + length)), at + 4);
    at += length;
  }
  return file;
}

function headOf(file: Buffer): number | undefined {
  if (file.length < HEAD_BYTES || file.toString('latin1', 0, 4) !== FILE_MAGIC) return undefined;
  if (file.readUInt32LE(4) !== crc32(file.subarray(8, HEAD_BYTES)) || file.readUInt32LE(8) !== 1) return undefined;
  return numberAt(file, 16);
}

function batchAt(file: Buffer, at: number): NaiveBatch | undefined {
  if (at + BATCH_BYTES > file.length || file.toString('latin1', at, at + 4) !== BATCH_MAGIC) return undefined;
  const length = file.readUInt32LE(at + 8);
  const eventBytes = file.readUInt32LE(at + 40);
  if (length % 8 !== 0 || length > MAX_BATCH_BYTES || BATCH_BYTES + eventBytes > length) return undefined;
  if (at + length > file.length || crc32(file.subarray(at + 8, at + length)) !== file.readUInt32LE(at + 4))
    return undefined;
  const events = file.subarray(at + BATCH_BYTES, at + BATCH_BYTES + eventBytes);
  return { offset: at, length, firstSeq: numberAt(file, at + 16), count: file.readUInt32LE(at + 12), events };
}

/** The beginning of a batch whose write was cut off. */
function isTorn(rest: Buffer): boolean {
  if (!BATCH_MAGIC.startsWith(rest.toString('latin1', 0, 4))) return false;
  if (rest.length < BATCH_BYTES) return true;
  const length = rest.readUInt32LE(8);
  const isHeader = length % 8 === 0 && length <= MAX_BATCH_BYTES && BATCH_BYTES + rest.readUInt32LE(40) <= length;
  return !isHeader || length > rest.length;
}

function areInOrder(file: Buffer, batches: readonly NaiveBatch[], firstSeq: number): boolean {
  let next = firstSeq;
  let last = file.length < HEAD_BYTES ? 0n : timeAt(file, 24);
  for (const { offset, length, firstSeq: first, count, events } of batches) {
    if (first !== next) return false;
    const [saidFirst, saidLast] = [timeAt(file, offset + 24), timeAt(file, offset + 32)];
    let at = 0;
    for (; at < events.length; next += 1) {
      const size = recordAt(events, at, next);
      if (size === undefined || timeAt(events, at + 16) <= last) return false;
      last = timeAt(events, at + 16);
      if (at === 0 && last !== saidFirst) return false;
      at += size;
    }
    if (next !== first + count || (count > 0 && last !== saidLast)) return false;
    if (!isState(file.subarray(offset + BATCH_BYTES + events.length, offset + length))) return false;
  }
  return true;
}

/** @returns the record's length when it is that of this event */
function recordAt(events: Buffer, at: number, seq: number): number | undefined {
  if (events.length - at < 64) return undefined;
  const size = events.readUInt32LE(at);
  if (size < 64 || size % 8 !== 0 || at + size > events.length || events[at + 5] !== 1) return undefined;
  return numberAt(events, at + 8) === seq ? size : undefined;
}

function isState(state: Buffer): boolean {
  for (let at = 0; at < state.length; ) {
    const size = at + 8 <= state.length ? state.readUInt32LE(at) : 0;
    if (size < 8 || at + size > state.length) return false;
    if (state[at + 5] === 3 && !isJsonMap(state.toString('utf8', at + 8, at + size))) return false;
    at += size;
  }
  return true;
}

function isJsonMap(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}

function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** As one number, of two words that need not be a time. */
function timeAt(bytes: Buffer, at: number): bigint {
  return BigInt(bytes.readUInt32LE(at)) * 2n ** 32n + BigInt(bytes.readUInt32LE(at + 4));
}
