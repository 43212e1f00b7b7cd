import type { EpochSpan } from '../event/epochs.ts';
import { HISTORY_FILE } from '../messages/layout.ts';
import { stateOf } from './batch.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import { FileIndex } from './file-index.ts';
import { FileReader } from './file-reader.ts';
import { type FileHead, fileName, firstSeqOf, indexName, joinEpochs, readFileHead } from './history-file.ts';

/*
 * A history as someone sees it who only looks: nothing is changed, and another process may write to it and remove from it.
 */

export interface ListedFile {
  /** As its name says. */
  readonly firstSeq: number;
  readonly bytes: number;
  /** Undefined when what stands there is none, or one of another file. */
  readonly head: FileHead | undefined;
}

/** The files of a history, in order. @throws what the disk throws */
export function listFiles(disk: Disk, crc32: Crc32): ListedFile[] {
  const files: ListedFile[] = [];
  const head = new Uint8Array(HISTORY_FILE.BYTES);
  for (const name of disk.list().sort()) {
    const firstSeq = firstSeqOf(name);
    if (firstSeq === undefined) continue;
    try {
      const bytes = disk.size(name);
      const found = readFileHead(head.subarray(0, disk.read(name, 0, head)), crc32);
      files.push({ firstSeq, bytes, head: found?.firstSeq === firstSeq ? found : undefined });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return files;
}

/** The index that stands beside a file. @returns undefined when there is none, or what there is cannot be believed */
function storedIndex(disk: Disk, crc32: Crc32, firstSeq: number): ReturnType<typeof FileIndex.unpack> {
  const bytes = readSmall(disk, indexName(firstSeq));
  return bytes && FileIndex.unpack(bytes, crc32);
}

/** A small file. @returns undefined when it is not there */
export function readSmall(disk: Disk, name: string): Uint8Array | undefined {
  try {
    const bytes = new Uint8Array(disk.size(name));
    return bytes.subarray(0, disk.read(name, 0, bytes));
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}

/** An index, and how much of the file it knows. */
export interface KnownIndex {
  readonly index: FileIndex;
  readonly covered: number;
}

/**
 * An index of what there is of a file, made from the file itself where `known` or the stored one does not reach. A batch is
 * believed when it is whole: what a damaged one says of its place in the log would hide others.
 */
export function indexOf(disk: Disk, crc32: Crc32, firstSeq: number, known?: KnownIndex): KnownIndex {
  const { index, covered: from } = known ??
    storedIndex(disk, crc32, firstSeq) ?? { index: new FileIndex(), covered: HISTORY_FILE.BYTES };
  const reader = new FileReader(disk, fileName(firstSeq), crc32, from);
  let covered = from;
  for (let item = reader.next(); item; item = reader.next()) {
    // A write may be about to complete what looks torn.
    if (!('head' in item)) {
      if (!item.isTorn) covered = item.offset + item.length;
      continue;
    }
    index.add(item.offset, item.head);
    covered = item.offset + item.head.length;
  }
  return { index, covered };
}

/** Number of the newest event; 0 = there is none. */
export function headSeqOf(disk: Disk, crc32: Crc32, files: readonly ListedFile[]): number {
  for (const { firstSeq } of files.toReversed()) {
    try {
      const from = indexOf(disk, crc32, firstSeq).index.entries.at(-1)?.offset;
      const reader = new FileReader(disk, fileName(firstSeq), crc32, from);
      let nextSeq = firstSeq;
      for (let item = reader.next(); item; item = reader.next())
        if ('head' in item) nextSeq = Math.max(nextSeq, item.head.firstSeq + item.head.count);
      return nextSeq - 1;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return 0;
}

/** The lives of the log, oldest first, as the newest file that can be read tells them. */
export function epochsOf(disk: Disk, crc32: Crc32, files: readonly ListedFile[]): readonly EpochSpan[] {
  let told: readonly EpochSpan[] = [];
  for (const { firstSeq, head } of files.toReversed()) {
    if (!head) continue;
    told = epochsIn(disk, crc32, firstSeq);
    if (told.length > 0) break;
  }
  return joinEpochs(
    told,
    files.flatMap(({ head }) => head ?? []),
  );
}

function epochsIn(disk: Disk, crc32: Crc32, firstSeq: number): readonly EpochSpan[] {
  let told: readonly EpochSpan[] = [];
  try {
    const reader = new FileReader(disk, fileName(firstSeq), crc32);
    for (let item = reader.next(); item; item = reader.next()) {
      if (!('head' in item)) continue;
      for (const saved of stateOf(item.bytes, item.at, item.head)) if ('epochs' in saved) told = saved.epochs;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return told;
}
