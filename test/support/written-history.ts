import fs from 'node:fs';
import path from 'node:path';
import { Epochs, type EpochSpan } from '../../src/event/epochs.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { HistoryWriter } from '../../src/history/history-writer.ts';
import { crc32, HistoryFolder } from '../../src/runtime/history-folder.ts';
import { BASE_SEC, EPOCH, stamp } from './log.ts';
import { packEvent } from './packed.ts';
import { concat } from './records.ts';

export { crc32 };

export const WRITER = { boot: 'boot', durability: 'async' } as const;

/** Time of an event of a test's history: one a second. */
export function timeOf(seq: number): Timestamp {
  return { sec: BASE_SEC + seq, nanos: 0 };
}

/** A history in a folder, written as the daemon writes it. Every event is a second after the one before. */
export async function writeHistory(
  folder: string,
  events: readonly NewEvent[],
  options: {
    readonly firstSeq?: number;
    readonly perBatch?: number;
    /** A file ends behind so many batches. */
    readonly batchesPerFile?: number;
    readonly epochs?: readonly EpochSpan[];
    readonly isClosed?: boolean;
  } = {},
): Promise<Uint8Array[]> {
  const { firstSeq = 1, perBatch = 4, batchesPerFile = Infinity } = options;
  const disk = new HistoryFolder(folder);
  const writer = new HistoryWriter(
    {
      disk,
      crc32,
      epochs: new Epochs(options.epochs ?? [{ epoch: EPOCH, firstSeq: 1 }]),
      writer: WRITER,
      inherited: undefined,
      nowSec: () => 0,
      fileBytes: Infinity,
      fileAgeSec: Infinity,
      snapshot: () => [],
      opened: () => {},
      secured: () => {},
    },
    firstSeq === 1 ? { sec: 0, nanos: 0 } : timeOf(firstSeq - 1),
  );
  const records = events.map((event, index) => stamp(packEvent(event), firstSeq + index, timeOf(firstSeq + index)));
  for (let from = 0, batches = 0; from < records.length; from += perBatch, batches += 1) {
    const batch = records.slice(from, from + perBatch);
    const seq = firstSeq + from;
    if (batches > 0 && batches % batchesPerFile === 0) writer.begin(seq);
    const last = timeOf(seq + batch.length - 1);
    writer.append({ events: concat(batch), count: batch.length, firstSeq: seq, first: timeOf(seq), last, state: [] });
  }
  await writer.sync();
  if (options.isClosed ?? true) await writer.close(firstSeq + events.length);
  disk.close();
  return records;
}

/** Changes bytes of a file in place. */
export function flip(folder: string, name: string, offset: number): void {
  const file = path.join(folder, name);
  const bytes = fs.readFileSync(file);
  bytes[offset]! ^= 0x55;
  fs.writeFileSync(file, bytes);
}

/** Names of what is in a folder, with the bytes of each: to see that nothing has been touched. */
export function contentOf(folder: string): ReadonlyMap<string, string> {
  const names = fs.readdirSync(folder).sort();
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(folder, name), 'latin1')]));
}
