import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PublisherTable, type Repeated, sequenceError } from '../../../src/event/publisher-table.ts';

describe('PublisherTable', () => {
  it('lets a publisher that is not known begin anywhere', () => {
    const table = new PublisherTable(10);
    for (const sequence of [1, 7, Number.MAX_SAFE_INTEGER - 1])
      assert.deepEqual(table.repeated('p', sequence, 1), { count: 0, seq: 0 });
  });

  it('knows how much of a batch there is already, and where the newest of it is', () => {
    const table = new PublisherTable(10);
    table.note('p', 11, 500);
    for (const [sequence, events, count] of [
      [1, 10, 10],
      [1, 3, 3],
      [10, 1, 1],
      [10, 5, 1],
      [5, 20, 6],
      [11, 4, 0],
    ] as const)
      assert.deepEqual(table.repeated('p', sequence, events), { count, seq: 500 }, `${sequence}, ${events}`);
    assert.deepEqual(table.repeated('q', 5, 20), { count: 0, seq: 0 }, 'another one');
  });

  it('refuses numbers that leave some out, and says which must be next', () => {
    const table = new PublisherTable(10);
    table.note('p', 11, 500);
    assert.deepEqual(table.repeated('p', 12, 1), { expected: 11 });
    const { code, status, message, detail } = sequenceError('p', 11, 12);
    assert.deepEqual(
      { code, status, message, detail },
      {
        code: 'ERR_PUBLISHER_SEQUENCE',
        status: 409,
        message: 'publisher "p": expected sequence 11, got 12',
        detail: { expected: 11 },
      },
    );
  });

  it('forgets whoever has been silent for longest, and says that it did', () => {
    const table = new PublisherTable(2);
    assert.equal(table.note('a', 2, 1), false);
    assert.equal(table.note('b', 2, 2), false);
    assert.equal(table.note('a', 3, 3), false);
    assert.equal(table.note('c', 2, 4), true);
    assert.deepEqual(table.repeated('b', 1, 1), { count: 0, seq: 0 });
    assert.deepEqual(table.repeated('a', 1, 1), { count: 1, seq: 3 });
    assert.deepEqual(table.repeated('c', 1, 1), { count: 1, seq: 4 });
  });

  it('brings each number in once and in order, whatever is sent again and from wherever', () => {
    const sent = fc.record({
      publisher: fc.constantFrom('a', 'b', 'c'),
      back: fc.integer({ min: -2, max: 12 }),
      events: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 80 }), (batches) => {
        const table = new PublisherTable(3);
        const logs = new Map<string, number[]>();
        let seq = 0;
        for (const { publisher, back, events } of batches) {
          const log = logs.get(publisher) ?? [];
          logs.set(publisher, log);
          const sequence = Math.max(1, log.length + 1 - back);
          if (log.length > 0 && sequence > log.length + 1) {
            assert.deepEqual(table.repeated(publisher, sequence, events), { expected: log.length + 1 });
            continue;
          }
          if (log.length === 0 && sequence > 1) continue;
          const { count } = table.repeated(publisher, sequence, events) as Repeated;
          for (let index = count; index < events; index += 1) log.push(sequence + index);
          seq += events - count;
          if (count < events) assert.equal(table.note(publisher, sequence + events, seq), false);
        }
        for (const log of logs.values())
          assert.deepEqual(
            log,
            log.map((_, index) => index + 1),
          );
      }),
      { numRuns: 200, seed: 71 },
    );
  });
});
