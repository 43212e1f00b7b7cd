import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NewEvent } from '../../../src/event/event.ts';
import { Segment, SegmentCursor } from '../../../src/history/segment.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { SegmentWriter, segmentOf, seqsOf } from '../../support/log.ts';

const EVENT: NewEvent = { type: 'container', action: 'start', id: 'c1' };

describe('Segment', () => {
  it('begins empty, with the number of the record that will come first', () => {
    for (const firstSeq of [1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const segment = Segment.create(4096, firstSeq);
      assert.equal(segment.firstSeq, firstSeq);
      assert.equal(segment.byteLength, 4096);
      assert.equal(segment.committed, SEGMENT.HEADER_BYTES);
    }
  });

  it('shows another thread what was committed and nothing else', () => {
    const writer = new SegmentWriter(4096, 41);
    const other = Segment.of(writer.segment.memory);
    writer.append(EVENT);
    assert.equal(other.committed, SEGMENT.HEADER_BYTES);
    writer.commit();
    assert.equal(other.firstSeq, 41);
    assert.equal(other.committed, SEGMENT.HEADER_BYTES + other.recordBytes(SEGMENT.HEADER_BYTES));
  });

  it('can be filled to its last byte', () => {
    const segment = segmentOf([EVENT, EVENT, EVENT]);
    assert.equal(segment.committed, segment.byteLength);
  });
});

describe('SegmentCursor', () => {
  it('takes each commit once, in order, with the numbers of its records', () => {
    const commits = fc.array(fc.array(fc.stringMatching(/^[a-z]{0,40}$/), { minLength: 1, maxLength: 20 }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(commits, fc.constantFrom(1, 2 ** 32 - 3), (batches, firstSeq) => {
        const writer = new SegmentWriter(64 * 1024, firstSeq);
        const cursor = new SegmentCursor(Segment.of(writer.segment.memory));
        assert.equal(cursor.take(), undefined);
        for (const batch of batches) {
          const first = writer.nextSeq;
          for (const args of batch) writer.append({ ...EVENT, args });
          assert.equal(cursor.take(), undefined, 'not committed yet');
          writer.commit();
          const run = cursor.take();
          assert.ok(run);
          assert.equal(run.firstSeq, first);
          assert.deepEqual(
            seqsOf(run),
            batch.map((_, index) => first + index),
          );
          assert.equal(cursor.nextSeq, writer.nextSeq);
          assert.equal(cursor.take(), undefined);
        }
      }),
      { numRuns: 50, seed: 71 },
    );
  });

  it('takes several commits together when it comes late', () => {
    const writer = new SegmentWriter();
    for (let commit = 0; commit < 3; commit += 1) {
      writer.append(EVENT);
      writer.append(EVENT);
      writer.commit();
    }
    const run = new SegmentCursor(writer.segment).take();
    assert.deepEqual(run && seqsOf(run), [1, 2, 3, 4, 5, 6]);
  });
});
