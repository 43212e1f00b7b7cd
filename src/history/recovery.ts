import type { SavedContainer } from '../event/container-table.ts';
import { type Epoch, makeEpoch } from '../event/cursor.ts';
import type { EpochSpan } from '../event/epochs.ts';
import type { Timestamp } from '../event/event.ts';
import type { SavedPublisher } from '../event/publisher-table.ts';
import { joinSources, type SavedSource } from '../event/source-table.ts';
import { HISTORY_BATCH, HISTORY_FILE } from '../messages/layout.ts';
import { stateOf } from './batch.ts';
import type { Crc32, Disk } from './disk.ts';
import { FileReader } from './file-reader.ts';
import {
  type FileHead,
  fileName,
  firstSeqOf,
  joinEpochs,
  readFileHead,
  removeFile,
  removeIndex,
} from './history-file.ts';
import type { HistoryTail } from './history-writer.ts';
import type { SavedState, SavedWriter } from './saved-state.ts';

/** What a history tells a process that goes on with it. It can be cloned. */
export interface Recovered {
  /** In order; the newest last. */
  readonly files: readonly FileHead[];
  /** The file to go on with; undefined when the next event begins one. */
  readonly tail: HistoryTail | undefined;
  readonly epochs: readonly EpochSpan[];
  readonly headSeq: number;
  /** Of the newest event; seconds 0 = there is none. */
  readonly time: Timestamp;
  readonly containers: readonly SavedContainer[];
  readonly publishers: readonly SavedPublisher[];
  readonly sources: readonly SavedSource[];
  /** Bytes at the end that were no whole batch. */
  readonly truncatedBytes: number;
  /** Whether the last process said that it left nothing behind. */
  readonly wasClosed: boolean;
}

interface Reading {
  readonly state: SavedState[];
  opened: SavedWriter | undefined;
  isClosed: boolean;
  hasEvents: boolean;
  nextSeq: number;
  time: Timestamp;
  /** Of what can be believed. */
  length: number;
  truncated: number;
  /** Something that had been written whole is gone. */
  isDamaged: boolean;
  /** Nothing is missing before its end, and its snapshot is there. */
  isWhole: boolean;
  /** From the first event behind a hole in which another epoch may have begun. */
  doubtful: EpochSpan | undefined;
}

/**
 * Reads what there is of a history, and prepares it to be gone on with. Only the newest file is read whole, for each begins with a
 * snapshot; those before it where part of it cannot be read.
 * @param boot names the life of the machine; @param newEpoch makes a name
 * @throws what the disk throws
 */
export function recoverHistory(
  disk: Disk,
  { crc32, boot, newEpoch }: { readonly crc32: Crc32; readonly boot: string; readonly newEpoch: () => Epoch },
): Recovered {
  const files = headsOf(disk, crc32);
  let truncatedBytes = 0;
  let reading: Reading | undefined;
  let isDamaged = false;
  while (files.length > 0) {
    const last = files.at(-1)!;
    reading = readFile(disk, crc32, last);
    truncatedBytes += reading.truncated;
    isDamaged ||= reading.isDamaged;
    if (reading.opened || reading.hasEvents) break;
    // It was begun, and no more: its snapshot may tell of a batch that was to follow.
    removeFile(disk, last.firstSeq);
    files.pop();
    reading = undefined;
  }
  const last = files.at(-1);
  if (!last || !reading) {
    return { ...newLog(newEpoch()), truncatedBytes };
  }
  const { opened, isClosed, nextSeq, time, length } = reading;
  const state = reading.isWhole ? reading.state : [...stateBefore(disk, crc32, files), ...reading.state];
  const told = state.findLast((saved) => 'epochs' in saved);
  const epochs = joinEpochs(told && 'epochs' in told ? told.epochs : [], files);
  // Under `sync` clients saw nothing that a loss of power could take; under `async` they may have.
  const mayHaveHoles = opened?.durability !== 'sync' && opened?.boot !== boot;
  // Nobody says to which epoch these belong: to none that a cursor could name.
  if (mayHaveHoles && reading.doubtful) epochs.push(reading.doubtful);
  const mayHaveLost = !isClosed && (isDamaged || mayHaveHoles);
  if (mayHaveLost) epochs.push({ epoch: newEpoch(), firstSeq: nextSeq });
  // It has one if a file followed that is gone: written for what stood here then, and not for what will.
  removeIndex(disk, last.firstSeq);
  if (truncatedBytes > 0 || isClosed) disk.open(fileName(last.firstSeq), length).close();
  return {
    files,
    // One without an event is gone on with in another epoch, too: to write it anew could lose what it says.
    tail: mayHaveLost && nextSeq > last.firstSeq ? undefined : { firstSeq: last.firstSeq, length },
    epochs: epochs.slice(-MAX_EPOCHS),
    headSeq: nextSeq - 1,
    time,
    ...knownFrom(state),
    truncatedBytes,
    wasClosed: isClosed,
  };
}

