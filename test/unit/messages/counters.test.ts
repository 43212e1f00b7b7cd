import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COUNTER_TABLE, type CounterId, counterBytes, Counters, readCounters } from '../../../src/messages/counters.ts';

const IDS = Object.keys(COUNTER_TABLE) as CounterId[];

describe('Counters', () => {
  it('are all zero before anybody counts', () => {
    const values = readCounters(new SharedArrayBuffer(counterBytes(3)));
    assert.deepEqual(Object.keys(values), IDS);
    assert.ok(Object.values(values).every((value) => value === 0));
  });

  it('are the sum over all writers, each with a cell of its own', () => {
    const shared = new SharedArrayBuffer(counterBytes(3));
    const writers = [0, 1, 2].map((writer) => new Counters(shared, writer));
    IDS.forEach((id, index) => {
      writers.forEach((counters, writer) => counters.add(id, index * 10 + writer));
      writers[0]?.add(id);
    });
    const values = readCounters(shared);
    IDS.forEach((id, index) => assert.equal(values[id], 3 * index * 10 + 0 + 1 + 2 + 1, id));
  });

  it('are exact far beyond 32 bits', () => {
    const shared = new SharedArrayBuffer(counterBytes(1));
    const counters = new Counters(shared, 0);
    counters.add('bytesWritten', Number.MAX_SAFE_INTEGER - 1);
    counters.add('bytesWritten');
    assert.equal(readCounters(shared).bytesWritten, Number.MAX_SAFE_INTEGER);
  });

  it('go on where they were for a writer that was started anew', () => {
    const shared = new SharedArrayBuffer(counterBytes(2));
    new Counters(shared, 1).add('events', 5);
    new Counters(shared, 1).add('events', 2);
    assert.equal(readCounters(shared).events, 7);
  });

  it('have a label and a sentence each', () => {
    for (const [id, { label, meaning }] of Object.entries(COUNTER_TABLE)) {
      assert.match(id, /^[a-z][A-Za-z0-9]+$/);
      assert.ok(label.length > 0);
      assert.match(meaning, /^[A-Z].+\.$/, id);
    }
    const labels = Object.values(COUNTER_TABLE).map(({ label }) => label);
    assert.equal(new Set(labels).size, labels.length);
  });
});
