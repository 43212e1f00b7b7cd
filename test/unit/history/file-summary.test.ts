import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NewEvent } from '../../../src/event/event.ts';
import { summarizeFile, type FileSummary } from '../../../src/history/file-summary.ts';
import { fileName } from '../../../src/history/history-file.ts';
import { HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { anyEvent } from '../../support/filtered-events.ts';
import { crc32, flip, timeOf, writeHistory } from '../../support/written-history.ts';
import { EPOCH } from '../../support/log.ts';

async function summaryOf(events: readonly NewEvent[], damage?: (folder: string) => void): Promise<FileSummary> {
  const folder = temporaryFolder();
  const disk = new HistoryFolder(folder);
  try {
    await writeHistory(folder, events, { perBatch: 3 });
    damage?.(folder);
    return summarizeFile(disk, crc32, { file: 1 });
  } finally {
    disk.close();
    fs.rmSync(folder, { recursive: true });
  }
}

describe('a summary of a history file', () => {
  it('counts every event by type and action, and those of containers by id', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 40 }), async (events) => {
        const actions = new Map<string, number>();
        const containers = new Map<string, number>();
        const add = (counts: Map<string, number>, key: string): unknown => counts.set(key, (counts.get(key) ?? 0) + 1);
        for (const { type, action, id } of events) {
          add(actions, `${type} ${action}`);
          if (type === 'container') add(containers, id);
        }
        const summary = await summaryOf(events);
        assert.deepEqual(summary.actions, actions);
        assert.deepEqual(summary.containers, containers);
        assert.deepEqual([summary.events, summary.epoch, summary.badBytes], [events.length, EPOCH, 0]);
        assert.deepEqual([summary.first, summary.last], [timeOf(1), timeOf(events.length)]);
      }),
      { numRuns: 50 },
    );
  });

  it('counts around what cannot be read, and tells how much that is', async () => {
    const events = Array.from({ length: 12 }, (): NewEvent => ({ type: 'image', action: 'pull', id: 'i' }));
    const { events: count, badBytes } = await summaryOf(events, (folder) => flip(folder, fileName(1), 400));
    assert.equal(count, 9);
    assert.ok(badBytes > 0);
  });

  it('knows a file that is gone', async () => {
    const { isGone } = await summaryOf([], () => {});
    assert.equal(isGone, false);
    const folder = temporaryFolder();
    assert.equal(summarizeFile(new HistoryFolder(folder), crc32, { file: 1 }).isGone, true);
    fs.rmSync(folder, { recursive: true });
  });
});
