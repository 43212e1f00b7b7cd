import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markOf } from '../../../src/codec/record-mark.ts';
import { engineLine } from '../../support/engine-memory.ts';
import { packLine } from '../../support/packed.ts';

const mark = (record: Uint8Array<ArrayBuffer>): number => markOf(new Int32Array(record.buffer), 0, record.length);

describe('the mark of a record', () => {
  it('is the same for the same content, wherever that stands', () => {
    const record = packLine(engineLine(1));
    const moved = new Int32Array(4 + record.length / 4 + 3).fill(-1);
    moved.set(new Int32Array(record.buffer), 4);
    assert.equal(markOf(moved, 16, record.length), mark(record));
    assert.ok(Number.isSafeInteger(mark(record)));
  });

  it('is another one for any other bit', () => {
    const record = packLine(engineLine(1));
    const marks = new Set([mark(record)]);
    for (let bit = 0; bit < record.length * 8; bit += 1) {
      const other = record.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      marks.add(mark(other));
    }
    assert.equal(marks.size, 1 + record.length * 8);
  });

  it('is another one for each of 100,000 events', () => {
    const marks = new Set<number>();
    for (let n = 0; n < 100_000; n += 1) marks.add(mark(packLine(engineLine(n))));
    assert.equal(marks.size, 100_000);
  });
});
