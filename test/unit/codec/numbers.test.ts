import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { varintBytes, writeInt, writeNanos, writeUint, writeVarint } from '../../../src/codec/numbers.ts';
import { written } from '../../support/guarded-bytes.ts';

/** Also the numbers around powers of ten, two and 128, where the number of digits or bytes changes. */
const edges = [10, 2, 128].flatMap((base) =>
  Array.from({ length: 60 }, (_, power) => base ** power).flatMap((value) => [value - 1, value, value + 1]),
);
const safeNat = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(),
  fc.constantFrom(...edges.filter((value) => Number.isSafeInteger(value) && value >= 0)),
  fc.constant(Number.MAX_SAFE_INTEGER),
);

function digits(write: (out: Uint8Array, pos: number) => number): string {
  return Buffer.from(written(write)).toString('latin1');
}

/** Base 128, least significant group first, by the definition. */
function referenceVarint(value: number): number[] {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return [...out, Number(rest)];
}

describe('writeUint and writeInt', () => {
  it('write what String() does, for every safe integer', () => {
    fc.assert(
      fc.property(safeNat, (value) => {
        assert.equal(
          digits((out, pos) => writeUint(out, pos, value)),
          String(value),
        );
        assert.equal(
          digits((out, pos) => writeInt(out, pos, -value)),
          String(-value),
        );
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});

describe('writeNanos', () => {
  it('always writes nine digits', () => {
    const nanos = fc.oneof(fc.nat(999_999_999), fc.constantFrom(0, 9, 10, 999_999_999, 100_000_000));
    fc.assert(
      fc.property(nanos, (value) => {
        assert.equal(
          digits((out, pos) => writeNanos(out, pos, value)),
          String(value).padStart(9, '0'),
        );
      }),
      { seed: 2 },
    );
  });
});

describe('writeVarint', () => {
  it('writes base 128, and varintBytes knows its length beforehand', () => {
    fc.assert(
      fc.property(safeNat, (value) => {
        const bytes = written((out, pos) => writeVarint(out, pos, value));
        assert.deepEqual([...bytes], referenceVarint(value));
        assert.equal(varintBytes(value), bytes.length);
      }),
      { numRuns: 2000, seed: 3 },
    );
  });
});
