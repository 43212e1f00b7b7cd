import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compareTime } from '../../../src/event/time.ts';
import { ClientTable } from '../../../src/messages/client-table.ts';
import { CLIENT } from '../../../src/messages/layout.ts';
import { anyTime } from '../../support/events.ts';

const NOW = { sec: 1_700_000_000, nanos: 500 };

function makeTable(): ClientTable {
  return new ClientTable(ClientTable.allocate(2));
}

describe('ClientTable', () => {
  it('has the rows of every shard, all free', () => {
    const table = makeTable();
    assert.equal(table.rows, 2 * CLIENT.ROWS_PER_SHARD);
    for (let row = 0; row < table.rows; row += 1) assert.equal(table.isActive(row), false);
  });

  it('shows a client from the moment it takes its row until it frees it', () => {
    const table = makeTable();
    table.take(8193, { lagLimit: 77 });
    table.progress(8193, 2 ** 40, 5, 6);
    const other = new ClientTable(ClientTable.allocate(1));
    assert.equal(other.isActive(5), false);
    assert.equal(table.isActive(8193), true);
    assert.equal(table.lagLimit(8193), 77);
    assert.equal(table.nextSeq(8193), 2 ** 40);
    table.free(8193);
    assert.equal(table.isActive(8193), false);
  });

  it('keeps rows apart', () => {
    const table = makeTable();
    for (const row of [0, 1, 2]) table.take(row, { lagLimit: row + 10, until: { sec: row, nanos: 1 } });
    for (const row of [0, 1, 2]) table.progress(row, row + 100, row, row);
    table.cancel(1, table.generation(1));
    table.free(2);
    assert.deepEqual(
      [0, 1, 2].map((row) => table.lagLimit(row)),
      [10, 11, 12],
    );
    assert.deepEqual(
      [0, 1, 2].map((row) => table.nextSeq(row)),
      [100, 101, 102],
    );
    assert.deepEqual(
      [0, 1, 2].map((row) => table.isCancelled(row)),
      [false, true, false],
    );
    assert.deepEqual(
      [0, 1, 2].map((row) => table.isActive(row)),
      [true, true, false],
    );
  });

  it('begins a client without anything of the row\u2019s last one', () => {
    const table = makeTable();
    table.cancel(3, table.take(3, { lagLimit: 9, until: { sec: 1, nanos: 1 } }));
    table.progress(3, 10, 20, 30);
    table.free(3);
    table.take(3, { lagLimit: 0 });
    assert.equal(table.isCancelled(3), false);
    assert.equal(table.lagLimit(3), 0);
    assert.equal(table.nextSeq(3), 0);
    assert.equal(table.untilPassed(3, NOW), false);
  });

  it('does not let a late cancel hit the next client of the row', () => {
    const table = makeTable();
    const first = table.take(3, { lagLimit: 0 });
    table.free(3);
    const second = table.take(3, { lagLimit: 0 });
    assert.notEqual(first, second);
    table.cancel(3, first);
    assert.equal(table.isCancelled(3), false);
    table.cancel(3, second);
    assert.equal(table.isCancelled(3), true);
  });

  it('counts generations on beyond 2^31', () => {
    const memory = ClientTable.allocate(1);
    new Int32Array(memory)[CLIENT.GENERATION] = 0x7fffffff;
    const table = new ClientTable(memory);
    const first = table.take(0, { lagLimit: 0 });
    const second = table.take(0, { lagLimit: 0 });
    table.cancel(0, first);
    assert.equal(table.isCancelled(0), false);
    table.cancel(0, second);
    assert.equal(table.isCancelled(0), true);
  });

  it('says that an until has passed from its own nanosecond on', () => {
    fc.assert(
      fc.property(anyTime, anyTime, (until, now) => {
        fc.pre(until.sec > 0 || until.nanos > 0);
        const table = makeTable();
        table.take(0, { lagLimit: 0, until });
        assert.equal(table.untilPassed(0, now), compareTime(until, now) <= 0);
        assert.equal(table.untilPassed(0, until), true);
      }),
      { numRuns: 50, seed: 63 },
    );
  });

  it('never says so of a client without until', () => {
    const table = makeTable();
    table.take(0, { lagLimit: 0 });
    assert.equal(table.untilPassed(0, { sec: 0xffffffff, nanos: 999_999_999 }), false);
  });
});
