import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SlabPool } from '../../../src/actors/slab-pool.ts';

const KIB = 1024;

describe('SlabPool', () => {
  it('gives what came back, to who wants as much', () => {
    const pool = new SlabPool((byteLength) => new Uint8Array(byteLength));
    const [small, large] = [pool.take(8 * KIB), pool.take(16 * KIB)];
    assert.equal(small.length, 8 * KIB);
    pool.give(small);
    pool.give(large);
    assert.equal(pool.take(16 * KIB), large);
    assert.equal(pool.take(8 * KIB), small);
    assert.notEqual(pool.take(8 * KIB), small);
  });

  it('keeps 8 MiB at most', () => {
    let allocated = 0;
    const pool = new SlabPool((byteLength) => {
      allocated += 1;
      return new Uint8Array(byteLength);
    });
    const taken = Array.from({ length: 40 }, () => pool.take(256 * KIB));
    for (const bytes of taken) pool.give(bytes);
    for (let count = 0; count < 40; count += 1) pool.take(256 * KIB);
    assert.equal(allocated, 40 + 8);
  });

  it('lets go of everything when nothing was taken for a while', () => {
    const pool = new SlabPool((byteLength) => new Uint8Array(byteLength));
    const bytes = pool.take(8 * KIB);
    pool.give(bytes);
    assert.equal(pool.take(8 * KIB), bytes);
    pool.give(bytes);
    pool.shrink();
    assert.equal(pool.take(8 * KIB), bytes, 'taken since');
    pool.give(bytes);
    pool.shrink();
    pool.shrink();
    assert.notEqual(pool.take(8 * KIB), bytes);
  });
});
