import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type BatchOrigin, packBatchHead, readBatchHead } from '../../../src/codec/publish-batch.ts';
import { packEvent } from '../../support/packed.ts';

function headOf(entries: Uint8Array): ReturnType<typeof readBatchHead> {
  return readBatchHead(entries, new Int32Array(entries.buffer), 0);
}

/** In memory of its own, which begins on a word boundary. */
function joined(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(entries));
}

describe('a batch in a publish ring', () => {
  const record = packEvent({ type: 'container', action: 'start', id: 'c1' });

  it('comes back as it was packed: head, then the records, each on a boundary of eight bytes', () => {
    const origin = fc.option(
      fc.record(
        {
          publisher: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 128 }),
          sequence: fc.oneof(fc.constantFrom(1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat()),
        },
        { noNullPrototype: true },
      ),
      { nil: undefined },
    );
    const anyOrigin = fc.oneof(
      origin,
      fc.record({ source: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 }) }, { noNullPrototype: true }),
    );
    const requestId = fc.oneof(fc.constantFrom(0, 0x7fffffff, 0x80000000, 0xffffffff), fc.nat());
    const ids = fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(requestId, ids, anyOrigin, (id, names, from) => {
        const records = names.map((name) => packEvent({ type: 't', action: 'a', id: name }));
        const entries = joined([packBatchHead({ requestId: id, events: records.length, origin: from }), ...records]);
        assert.deepEqual(headOf(entries), { requestId: id, events: records.length, origin: from });
        const words = new Int32Array(entries.buffer);
        let at = words[0]!;
        for (const expected of records) {
          assert.equal(at % 8, 0);
          assert.equal(readBatchHead(entries, words, at), undefined, 'an event is no head');
          assert.equal(words[at >> 2], expected.length);
          assert.deepEqual(entries.slice(at, at + expected.length), expected);
          at += expected.length;
        }
        assert.equal(at, entries.length);
      }),
      { numRuns: 200, seed: 72 },
    );
  });

  it('is read wherever in the ring it stands', () => {
    const origin: BatchOrigin = { publisher: 'p', sequence: 5 };
    const entries = joined([packBatchHead({ requestId: 9, events: 1, origin }), record]);
    const ring = new Uint8Array(64 + entries.length);
    ring.set(entries, 64);
    assert.deepEqual(readBatchHead(ring, new Int32Array(ring.buffer), 64), { requestId: 9, events: 1, origin });
  });
});