/** What a snapshot and everything behind it say together. */
export function knownFrom(state: readonly SavedState[]): Pick<Recovered, 'containers' | 'publishers' | 'sources'> {
  return {
    containers: newest(state, (saved) => ('container' in saved ? [saved.container.id, saved.container] : undefined)),
    publishers: newest(state, (saved) => ('publisher' in saved ? [saved.publisher.name, saved.publisher] : undefined)),
    sources: joinSources(state.flatMap((saved) => ('source' in saved ? [saved.source] : []))),
  };
}

/** What was known when the last file began. */
function stateBefore(disk: Disk, crc32: Crc32, files: readonly FileHead[]): SavedState[] {
  let state: SavedState[] = [];
  for (const file of files.slice(0, -1).reverse()) {
    const reading = readFile(disk, crc32, file);
    state = [...reading.state, ...state];
    if (reading.isWhole) break;
  }
  return state;
}

/**
 * Resolves when what was recovered survives a loss of power: it is about to be shown, and what was shown is not taken back.
 * @throws what the disk throws
 */
export function secureHistory(disk: Disk, { files }: Recovered): Promise<void> {
  return disk.sync(files.map(({ firstSeq }) => fileName(firstSeq)));
}

/** Cursors of older lives than these are foreign. */
const MAX_EPOCHS = 1_000;

/** What there is before the first event of a log. */
export function newLog(epoch: Epoch): Recovered {
  return {
    files: [],
    tail: undefined,
    epochs: [{ epoch, firstSeq: 1 }],
    headSeq: 0,
    time: { sec: 0, nanos: 0 },
    containers: [],
    publishers: [],
    sources: [],
    truncatedBytes: 0,
    wasClosed: true,
  };
}

/** The files of a history, in order. One without a header is set aside. */
export function headsOf(disk: Disk, crc32: Crc32): FileHead[] {
  const heads: FileHead[] = [];
  const bytes = new Uint8Array(HISTORY_FILE.BYTES);
  for (const name of disk.list().sort()) {
    const firstSeq = firstSeqOf(name);
    if (firstSeq === undefined) continue;
    const length = disk.read(name, 0, bytes);
    const head = readFileHead(bytes.subarray(0, length), crc32);
    if (head?.firstSeq === firstSeq) heads.push(head);
    else setAside(disk, firstSeq);
  }
  return heads;
}

function setAside(disk: Disk, firstSeq: number): void {
  const name = fileName(firstSeq);
  disk.rename(name, `${name}.corrupt`);
  // What stays of it is its index.
  removeFile(disk, firstSeq);
}

function readFile(disk: Disk, crc32: Crc32, file: FileHead): Reading {
  const reader = new FileReader(disk, fileName(file.firstSeq), crc32);
  const reading: Reading = {
    state: [],
    opened: undefined,
    isClosed: false,
    hasEvents: false,
    nextSeq: file.firstSeq,
    time: file.after,
    length: HISTORY_FILE.BYTES,
    truncated: 0,
    isDamaged: false,
    isWhole: true,
    doubtful: undefined,
  };
  let isBehindHole = false;
  for (let item = reader.next(); item; item = reader.next()) {
    if (!('head' in item)) {
      if (item.isTail) reading.truncated = item.length;
      reading.isDamaged ||= item.isTail && !item.isTorn;
      reading.isWhole &&= item.isTail;
      isBehindHole = true;
      continue;
    }
    const { head, bytes, at } = item;
    reading.hasEvents ||= head.count > 0;
    if (isBehindHole && head.count > 0)
      reading.doubtful ??= { epoch: ownEpoch(bytes.subarray(at), crc32), firstSeq: head.firstSeq };
    reading.nextSeq = head.firstSeq + head.count;
    reading.time = head.last;
    reading.isClosed = false;
    for (const saved of stateOf(bytes, at, head)) {
      if ('epochs' in saved) {
        isBehindHole = false;
        reading.doubtful = undefined;
      }
      if ('opened' in saved) reading.opened = saved.opened;
      else if ('closed' in saved) reading.isClosed = true;
      else reading.state.push(saved);
    }
    // The last word of a history that goes on is taken back: a loss of power must not make it one again.
    if (!reading.isClosed) reading.length = item.offset + head.length;
  }
  reading.isWhole &&= reading.state.some((saved) => 'epochs' in saved);
  return reading;
}

/** The same whenever this batch is read: it is shown before it can be written down. */
function ownEpoch(batch: Uint8Array, crc32: Crc32): Epoch {
  const name = new DataView(new ArrayBuffer(8));
  name.setUint32(0, crc32(batch.subarray(HISTORY_BATCH.LENGTH, HISTORY_BATCH.BYTES)));
  // Its checksum stands for what is in it.
  name.setUint32(4, crc32(batch.subarray(0, HISTORY_BATCH.BYTES)));
  return makeEpoch(new Uint8Array(name.buffer));
}

function newest<T>(state: readonly SavedState[], pick: (saved: SavedState) => readonly [string, T] | undefined): T[] {
  const byKey = new Map<string, T>();
  for (const saved of state) {
    const picked = pick(saved);
    if (!picked) continue;
    // The order of publishers is that of their last word.
    byKey.delete(picked[0]);
    byKey.set(...picked);
  }
  return [...byKey.values()];
}
