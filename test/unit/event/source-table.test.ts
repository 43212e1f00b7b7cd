import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentMarks } from '../../../src/event/recent-marks.ts';
import { joinSources, SourceTable } from '../../../src/event/source-table.ts';

const at = (nanos: number): { sec: number; nanos: number } => ({ sec: 1, nanos });

describe('SourceTable', () => {
  it('gives what was noted once, and with the snapshot all of it', () => {
    const table = new SourceTable();
    table.note('docker', at(1), 11);
    table.note('docker', at(2), 12);
    table.note('podman', at(9), 91);
    assert.deepEqual(table.takeUnsaved(), [
      { name: 'docker', time: at(2), marks: [11, 12] },
      { name: 'podman', time: at(9), marks: [91] },
    ]);
    table.note('docker', at(3), 13);
    assert.deepEqual(table.takeUnsaved(), [{ name: 'docker', time: at(3), marks: [13] }]);
    assert.deepEqual(table.takeUnsaved(), []);
    assert.deepEqual([...table.saved()][0], { name: 'docker', time: at(3), marks: [11, 12, 13] });
  });

  it('is known again from a snapshot and the batches behind it, whatever both say', () => {
    const joined = joinSources([
      { name: 'docker', time: at(2), marks: [11, 12] },
      { name: 'docker', time: at(2), marks: [12] },
      { name: 'docker', time: at(3), marks: [13] },
    ]);
    assert.deepEqual(joined, [{ name: 'docker', time: at(3), marks: [11, 12, 13] }]);
    const again = new SourceTable();
    again.restore(joined);
    assert.deepEqual([...again.saved()], joined);
    assert.deepEqual(again.takeUnsaved(), []);
  });
});

describe('RecentMarks', () => {
  it('keeps the newest 512', () => {
    const marks = new RecentMarks([1, 2, 3]);
    for (let mark = 4; mark <= 600; mark += 1) marks.add(mark);
    assert.deepEqual([marks.has(88), marks.has(89), marks.has(600), marks.list().length], [false, true, true, 512]);
  });
});
