import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PUBLISH } from '../../../src/messages/layout.ts';
import { PublishRing } from '../../../src/messages/publish-ring.ts';
import { everyInterleaving } from '../../support/interleave.ts';

const BYTES = 1 << 20;

/** As packed records are: whole eight bytes, the length first. */
function entry(length: number, mark: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(mark & 0x7f);
  new DataView(bytes.buffer).setInt32(0, length, true);
  new DataView(bytes.buffer).setInt32(4, mark, true);
  return bytes;
}

function ringAt(counter: number): PublishRing {
  const memory = PublishRing.allocate();
  const words = new Int32Array(memory);
  words[PUBLISH.HEAD] = counter;
  words[PUBLISH.TAIL] = counter;
  return new PublishRing(memory);
}

/** Where the oldest entry is, in bytes of the memory. */
function oldest(ring: PublishRing): number | undefined {
  const position = ring.entryFrom(ring.tail);
  return position === undefined ? undefined : ring.offsetOf(position);
}

function releaseOne(ring: PublishRing, length: number): void {
  ring.release((ring.entryFrom(ring.tail)! + length) | 0);
}

/** Takes the oldest entry, checking that it is whole. */
function take(ring: PublishRing): number | undefined {
  const at = oldest(ring);
  if (at === undefined) return undefined;
  assert.equal(at % 8, 0);
  const length = ring.words[at >> 2] ?? 0;
  const mark = ring.words[(at >> 2) + 1] ?? 0;
  assert.deepEqual(ring.bytes.slice(at, at + length), entry(length, mark));
  releaseOne(ring, length);
  return mark;
}

