import { textOf, utf8 } from '../codec/bytes.ts';
import type { Epoch } from '../event/cursor.ts';
import type { EpochSpan } from '../event/epochs.ts';
import type { HistoryFileHead } from '../messages/collector.ts';
import { HISTORY_FILE } from '../messages/layout.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';

/** What the header of a history file says. */
export type FileHead = HistoryFileHead;

const DIGITS = 16;
const NAME = /^(\d{16})\.log$/;

/** The file whose first event is `firstSeq`. */
export function fileName(firstSeq: number): string {
  return `${String(firstSeq).padStart(DIGITS, '0')}.log`;
}

export function indexName(firstSeq: number): string {
  return `${String(firstSeq).padStart(DIGITS, '0')}.idx`;
}

/**
 * Removes a file, its index first: one that stayed would be taken for that of the next file of this name.
 * @throws what the disk throws, unless there is none
 */
export function removeFile(disk: Disk, firstSeq: number): void {
  removeIndex(disk, firstSeq);
  removeIfThere(disk, fileName(firstSeq));
}

/** The index of a file is made anew, from the file, when it is wanted. @throws as removeFile */
export function removeIndex(disk: Disk, firstSeq: number): void {
  removeIfThere(disk, indexName(firstSeq));
}

function removeIfThere(disk: Disk, name: string): void {
  try {
    disk.remove(name);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** The epochs that a list tells, and those that it does not but the heads of files do; oldest first. */
export function joinEpochs(told: readonly EpochSpan[], heads: readonly FileHead[]): EpochSpan[] {
  const spans = new Map(told.map((span) => [span.epoch, span]));
  for (const { epoch, firstSeq } of heads) if (!spans.has(epoch)) spans.set(epoch, { epoch, firstSeq });
  return [...spans.values()].sort((a, b) => a.firstSeq - b.firstSeq);
}

/** @returns undefined when the name is none of a history file */
export function firstSeqOf(name: string): number | undefined {
  const match = NAME.exec(name);
  return match ? Number(match[1]) : undefined;
}

export function packFileHead({ firstSeq, epoch, parent, after, createdSec }: FileHead, crc32: Crc32): Uint8Array {
  const out = new Uint8Array(HISTORY_FILE.BYTES);
  const fields = new DataView(out.buffer);
  fields.setUint32(HISTORY_FILE.MAGIC, HISTORY_FILE.MAGIC_VALUE, true);
  fields.setUint32(HISTORY_FILE.VERSION, HISTORY_FILE.VERSION_VALUE, true);
  fields.setUint32(HISTORY_FILE.FIRST_SEQ_LOW, firstSeq % 0x100000000, true);
  fields.setUint32(HISTORY_FILE.FIRST_SEQ_HIGH, Math.floor(firstSeq / 0x100000000), true);
  fields.setUint32(HISTORY_FILE.AFTER_SEC, after.sec, true);
  fields.setUint32(HISTORY_FILE.AFTER_NANOS, after.nanos, true);
  fields.setUint32(HISTORY_FILE.CREATED_SEC, createdSec, true);
  out.set(utf8(epoch), HISTORY_FILE.EPOCH);
  if (parent) out.set(utf8(parent), HISTORY_FILE.PARENT);
  fields.setUint32(HISTORY_FILE.CRC, crc32(out.subarray(HISTORY_FILE.VERSION)), true);
  return out;
}

/** @returns undefined when the bytes do not begin with a header of this version */
export function readFileHead(bytes: Uint8Array, crc32: Crc32): FileHead | undefined {
  if (bytes.length < HISTORY_FILE.BYTES) return undefined;
  const fields = new DataView(bytes.buffer, bytes.byteOffset, HISTORY_FILE.BYTES);
  const field = (offset: number): number => fields.getUint32(offset, true);
  if (field(HISTORY_FILE.MAGIC) !== HISTORY_FILE.MAGIC_VALUE) return undefined;
  if (field(HISTORY_FILE.VERSION) !== HISTORY_FILE.VERSION_VALUE) return undefined;
  if (field(HISTORY_FILE.CRC) !== crc32(bytes.subarray(HISTORY_FILE.VERSION, HISTORY_FILE.BYTES))) return undefined;
  const epochAt = (offset: number): Epoch => textOf(bytes, offset, offset + HISTORY_FILE.EPOCH_BYTES);
  return {
    firstSeq: field(HISTORY_FILE.FIRST_SEQ_LOW) + field(HISTORY_FILE.FIRST_SEQ_HIGH) * 0x100000000,
    epoch: epochAt(HISTORY_FILE.EPOCH),
    parent: bytes[HISTORY_FILE.PARENT] === 0 ? undefined : epochAt(HISTORY_FILE.PARENT),
    after: { sec: field(HISTORY_FILE.AFTER_SEC), nanos: field(HISTORY_FILE.AFTER_NANOS) },
    createdSec: field(HISTORY_FILE.CREATED_SEC),
  };
}
