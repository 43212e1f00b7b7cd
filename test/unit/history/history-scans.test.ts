import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { parseFilterTerm } from '../../../src/event/filter.ts';
import { scanFile } from '../../../src/history/file-scan.ts';
import { HistoryScans, type ScanAdmission } from '../../../src/history/history-scans.ts';
import type { ScanPool } from '../../../src/history/scan-pool.ts';
import { HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { EPOCH, seqsOf } from '../../support/log.ts';
import { writeHistory } from '../../support/written-history.ts';

const COUNT = 60;
const TYPES = ['container', 'network', 'volume'];

describe('scans of a history that go on', () => {
  const folder = temporaryFolder();
  after(() => fs.rmSync(folder, { recursive: true }));

  it('are those of one question: another limit begins its own', async () => {
    const events = Array.from({ length: COUNT }, (_, index) => ({ type: TYPES[index % 3]!, action: 'a', id: 'x' }));
    await writeHistory(folder, events, { perBatch: 3, batchesPerFile: 2 });
    const disk = new HistoryFolder(folder);
    const run = async function* (_: unknown, tasks: Iterable<Parameters<typeof scanFile>[2]>) {
      for (const task of tasks) yield await scanFile(disk, crc32, task);
    };
    const pool = { run, close: async () => {} } as unknown as ScanPool;
    const admission: ScanAdmission = { admit: (_, scan) => scan() };
    const scans = new HistoryScans({ disk, crc32, pool, admission, redactNames: [] });
    const found = new Map(TYPES.map((type) => [type, [] as number[]]));
    const next = new Map(TYPES.map((type) => [type, 1]));
    // Page by page, there and back, so that each comes to where another one has stopped.
    const turns = [...TYPES];
    while (Math.min(...next.values()) <= COUNT) {
      for (const type of turns.reverse()) {
        const limit = [parseFilterTerm(`type=${type}`)];
        const wanted = { terms: [], container: undefined, limit, redact: false, isResume: false };
        const page = await scans.page(next.get(type)!, COUNT, wanted, [{ epoch: EPOCH, firstSeq: 1 }]);
        if (page) found.get(type)!.push(...seqsOf(page.run));
        next.set(type, page?.run.nextSeq ?? COUNT + 1);
      }
    }
    disk.close();
    for (const [index, type] of TYPES.entries())
      assert.deepEqual(
        found.get(type),
        Array.from({ length: COUNT / 3 }, (_, at) => 3 * at + index + 1),
        type,
      );
  });

  it('read ahead for a few: where many wait for pages, nothing is read in vain', async () => {
    const disk = new HistoryFolder(folder);
    const readsAhead: boolean[] = [];
    const run = async function* (_: unknown, tasks: Iterable<Parameters<typeof scanFile>[2]>, isAhead: boolean) {
      readsAhead.push(isAhead);
      for (const task of tasks) yield await scanFile(disk, crc32, task);
    };
    const pool = { run, close: async () => {} } as unknown as ScanPool;
    const admission: ScanAdmission = { admit: (_, scan) => scan() };
    const scans = new HistoryScans({ disk, crc32, pool, admission, redactNames: [] });
    const pageOf = async (type: string, client: number): Promise<number[]> => {
      const limit = [parseFilterTerm(`type=${type}`), parseFilterTerm(`event!=${client}`)];
      const wanted = { terms: [], container: undefined, limit, redact: false, isResume: false };
      const page = await scans.page(1, COUNT, wanted, [{ epoch: EPOCH, firstSeq: 1 }]);
      return seqsOf(page!.run);
    };
    const alone = await pageOf('network', 0);
    assert.deepEqual(readsAhead.splice(0), [true]);
    const together = await Promise.all(Array.from({ length: 20 }, (_, client) => pageOf('network', client + 1)));
    for (const page of together) assert.deepEqual(page, alone);
    assert.deepEqual(
      readsAhead.splice(0),
      Array.from({ length: 20 }, (_, begun) => begun < 8),
    );
    disk.close();
  });
});
