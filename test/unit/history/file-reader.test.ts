import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Disk } from '../../../src/history/disk.ts';
import { FileReader } from '../../../src/history/file-reader.ts';
import { fileName } from '../../../src/history/history-file.ts';
import { crc32 } from '../../../src/runtime/history-folder.ts';
import { TestHistory } from '../../support/history.ts';

const BATCHES = 60;
const KIB = 1024;

describe('FileReader', () => {
  it('reads little for whoever wants little, and more at once the further it goes', async () => {
    const history = new TestHistory();
    try {
      history.fileBytes = 64 * KIB * KIB;
      history.start();
      for (let batch = 0; batch < BATCHES; batch += 1)
        history.append(Array.from({ length: 10 }, () => 'x'.repeat(5000)));
      const reads: number[] = [];
      const disk: Pick<Disk, 'size' | 'read'> = {
        size: (name) => history.disk.size(name),
        read(name, offset, into) {
          reads.push(into.length / KIB);
          return history.disk.read(name, offset, into);
        },
      };
      const reader = new FileReader(disk as Disk, fileName(1), crc32);
      const counts: number[] = [];
      for (let item = reader.next(); item; item = reader.next()) {
        assert.ok('head' in item);
        counts.push(item.head.count);
        if (counts.length === 1) assert.deepEqual(reads, [128]);
      }
      assert.deepEqual(
        counts.filter((count) => count > 0),
        Array.from({ length: BATCHES }, () => 10),
      );
      assert.deepEqual(reads.slice(0, 4), [128, 256, 512, 1024]);
      assert.equal(Math.max(...reads), 1024);
    } finally {
      await history.remove();
    }
  });
});