describe('PublishRing', () => {
  it('does what a queue does, whatever the lengths, also where its counters wrap at 2^31 and 2^32', () => {
    const counter = fc.constantFrom(0, 8, -65_536, -8, 0x7fffffff - 32_767, -0x80000000, BYTES - 8);
    const length = fc.oneof(fc.integer({ min: 8, max: 60 }), fc.integer({ min: 1000, max: 8192 }), fc.constant(8192));
    const step = fc.oneof(
      { weight: 3, arbitrary: length.map((eights) => eights * 8) },
      { weight: 2, arbitrary: fc.constant(0) },
    );
    fc.assert(
      fc.property(counter, fc.array(step, { minLength: 50, maxLength: 150 }), (start, steps) => {
        const ring = ringAt(start);
        const queue: { readonly mark: number; readonly length: number }[] = [];
        let mark = 0;
        let used = 0;
        for (const size of steps) {
          if (size === 0) {
            const expected = queue.shift();
            used -= expected?.length ?? 0;
            assert.equal(take(ring), expected?.mark);
          } else {
            mark += 1;
            const outcome = ring.offer(entry(size, mark));
            // Entries are never split, so the largest entry's length may be wasted at the end, by an older one and by this.
            if (outcome === 'full')
              assert.ok(used + size + 2 * 65_536 > BYTES, `full with ${used} of ${BYTES} bytes used`);
            else {
              queue.push({ mark, length: size });
              used += size;
            }
          }
          assert.equal(ring.isEmpty, queue.length === 0);
        }
        for (const { mark: expected } of queue) assert.equal(take(ring), expected);
        assert.equal(take(ring), undefined);
      }),
      { numRuns: 100, seed: 62 },
    );
  });

  it('says full rather than overwrite, and has room again after a release', () => {
    const ring = ringAt(0);
    for (let index = 0; index < 16; index += 1) assert.equal(ring.offer(entry(65_536, index)), 'queued');
    assert.equal(ring.offer(entry(8, 99)), 'full');
    assert.equal(take(ring), 0);
    assert.equal(ring.offer(entry(65_536, 16)), 'queued');
    for (let index = 1; index <= 16; index += 1) assert.equal(take(ring), index);
  });

  it('begins again at the front when an entry does not fit before the end', () => {
    const ring = ringAt(BYTES - 64);
    ring.offer(entry(128, 1));
    ring.offer(entry(64, 2));
    assert.equal(oldest(ring), PUBLISH.HEADER_BYTES);
    assert.equal(take(ring), 1);
    assert.equal(take(ring), 2);
    assert.equal(ring.isEmpty, true);
  });

  it('fills the space before the end exactly when an entry fits', () => {
    const ring = ringAt(BYTES - 64);
    ring.offer(entry(64, 1));
    assert.equal(oldest(ring), PUBLISH.HEADER_BYTES + BYTES - 64);
    ring.offer(entry(64, 2));
    assert.equal(take(ring), 1);
    assert.equal(oldest(ring), PUBLISH.HEADER_BYTES);
  });

  it('asks for a wake-up once for a consumer that sleeps and never for one that does not', () => {
    const ring = ringAt(0);
    assert.equal(ring.offer(entry(64, 1)), 'queued');
    assert.equal(ring.sleepUntilRecords(ring.tail), false);
    assert.equal(ring.offer(entry(64, 2)), 'queued');
    take(ring);
    take(ring);
    assert.equal(ring.sleepUntilRecords(ring.tail), true);
    assert.equal(ring.offer(entry(64, 3)), 'wake');
    assert.equal(ring.offer(entry(64, 4)), 'queued');
  });

  it('loses no wake-up, in whatever order the two sides do their steps', () => {
    const record = entry(64, 1);
    // The second time the entry goes round the end, where the consumer releases twice.
    for (const counter of [0, BYTES - 32]) {
      const ring = ringAt(counter);
      const words = ring.words.slice(0, 16);
      const orders = everyInterleaving(() => {
        ring.words.set(words);
        return {
          left: () => ring.offer(record),
          right: () => {
            do {
              while (!ring.isEmpty) releaseOne(ring, 64);
            } while (!ring.sleepUntilRecords(ring.tail));
          },
          check: (outcome, _, schedule) => {
            assert.ok(ring.isEmpty || outcome === 'wake', `an entry waits, the consumer sleeps: ${schedule}`);
          },
        };
      });
      assert.ok(orders > 100, `${orders} orders`);
    }
  });

  it('keeps what is offered together together and in order, and takes all of it or nothing', () => {
    const size = fc.integer({ min: 1, max: 4_000 }).map((eights) => eights * 8);
    const batch = fc.array(size, { minLength: 1, maxLength: 6 });
    const step = fc.oneof({ weight: 3, arbitrary: batch }, { weight: 2, arbitrary: fc.integer({ min: 1, max: 12 }) });
    const counter = fc.constantFrom(0, -8, 0x7fffffff - 32_767, -0x80000000, BYTES - 8);
    fc.assert(
      fc.property(counter, fc.array(step, { minLength: 30, maxLength: 100 }), (start, steps) => {
        const ring = ringAt(start);
        const queue: { readonly mark: number; readonly isFirst: boolean }[] = [];
        let mark = 0;
        let end = 0;
        const takeOne = (): boolean => {
          const at = oldest(ring);
          const length = at === undefined ? 0 : (ring.words[at >> 2] ?? 0);
          const expected = queue.shift();
          assert.equal(take(ring), expected?.mark);
          // The records of a batch follow each other without a break at the end of the ring.
          if (expected && !expected.isFirst) assert.equal(at, end);
          end = (at ?? 0) + length;
          return expected !== undefined;
        };
        for (const action of steps) {
          if (typeof action === 'number') {
            for (let count = 0; count < action; count += 1) takeOne();
            continue;
          }
          const entries = action.map((length, index) => entry(length, mark + index + 1));
          if (ring.offer(Buffer.concat(entries)) === 'full') continue;
          for (const index of entries.keys()) queue.push({ mark: mark + index + 1, isFirst: index === 0 });
          mark += entries.length;
        }
        while (takeOne());
        assert.equal(ring.isEmpty, true);
      }),
      { numRuns: 100, seed: 73 },
    );
  });

  it('takes nothing more once it is closed, and gives out what was there before', () => {
    const ring = ringAt(0);
    ring.offer(entry(64, 1));
    assert.equal(ring.isClosed, false);
    ring.close();
    assert.equal(ring.isClosed, true);
    assert.equal(ring.offer(entry(64, 2)), 'closed');
    assert.equal(take(ring), 1);
    assert.equal(take(ring), undefined);
    assert.equal(ring.offer(entry(64, 3)), 'closed');
    assert.equal(ring.isEmpty, true);
  });

  it('is closed rather than full', () => {
    const ring = ringAt(0);
    for (let index = 0; index < 16; index += 1) ring.offer(entry(65_536, index));
    ring.close();
    assert.equal(ring.offer(entry(64, 99)), 'closed');
  });

  it('loses nothing that was accepted when it is closed, in whatever order the two sides do their steps', () => {
    const record = entry(64, 1);
    for (const counter of [0, BYTES - 32]) {
      const ring = ringAt(counter);
      const words = ring.words.slice(0, 16);
      const outcomes = new Set<string>();
      everyInterleaving(() => {
        ring.words.set(words);
        return {
          left: () => ring.offer(record),
          right: () => {
            ring.close();
            let taken = 0;
            while (!ring.isEmpty) {
              releaseOne(ring, 64);
              taken += 1;
            }
            return taken;
          },
          check: (outcome, taken, schedule) => {
            outcomes.add(`${outcome} ${taken}`);
            assert.ok(outcome === 'closed' || taken === 1, `accepted, and never looked at: ${schedule}`);
          },
        };
      });
      // What is refused may have been taken for all that: a named publisher's next try tells.
      assert.deepEqual([...outcomes].sort(), ['closed 0', 'closed 1', 'queued 1']);
    }
  });

  it('tells a producer that sleeps once when there is room, and never one that does not', () => {
    const ring = ringAt(0);
    for (let index = 0; index < 16; index += 1) ring.offer(entry(65_536, index));
    assert.equal(ring.claimProducer(), false);
    assert.equal(ring.sleepUntilRoom(65_536), true);
    for (let taken = 1; taken < 8; taken += 1) {
      take(ring);
      assert.equal(ring.claimProducer(), false, 'not for a few entries');
    }
    take(ring);
    assert.equal(ring.claimProducer(), true);
    assert.equal(ring.claimProducer(), false);
    assert.equal(ring.sleepUntilRoom(65_536), false);
    assert.equal(ring.claimProducer(), false);
    assert.equal(ring.offer(entry(65_536, 16)), 'queued');
  });

  it('counts what the end of the ring leaves unused as no room', () => {
    const ring = ringAt(0);
    for (let index = 0; index < 15; index += 1) ring.offer(entry(65_536, index));
    ring.offer(entry(65_528, 15));
    take(ring);
    // 8 bytes to the end and 65,536 from the front: the former hold no entry of 64 KiB.
    assert.equal(ring.sleepUntilRoom(65_544), true);
    assert.equal(ring.offer(entry(65_544, 16)), 'full');
    assert.equal(ring.sleepUntilRoom(65_536), false);
    assert.equal(ring.offer(entry(65_536, 17)), 'queued');
  });

  it('leaves no producer asleep beside room, in whatever order the two sides do their steps', () => {
    const record = entry(64, 1);
    for (const counter of [0, BYTES - 32]) {
      const ring = ringAt(counter);
      const [, tail = 0] = ring.words;
      // Full of one record, which the consumer takes.
      ring.words[PUBLISH.HEAD] = (tail + BYTES) | 0;
      const words = ring.words.slice(0, 16);
      const orders = everyInterleaving(() => {
        ring.words.set(words);
        return {
          left: () => {
            for (;;) {
              const outcome = ring.offer(record);
              if (outcome !== 'full') return 'offered';
              if (ring.sleepUntilRoom(record.length)) return 'asleep';
            }
          },
          right: () => {
            ring.release((tail + BYTES) | 0);
            return ring.claimProducer();
          },
          check: (outcome, isWoken, schedule) => {
            assert.ok(outcome === 'offered' || isWoken, `there is room, the producer sleeps: ${schedule}`);
          },
        };
      });
      assert.ok(orders > 20, `${orders} orders`);
    }
  });
});
