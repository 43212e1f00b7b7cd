import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import type { NewEvent } from '../../../src/event/event.ts';
import type { Disk } from '../../../src/history/disk.ts';
import { FolderCheck, type FolderReport, formatProblem } from '../../../src/history/folder-check.ts';
import { checkFile } from '../../../src/history/file-check.ts';
import { FileReader } from '../../../src/history/file-reader.ts';
import { listFiles } from '../../../src/history/folder-listing.ts';
import { fileName, indexName } from '../../../src/history/history-file.ts';
import { HISTORY_BATCH, HISTORY_FILE, STATE } from '../../../src/messages/layout.ts';
import { HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { contentOf, crc32, flip, writeHistory } from '../../support/written-history.ts';

const EVENTS: readonly NewEvent[] = Array.from({ length: 48 }, (_, n) => ({
  type: 'container',
  action: 'start',
  id: `c${n + 1}`,
}));

/** Three files of four batches of four events: 1 to 16, 17 to 32, 33 to 48. */
const FILES = [1, 17, 33] as const;

describe('a check of a history', () => {
  let folder = temporaryFolder();

  beforeEach(async () => {
    fs.rmSync(folder, { recursive: true });
    folder = temporaryFolder();
    await writeHistory(folder, EVENTS, { batchesPerFile: 4 });
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  function check(): FolderReport {
    const before = contentOf(folder);
    const disk = new HistoryFolder(folder);
    const folderCheck = new FolderCheck();
    const files = listFiles(disk, crc32);
    for (const [index, { firstSeq }] of files.entries())
      folderCheck.take(checkFile(disk, crc32, { file: firstSeq }), index === files.length - 1);
    disk.close();
    assert.deepEqual(contentOf(folder), before, 'it only looks');
    return folderCheck.result();
  }

  function problems(): string[] {
    return check().problems.map(formatProblem);
  }

  /** Places of the batches of a file that hold events. */
  function batchesOf(file: number): number[] {
    const disk = new HistoryFolder(folder);
    const reader = new FileReader(disk, fileName(file), crc32);
    const offsets: number[] = [];
    for (let item = reader.next(); item; item = reader.next())
      if ('head' in item && item.head.count > 0) offsets.push(item.offset);
    disk.close();
    return offsets;
  }

  const sizeOf = (file: number): number => fs.statSync(path.join(folder, fileName(file))).size;

  it('finds nothing wrong with what the daemon wrote', () => {
    const { problems: found, notices, files, events, epochs, bytes, withoutIndex } = check();
    assert.deepEqual([found, notices], [[], []]);
    assert.deepEqual([files, events, epochs, withoutIndex], [3, 48, ['testlog2'], 0]);
    assert.equal(
      bytes,
      FILES.map(sizeOf).reduce((a, b) => a + b),
    );
  });

  it('finds a byte that is another one, wherever it is in a file', () => {
    const file = fs.readFileSync(path.join(folder, fileName(17)));
    const disk: Pick<Disk, 'size' | 'read'> = {
      size(name) {
        if (name === fileName(17)) return file.length;
        throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      },
      read: (_, offset, into) => {
        const part = file.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      },
    };
    for (let offset = 0; offset < file.length; offset += 1) {
      file[offset]! ^= 0x55;
      const { problems: found, tornBytes } = checkFile(disk as Disk, crc32, { file: 17 });
      assert.equal(found.length + (tornBytes > 0 ? 1 : 0), 1, `byte ${offset}`);
      file[offset]! ^= 0x55;
    }
  });

  it('says which events a damaged batch held', () => {
    const [, second = 0, third = 0] = batchesOf(17);
    flip(folder, fileName(17), second + HISTORY_BATCH.BYTES + 70);
    assert.deepEqual(problems(), [
      `0000000000000017.log: at ${second}, ${third - second} bytes: no batch as it was written; events 21 to 24 cannot be read`,
    ]);
  });

  it('finds state that cannot be read, also where the checksum is that of what is there', () => {
    const file = path.join(folder, fileName(33));
    const whole = fs.readFileSync(file);
    const batch = HISTORY_FILE.BYTES;
    const end = batch + whole.readUInt32LE(batch + HISTORY_BATCH.LENGTH);
    const state = batch + HISTORY_BATCH.BYTES + whole.readUInt32LE(batch + HISTORY_BATCH.EVENT_BYTES);
    assert.ok(state < end);
    // With another kind, too: what is passed over has a length all the same.
    for (const [length, kind] of [
      [0, 3],
      [0, 4],
      [4, 4],
      [0xffff, 4],
    ] as const) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt32LE(length, state);
      bytes[state + STATE.KIND] = kind;
      bytes.writeUInt32LE(crc32(bytes.subarray(batch + HISTORY_BATCH.LENGTH, end)), batch + HISTORY_BATCH.CRC);
      fs.writeFileSync(file, bytes);
      assert.deepEqual(problems(), [
        `0000000000000033.log: at ${batch}, ${end - batch} bytes: a batch holds state that cannot be read`,
      ]);
    }
  });

  it('finds the next batch behind one whose length is wrong', () => {
    const [first = 0, second = 0] = batchesOf(1);
    for (const byte of [0, 1, 2, 3]) {
      flip(folder, fileName(1), first + HISTORY_BATCH.LENGTH + byte);
      assert.deepEqual(problems(), [
        `0000000000000001.log: at ${first}, ${second - first} bytes: no batch as it was written; events 1 to 4 cannot be read`,
      ]);
      flip(folder, fileName(1), first + HISTORY_BATCH.LENGTH + byte);
    }
  });

  it('knows from the next file which events the end of one held', () => {
    const last = batchesOf(17).at(-1)!;
    flip(folder, fileName(17), last + HISTORY_BATCH.MAGIC);
    assert.deepEqual(problems(), [
      `0000000000000017.log: at ${last}, ${sizeOf(17) - last} bytes: no batch as it was written; events 29 to 32 cannot be read`,
    ]);
  });

  it('finds a file that was cut off, unless it is the newest', () => {
    const last = batchesOf(17).at(-1)!;
    fs.truncateSync(path.join(folder, fileName(17)), last + 60);
    assert.deepEqual(problems(), [
      `0000000000000017.log: at ${last}, 60 bytes: the file ends within a batch; events 29 to 32 cannot be read`,
      '0000000000000017.idx: at 0, 40 bytes: the index knows more than the file has',
    ]);
    fs.truncateSync(path.join(folder, fileName(17)), last);
    assert.ok(
      problems().some((line) => line.includes('the file before this one is missing, or its end; events 29 to 32')),
    );
  });

  it('takes a beginning of a batch at the end of the newest file for a write under way', () => {
    const offset = batchesOf(33).at(-1)!;
    const whole = fs.readFileSync(path.join(folder, fileName(33)));
    for (const bytes of [1, 4, 47, 48, 200]) {
      fs.writeFileSync(path.join(folder, fileName(33)), whole.subarray(0, offset + bytes));
      const { problems: found, notices } = check();
      assert.deepEqual(found, []);
      assert.deepEqual(notices, [
        `0000000000000033.log ends within a batch, at ${offset}: a write that was cut off, or is under way`,
      ]);
    }
    fs.writeFileSync(path.join(folder, '0000000000000049.log'), new Uint8Array(10));
    assert.equal(problems().length, 1, 'that of the file before, which is the newest no more');
  });

  it('finds what stands at the end and is no batch', () => {
    fs.appendFileSync(path.join(folder, fileName(33)), 'something else');
    assert.deepEqual(problems(), [
      `0000000000000033.log: at ${sizeOf(33) - 14}, 14 bytes: no batch as it was written; events from 49 on cannot be read`,
    ]);
  });

  it('finds a damaged header, and reads the batches all the same', () => {
    flip(folder, fileName(17), HISTORY_FILE.EPOCH);
    const { problems: found, events } = check();
    assert.deepEqual(found.map(formatProblem), ['0000000000000017.log: at 0, 64 bytes: the header is damaged']);
    assert.equal(events, 48);
    fs.copyFileSync(path.join(folder, fileName(1)), path.join(folder, fileName(17)));
    assert.ok(problems().some((line) => line.endsWith('the header is that of another file')));
  });

  it('finds that a file is missing, and which events it held', () => {
    fs.rmSync(path.join(folder, fileName(17)));
    assert.deepEqual(problems(), [
      '0000000000000033.log: at 0, 64 bytes: the file before this one is missing, or its end; events 17 to 32 cannot be read',
    ]);
    fs.rmSync(path.join(folder, fileName(1)));
    assert.deepEqual(problems(), [], 'the oldest are nobody’s loss');
  });

  it('needs no index, but finds one that is damaged', () => {
    fs.rmSync(path.join(folder, indexName(1)));
    const { problems: found, withoutIndex } = check();
    assert.deepEqual([found, withoutIndex], [[], 1]);
    flip(folder, indexName(17), 20);
    assert.deepEqual(problems(), ['0000000000000017.idx: at 0, 40 bytes: the index is damaged']);
  });

  it('finds an index of another file', () => {
    fs.copyFileSync(path.join(folder, indexName(1)), path.join(folder, indexName(17)));
    assert.deepEqual(problems(), ['0000000000000017.idx: at 0, 40 bytes: 1 entries of the index lead to no batch']);
  });

  it('finds a file that continues another log', async () => {
    await writeHistory(folder, EVENTS.slice(0, 4), { firstSeq: 49, epochs: [{ epoch: 'anotherx', firstSeq: 1 }] });
    assert.ok(problems().some((line) => line.includes('epoch anotherx does not continue testlog2')));
    const epochs = [
      { epoch: 'testlog2', firstSeq: 1 },
      { epoch: 'anotherx', firstSeq: 49 },
    ];
    await writeHistory(folder, EVENTS.slice(0, 4), { firstSeq: 49, epochs });
    assert.deepEqual(check().problems, []);
    assert.deepEqual(check().epochs, ['testlog2', 'anotherx']);
  });

  it('passes over a file that goes while it is looked at', () => {
    const disk = new HistoryFolder(folder);
    const folderCheck = new FolderCheck();
    const files = listFiles(disk, crc32);
    disk.close();
    fs.rmSync(path.join(folder, fileName(1)));
    for (const [index, { firstSeq }] of files.entries())
      folderCheck.take(checkFile(disk, crc32, { file: firstSeq }), index === files.length - 1);
    disk.close();
    const { problems: found, notices } = folderCheck.result();
    assert.deepEqual(found, []);
    assert.deepEqual(notices, ['0000000000000001.log is not there any more: retention took it']);
  });
});
