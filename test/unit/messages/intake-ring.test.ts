import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IntakeRing } from '../../../src/messages/intake-ring.ts';
import { INTAKE, MONITOR } from '../../../src/messages/layout.ts';
import { everyInterleaving } from '../../support/interleave.ts';
import { monitorRecord, RECORD_BYTES } from '../../support/records.ts';

const SLOTS = 2048;

/** A ring whose counters stand at `counter`, as after that many records. */
function ringAt(counter: number): { readonly ring: IntakeRing; readonly words: Int32Array } {
  const memory = IntakeRing.allocate();
  const words = new Int32Array(memory);
  words[INTAKE.HEAD] = counter;
  words[INTAKE.TAIL] = counter;
  return { ring: new IntakeRing(memory), words };
}

function firstWord(ring: IntakeRing, slot: number): number {
  return new DataView(ring.bytes.buffer).getInt32(INTAKE.HEADER_BYTES + slot * RECORD_BYTES, true);
}

function put(ring: IntakeRing, records: number, numberOfFirst: number): void {
  for (let index = 0; index < records; index += 1) {
    const record = monitorRecord({ pid: numberOfFirst + index });
    ring.bytes.set(record, ring.writeOffset + index * RECORD_BYTES);
  }
}

function numberAt(ring: IntakeRing, index: number): number {
  return new DataView(ring.bytes.buffer).getInt32(ring.slotAt(index) + MONITOR.PID, true);
}

/** A full ring, so that the producer has to wait. */
function fullRing(): IntakeRing {
  const { ring, words } = ringAt(0);
  words[INTAKE.HEAD] = SLOTS;
  return ring;
}

describe('IntakeRing', () => {
  it('is empty at first, with a mark in every free slot that is no record', () => {
    const { ring } = ringAt(0);
    assert.equal(ring.available, 0);
    assert.equal(ring.contiguousFree, SLOTS);
    for (let slot = 0; slot < SLOTS; slot += 1) assert.equal(firstWord(ring, slot), INTAKE.SENTINEL);
  });

  it('does what a queue does, also where its counters wrap at 2^31 and 2^32', () => {
    const counter = fc.oneof(
      fc.constant(0),
      fc.integer({ min: -3000, max: 3000 }),
      fc.constantFrom(0x7fffffff - 1500, -0x80000000),
    );
    const step = fc.record({ produce: fc.boolean(), share: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(counter, fc.array(step, { maxLength: 40 }), (start, steps) => {
        const { ring } = ringAt(start);
        const queue: number[] = [];
        let produced = 0;
        let consumed = 0;
        for (const { produce, share } of steps) {
          if (produce) {
            const records = Math.round(share * ring.contiguousFree);
            put(ring, records, produced);
            ring.commit(records);
            for (let index = 0; index < records; index += 1) queue.push(produced + index);
            produced += records;
          } else {
            const records = Math.round(share * ring.available);
            for (let index = 0; index < records; index += 1) assert.equal(numberAt(ring, index), queue.shift());
            ring.release(records);
            consumed += records;
          }
          assert.equal(ring.available, queue.length);
          const head = (start + produced) & (SLOTS - 1);
          assert.equal(ring.contiguousFree, Math.min(SLOTS - queue.length, SLOTS - head));
          assert.equal(ring.writeOffset, INTAKE.HEADER_BYTES + head * RECORD_BYTES);
          for (let slot = 0; slot < SLOTS; slot += 1) {
            const isUsed = ((slot - start - consumed) & (SLOTS - 1)) < queue.length;
            assert.equal(firstWord(ring, slot) === INTAKE.SENTINEL, !isUsed, `slot ${slot}`);
          }
        }
      }),
      { numRuns: 60, seed: 61 },
    );
  });

  it('can be filled to the last slot and emptied to the last record', () => {
    const { ring } = ringAt(100);
    while (ring.contiguousFree > 0) {
      const records = ring.contiguousFree;
      put(ring, records, 0);
      ring.commit(records);
    }
    assert.equal(ring.available, SLOTS);
    ring.release(SLOTS);
    assert.equal(ring.available, 0);
    assert.equal(firstWord(ring, 99), INTAKE.SENTINEL);
  });

  it('marks free again what a partial read left behind', () => {
    const { ring } = ringAt(10);
    ring.bytes.fill(0x61, ring.writeOffset, ring.writeOffset + 2 * RECORD_BYTES + 1);
    ring.resetFree(2 * RECORD_BYTES + 1);
    for (const slot of [9, 10, 11, 12, 13]) assert.equal(firstWord(ring, slot), INTAKE.SENTINEL);
  });

  it('asks for a wake-up once for a consumer that sleeps and never for one that does not', () => {
    const { ring } = ringAt(0);
    assert.equal(ring.commit(1), false);
    assert.equal(ring.sleepUntilRecords(), false, 'a record waits');
    assert.equal(ring.commit(1), false, 'it did not go to sleep');
    ring.release(2);
    assert.equal(ring.sleepUntilRecords(), true);
    assert.equal(ring.commit(1), true);
    assert.equal(ring.commit(1), false);
  });

  it('asks for a wake-up once for a producer that sleeps and never for one that does not', () => {
    const ring = fullRing();
    assert.equal(ring.release(1), false);
    assert.equal(ring.sleepUntilFree(), false, 'a slot is free');
    ring.commit(1);
    assert.equal(ring.sleepUntilFree(), true);
    assert.equal(ring.release(SLOTS / 2 - 1), false, 'not for a few slots');
    assert.equal(ring.release(1), true);
    assert.equal(ring.release(1), false);
  });

  it('loses no wake-up of the consumer, in whatever order the two sides do their steps', () => {
    const { ring, words } = ringAt(0);
    for (const waiting of [0, 1]) {
      const orders = everyInterleaving(() => {
        words.set([-1 + waiting, -1, 0, 0]);
        return {
          left: () => ring.commit(1),
          right: () => {
            do {
              while (ring.available > 0) ring.release(1);
            } while (!ring.sleepUntilRecords());
          },
          check: (isWoken, _, schedule) => {
            assert.ok(ring.available === 0 || isWoken, `a record waits, the consumer sleeps: ${schedule}`);
          },
        };
      });
      assert.ok(orders > 50, `${orders} orders`);
    }
  });

  it('loses no wake-up of the producer, in whatever order the two sides do their steps', () => {
    const { ring, words } = ringAt(0);
    const orders = everyInterleaving(() => {
      words.set([SLOTS, 0, 0, 0]);
      return {
        left: () => ring.release(SLOTS / 2),
        right: () => ring.sleepUntilFree(),
        check: (isWoken, sleeps, schedule) => {
          assert.ok(isWoken || !sleeps, `half is free, the producer sleeps: ${schedule}`);
        },
      };
    });
    assert.ok(orders > 50, `${orders} orders`);
  });
});
