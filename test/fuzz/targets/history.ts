import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Epochs } from '../../../src/event/epochs.ts';
import { checkFile } from '../../../src/history/file-check.ts';
import { FileReader } from '../../../src/history/file-reader.ts';
import { fileName } from '../../../src/history/history-file.ts';
import { HistoryFiles } from '../../../src/history/history-files.ts';
import { HistoryWriter, type HistoryWriterEnv } from '../../../src/history/history-writer.ts';
import { type Recovered, recoverHistory } from '../../../src/history/recovery.ts';
import type { HistoryFileHead } from '../../../src/messages/collector.ts';
import { EPOCH, stamp } from '../../support/log.ts';
import { packEvent } from '../../support/packed.ts';
import { concat } from '../../support/records.ts';
import { crc32, timeOf, WRITER } from '../../support/written-history.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { type NaiveFile, readNaively, withChecksums } from '../naive-history.ts';
import { demand, show, type Target } from '../target.ts';

/** In front of an input whose checksums are made right before it is read: all else in it is not. */
const RIGHT_SUMS = 'right sums\n';
const FILE_MAGIC = 'TCH1';
/** Names of the files that an input consists of. */
const FIRST_SEQS = [1, 7, 13];
const BATCHES = 3;
const PER_BATCH = 2;
const SMALL = FIRST_SEQS.length * BATCHES * PER_BATCH;

const EVENTS = Array.from({ length: SMALL }, (_, index) => recordOf(index + 1));
const WHOLE = written();

function recordOf(seq: number): Uint8Array {
  return stamp(packEvent({ type: 'container', action: 'start', id: `c${seq % 3}` }), seq, timeOf(seq));
}

function envOf(disk: MemoryDisk, more: Partial<HistoryWriterEnv> = {}): HistoryWriterEnv {
  return {
    disk,
    crc32,
    epochs: new Epochs([{ epoch: EPOCH, firstSeq: 1 }]),
    writer: WRITER,
    inherited: undefined,
    nowSec: () => 0,
    fileBytes: Infinity,
    fileAgeSec: Infinity,
    snapshot: () => [{ container: { id: 'c1', name: 'web' } } as never],
    opened: () => {},
    secured: () => {},
    ...more,
  };
}

/** Three small files, back to back. */
function written(): readonly Uint8Array[] {
  const disk = new MemoryDisk();
  const writer = new HistoryWriter(envOf(disk), { sec: 0, nanos: 0 });
  for (let seq = 1; seq <= SMALL; seq += PER_BATCH) {
    if (FIRST_SEQS.includes(seq) && seq > 1) writer.begin(seq);
    writer.append(batchOf(seq, PER_BATCH));
  }
  return FIRST_SEQS.map((seq) => disk.file(fileName(seq)).slice());
}

function batchOf(firstSeq: number, count: number): Parameters<HistoryWriter['append']>[0] {
  const events = Array.from({ length: count }, (_, index) => recordOf(firstSeq + index));
  const [first, last] = [timeOf(firstSeq), timeOf(firstSeq + count - 1)];
  return { events: concat(events), count, firstSeq, first, last, state: [] };
}

/** Files of a history as a disk gave them back: what is whole in them is found, told, read and gone on with, and nothing else. */
export const target: Target = {
  sources: [
    'history/batch.ts',
    'history/file-check.ts',
    'history/file-reader.ts',
    'history/history-file.ts',
    'history/history-files.ts',
    'history/recovery.ts',
  ],
  seeds: [
    concat(WHOLE),
    WHOLE[0]!,
    concat(WHOLE.slice(0, 2)),
    concat([Buffer.from(RIGHT_SUMS), ...WHOLE]),
    concat([Buffer.from(RIGHT_SUMS), WHOLE[0]!]),
    concat([WHOLE[0]!, WHOLE[1]!.subarray(0, 300), WHOLE[2]!]),
    concat([WHOLE[0]!, WHOLE[1]!.subarray(0, 64)]),
    '',
  ],
  dictionary: [
    RIGHT_SUMS,
    FILE_MAGIC,
    'TCB1',
    '\0'.repeat(8),
    '\x01\0\0\0\0\0\0\0',
    '\x08\0\0\0',
    '\x30\0\0\0',
    '{"epochs":[]}',
    '{"epochs":null}',
    'null    ',
    '{"closed":{"boot":"boot","durability":"async"}}',
  ],
  arbitrary: fc
    .array(fc.tuple(fc.constantFrom(FILE_MAGIC, 'TCB1', '\0\0\0\0', 'abcd'), fc.string({ maxLength: 70 })), {
      maxLength: 4,
    })
    .map((parts) => parts.flat().join('')),
  batch: 128,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const isRight = Buffer.from(input).subarray(0, RIGHT_SUMS.length).equals(Buffer.from(RIGHT_SUMS));
  const text = Buffer.from(input).toString('latin1', isRight ? RIGHT_SUMS.length : 0);
  const parts = text.split(new RegExp(`(?=${FILE_MAGIC})`)).slice(0, FIRST_SEQS.length);
  const files = parts.map((part) => Buffer.from(part, 'latin1'));
  const disk = new MemoryDisk(
    files.map((bytes, index) => [fileName(FIRST_SEQS[index]!), isRight ? withChecksums(bytes) : bytes]),
  );
  const naive = files.map((_, index) => checkOne(disk, FIRST_SEQS[index]!));
  if (!isRight && naive.every((file, index) => isInPlace(file, index))) checkRecovery(disk, naive);
}

