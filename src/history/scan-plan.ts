import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import { HISTORY_FILE } from '../messages/layout.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import type { ScanTask } from './file-scan.ts';
import { indexOf, type ListedFile } from './folder-listing.ts';

/** What is wanted of a whole history. */
export type ScanWish = Omit<ScanTask, 'file' | 'from' | 'to'>;

/** A task reads so much, more or less: what it finds is in memory at once. */
const PART_BYTES = 4 * 1024 * 1024;

/** The tasks that together read what is wanted, in the order of the log; files and parts that cannot have any of it are left out. */
export function* planScan(
  disk: Disk,
  crc32: Crc32,
  files: readonly ListedFile[],
  wish: ScanWish,
): Generator<ScanTask, void> {
  const { fromSeq, toSeq, since, until } = wish;
  for (const [position, { firstSeq, head }] of files.entries()) {
    const next = files[position + 1];
    if (next && next.firstSeq <= fromSeq) continue;
    // Nothing in this file is later than what the next one begins behind.
    if (since && next?.head && compareTime(next.head.after, since) < 0) continue;
    if (firstSeq > toSeq || (until && head && compareTime(head.after, until) >= 0)) return;
    const parts = partsOf(disk, crc32, firstSeq, wish);
    for (const [index, from] of parts.entries())
      yield { ...wish, file: firstSeq, from, to: parts[index + 1] ?? Infinity };
  }
}

/** Where the parts of a file begin. */
function partsOf(disk: Disk, crc32: Crc32, file: number, { fromSeq, toSeq, since, until }: ScanWish): number[] {
  const parts: number[] = [];
  const begin = (offset: number): void => {
    if (offset - (parts.at(-1) ?? -Infinity) >= PART_BYTES) parts.push(offset);
  };
  try {
    const { index } = indexOf(disk, crc32, file);
    const bySeq = index.find(fromSeq)?.offset ?? HISTORY_FILE.BYTES;
    const byTime = (since && index.findTime(since)?.offset) ?? HISTORY_FILE.BYTES;
    const from = Math.max(bySeq, byTime);
    begin(from);
    for (const { offset, seq, time } of index.entries) {
      if (offset <= from) continue;
      begin(offset);
      // Later ones have nothing: what stands there is enough to see that.
      if (seq > toSeq || isLater(time, until)) break;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Whoever scans it will say so.
    return [HISTORY_FILE.BYTES];
  }
  return parts;
}

function isLater(time: Timestamp, until: Timestamp | undefined): boolean {
  return until !== undefined && compareTime(time, until) > 0;
}
