import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../../src/codec/bytes.ts';
import { repairUtf8, utf8SequenceBytes, writeCodePoint } from '../../../src/codec/utf8.ts';
import { anyText } from '../../support/events.ts';
import { shared, written } from '../../support/guarded-bytes.ts';

describe('repairUtf8', () => {
  it('leaves valid UTF-8 as it is', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(!text.startsWith('\ufeff'));
        const bytes = utf8(text);
        assert.deepEqual(repairUtf8(shared(bytes), 8, 8 + bytes.length), { bytes, replaced: false });
      }),
      { numRuns: 500, seed: 6 },
    );
  });

  it('does not take a byte order mark for something to repair', () => {
    const bytes = utf8('\ufeffls');
    assert.deepEqual(repairUtf8(bytes, 0, bytes.length), { bytes, replaced: false });
  });

  it('makes any bytes valid and says whether it changed them', () => {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom(0x41, 0x80, 0xbf, 0xc3, 0xe2, 0x82, 0xf0, 0x9d, 0xff))
        .map((some) => Uint8Array.from(some)),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        fc.pre(!(bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf));
        const repaired = repairUtf8(bytes, 0, bytes.length);
        assert.equal(Buffer.from(repaired.bytes).toString(), Buffer.from(bytes).toString());
        assert.equal(repaired.replaced, !Buffer.from(bytes).equals(repaired.bytes));
        assert.equal(Buffer.from(Buffer.from(repaired.bytes).toString()).equals(repaired.bytes), true);
      }),
      { numRuns: 1000, seed: 7 },
    );
  });

  it('puts one U+FFFD in the place of a character that was cut off', () => {
    const cut = utf8('ls €').subarray(0, 5);
    const { bytes, replaced } = repairUtf8(cut, 0, cut.length);
    assert.equal(Buffer.from(bytes).toString(), 'ls \ufffd');
    assert.equal(replaced, true);
  });
});

describe('writeCodePoint', () => {
  it('writes UTF-8', () => {
    const points = fc.oneof(
      fc.nat(0x10ffff),
      fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff),
    );
    fc.assert(
      fc.property(points, (point) => {
        fc.pre(point < 0xd800 || point > 0xdfff);
        assert.deepEqual(
          written((out, pos) => writeCodePoint(out, pos, point)),
          utf8(String.fromCodePoint(point)),
        );
      }),
      { seed: 8 },
    );
  });
});

describe('utf8SequenceBytes', () => {
  it('finds the sequences and the bytes that a decoder replaces together', () => {
    const interesting = fc.constantFrom(
      ...Uint8Array.of(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf),
      ...Uint8Array.of(0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff),
    );
    const anyBytes = fc.array(fc.oneof(interesting, fc.integer({ min: 0x80, max: 0xff })), { maxLength: 12 });
    fc.assert(
      fc.property(anyBytes, (some) => {
        const bytes = Uint8Array.from(some);
        let text = 'x';
        for (let at = 0; at < bytes.length; ) {
          const count = utf8SequenceBytes(bytes, at, bytes.length);
          const end = at + Math.abs(count);
          text += count > 0 ? Buffer.from(bytes.subarray(at, end)).toString() : '\ufffd';
          at = end;
        }
        assert.equal(text, Buffer.concat([Buffer.from('x'), bytes]).toString());
      }),
      { numRuns: 3_000, seed: 9 },
    );
  });

  it('sees nothing behind the end', () => {
    const bytes = utf8('\u20ac');
    assert.deepEqual(
      [1, 2, 3].map((end) => utf8SequenceBytes(bytes, 0, end)),
      [-1, -2, 3],
    );
  });
});