/** What a file's reader and its checker find in it. */
function checkOne(disk: MemoryDisk, firstSeq: number): NaiveFile {
  const name = fileName(firstSeq);
  const bytes = disk.file(name);
  const naive = readNaively(bytes, firstSeq);
  const reader = new FileReader(disk, name, crc32);
  const found: number[] = [];
  let behind = 64;
  for (let item = reader.next(); item; item = reader.next()) {
    demand(item.offset === behind, 'leaves something out', () => show([behind, item.offset]));
    behind += 'head' in item ? item.head.length : item.length;
    if ('head' in item) found.push(item.offset);
  }
  demand(behind >= bytes.length, 'does not come to the end', () => show([behind, bytes.length]));
  const places = naive.batches.map(({ offset }) => offset);
  demand(isDeepStrictEqual(found, places), 'finds other batches than there are', () => show([found, places]));
  const { batches, events, problems, head } = checkFile(disk, crc32, { file: firstSeq });
  demand(batches === places.length, 'counts other batches', () => show([batches, places.length]));
  const count = naive.batches.reduce((sum, batch) => sum + batch.count, 0);
  demand(events === count, 'counts other events', () => show([events, count]));
  demand((head !== undefined) === (naive.head === firstSeq), 'believes a header, or not, against what it says');
  demand((problems.length === 0) === naive.isClean, 'says that all is well, or not, against what is there', () =>
    show(problems),
  );
  return naive;
}

/** Batches may be missing, but stand where they were written: nothing else becomes of a file by itself. */
function isInPlace({ batches }: NaiveFile, index: number): boolean {
  const [from, to] = [FIRST_SEQS[index]!, FIRST_SEQS[index + 1] ?? SMALL + 1];
  return batches.every(
    ({ firstSeq, count }, at) =>
      firstSeq >= (at === 0 ? from : batches[at - 1]!.firstSeq + batches[at - 1]!.count) && firstSeq + count <= to,
  );
}

/** A daemon begins with it, then another one, which goes on writing. */
function checkRecovery(disk: MemoryDisk, naive: readonly NaiveFile[]): void {
  const believed = naive.filter(({ head }, index) => head === FIRST_SEQS[index]);
  const seqs = believed.flatMap(({ batches }) => batches.flatMap(({ firstSeq, count }) => numbered(firstSeq, count)));
  const first = recover(disk, 'aaaaaaaa');
  const headSeq = seqs.at(-1) ?? 0;
  demand(first.headSeq >= headSeq, 'forgets events at the end', () => show([first.headSeq, headSeq]));
  checkReading(disk, first, seqs);
  const again = recover(disk, 'bbbbbbbb');
  demand(again.truncatedBytes === 0, 'cuts off something a second time', () => show(again.truncatedBytes));
  demand(
    isDeepStrictEqual([again.headSeq, again.time, again.containers], [first.headSeq, first.time, first.containers]),
    'is another history when it is opened again',
    () => show([first, again]),
  );
  const next = again.headSeq + 1;
  const opened: HistoryFileHead[] = [];
  const more = {
    epochs: new Epochs(again.epochs),
    opened: (file: HistoryFileHead) => void opened.push(file),
  };
  const writer = new HistoryWriter(envOf(disk, more), again.time);
  writer.reopen(again.tail, next);
  writer.append(batchOf(next, 1));
  const files = [...again.files.filter(({ firstSeq }) => firstSeq !== opened[0]?.firstSeq), ...opened];
  checkReading(disk, { ...again, files, headSeq: next }, [...seqs, next]);
  const report = checkFile(disk, crc32, { file: files.at(-1)!.firstSeq });
  demand(report.nextSeq === next + 1 && report.tornBytes === 0, 'does not go on where it was', () => show(report));
}

function recover(disk: MemoryDisk, epoch: string): Recovered {
  return recoverHistory(disk, { crc32, boot: WRITER.boot, newEpoch: () => epoch });
}

function numbered(firstSeq: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => firstSeq + index);
}

/** Page by page: every event that is there, once, in order, as it was written. */
function checkReading(disk: MemoryDisk, { files, headSeq }: Recovered, expected: readonly number[]): void {
  const limits = { events: 0, bytes: 0, ageMs: 0 };
  const history = new HistoryFiles({ disk, crc32, limits, files, onCorrupt: () => {} });
  const read: number[] = [];
  for (let next = 1; next <= headSeq; ) {
    const page = history.page(next, headSeq);
    if (!page) break;
    const { segment, from, to, firstSeq } = page.run;
    demand(firstSeq >= next, 'goes back', () => show([next, firstSeq]));
    const bytes = Buffer.from(segment.view.bytes.slice(from, to));
    const from0 = read.length;
    let at = 0;
    for (let seq = firstSeq; at < bytes.length; seq += 1) {
      const record = EVENTS[seq - 1] ?? recordOf(seq);
      demand(bytes.subarray(at, at + record.length).equals(record), 'gives another event than was written', () =>
        show(seq),
      );
      read.push(seq);
      at += record.length;
    }
    demand(read.length > from0, 'gives a page without an event');
    next = read.at(-1)! + 1;
  }
  demand(isDeepStrictEqual(read, expected), 'reads other events than there are', () => show([read, expected]));
}
