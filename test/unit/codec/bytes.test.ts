import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  copyAscii,
  copyBytes,
  copyPlainAscii,
  copyWords,
  isPlain,
  isRange,
  isSpecial,
  literal,
  repeatDigits,
  repairUtf8,
  isText,
  plainEnd,
  textOf,
  utf8,
  utf8SequenceBytes,
  varintBytes,
  viewOf,
  writeCodePoint,
  writeInt,
  writeLiteral,
  writeNanos,
  writeUint,
  writeVarint,
} from '../../../src/codec/bytes.ts';
import { anyText, wellFormed } from '../../support/events.ts';

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

/** What a function wrote between the guards, which must still be there. */
function written(write: (out: Uint8Array, pos: number) => number): Uint8Array {
  const out = new Uint8Array(64).fill(0xee);
  const end = write(out, 8);
  assert.ok(out.subarray(0, 8).every((byte) => byte === 0xee));
  assert.ok(out.subarray(end).every((byte) => byte === 0xee));
  return out.slice(8, end);
}

function digits(write: (out: Uint8Array, pos: number) => number): string {
  return Buffer.from(written(write)).toString('latin1');
}

function shared(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length + 16));
  out.set(bytes, 8);
  return out;
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

describe('copyBytes', () => {
  it('copies short and long ranges alike and nothing beside them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), (source, a, b) => {
        const from = Math.min(a, b, source.length);
        const to = Math.min(Math.max(a, b), source.length);
        const out = new Uint8Array(400).fill(0xee);
        assert.equal(copyBytes(source, from, to, out, 50), 50 + to - from);
        assert.deepEqual(out.slice(50, 50 + to - from), source.slice(from, to));
        assert.ok(out.subarray(0, 50).every((byte) => byte === 0xee));
        assert.ok(out.subarray(50 + to - from).every((byte) => byte === 0xee));
      }),
      { seed: 4 },
    );
  });
});

describe('copyAscii', () => {
  it('copies every ASCII text, short or long, and nothing beside it', () => {
    const ascii = fc.uint8Array({ max: 0x7f, maxLength: 80 });
    fc.assert(
      fc.property(ascii, fc.nat(7), fc.nat(7), (text, from, pos) => {
        const source = shared(text).subarray(8 - from, 8 + text.length);
        const out = new Uint8Array(120).fill(0xee);
        assert.equal(copyAscii(source, from, from + text.length, out, 8 + pos), 8 + pos + text.length);
        assert.deepEqual(out.slice(8 + pos, 8 + pos + text.length), text);
        assert.ok(out.subarray(0, 8 + pos).every((byte) => byte === 0xee));
        assert.ok(out.subarray(8 + pos + text.length).every((byte) => byte === 0xee));
      }),
      { seed: 13, numRuns: 2000 },
    );
  });
});

describe('copyPlainAscii', () => {
  it('stops within four bytes before the first that is not ASCII or that JSON escapes, Go\u2019s too', () => {
    const byte = fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: 0x20, max: 0x7f }) },
      { weight: 1, arbitrary: fc.nat(255) },
      { weight: 1, arbitrary: fc.constantFrom(...utf8('"\\<>&')) },
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), (array) => {
        const bytes = Uint8Array.from(array);
        const stop = bytes.findIndex((each) => each < 0x20 || each >= 0x80 || utf8('"\\<>&').includes(each));
        const end = stop < 0 ? bytes.length : stop;
        const out = new Uint8Array(80).fill(0xee);
        const copied = copyPlainAscii(bytes, 0, bytes.length, out, 8);
        assert.ok(copied <= end && end - copied < 4, `${copied} of ${end}`);
        assert.deepEqual(out.slice(8, 8 + copied), bytes.slice(0, copied));
        assert.ok(out.subarray(8 + copied).every((each) => each === 0xee));
        assert.equal(isPlain(bytes), stop < 0);
      }),
      { seed: 14, numRuns: 2000 },
    );
  });
});

describe('writeLiteral and repeatDigits', () => {
  it('write the text, at most seven bytes more, and nothing before it', () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 40 });
    fc.assert(
      fc.property(ascii, fc.nat(7), (text, pos) => {
        const out = new Uint8Array(120).fill(0xee);
        const end = writeLiteral(out, 8 + pos, literal(text));
        assert.equal(Buffer.from(out.subarray(8 + pos, end)).toString('latin1'), text);
        assert.ok(out.subarray(0, 8 + pos).every((byte) => byte === 0xee));
        assert.ok(out.subarray(end + 7).every((byte) => byte === 0xee));
        const again = new Uint8Array(120).fill(0xee);
        again.set(utf8(text), pos);
        const repeatedTo = repeatDigits(again, pos, pos + text.length, 60);
        assert.equal(Buffer.from(again.subarray(60, repeatedTo)).toString('latin1'), text);
        assert.ok(again.subarray(repeatedTo + 3).every((byte) => byte === 0xee));
      }),
      { seed: 15, numRuns: 1000 },
    );
  });
});

describe('isText', () => {
  it('says whether the bytes are the text, ASCII or not', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('', 'name', 'nam', 'näme', 'n'),
    );
    fc.assert(
      fc.property(texts, texts, (text, other) => {
        const bytes = utf8(`"${text}"`);
        const end = bytes.length - 1;
        assert.equal(isText(bytes, 1, end, wellFormed(text)), true);
        assert.equal(isText(bytes, 1, end, wellFormed(other)), wellFormed(text) === wellFormed(other));
      }),
      { seed: 11 },
    );
  });
});

describe('plainEnd', () => {
  it('stops within four bytes before the first special byte, or one that looks like it', () => {
    const stops = (each: number): boolean => isSpecial(each) || '^|~'.includes(String.fromCharCode(each));
    const byte = fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
      { weight: 1, arbitrary: fc.nat(255) },
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), (array) => {
        const bytes = Uint8Array.from(array);
        const stop = bytes.findIndex(stops);
        const end = stop < 0 ? bytes.length : stop;
        const found = plainEnd(viewOf(bytes), 0, bytes.length);
        assert.ok(found <= end && end - found < 4, `${found} of ${end}`);
      }),
      { seed: 12, numRuns: 1000 },
    );
  });
});

describe('textOf', () => {
  it('gives back every text that utf8 encodes, from plain and from shared memory', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        // A byte order mark at the beginning has a test of its own.
        fc.pre(!text.startsWith('\ufeff'));
        const bytes = utf8(text);
        assert.equal(textOf(bytes, 0, bytes.length), wellFormed(text));
        assert.equal(textOf(shared(bytes), 8, 8 + bytes.length), wellFormed(text));
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  it('keeps a byte order mark: it is a character of the text like any other', () => {
    const bytes = utf8('\ufeffls');
    assert.equal(textOf(bytes, 0, bytes.length), '\ufeffls');
  });
});

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

describe('copyWords', () => {
  it('copies any range to any place, and nothing beside it', () => {
    const source = Uint8Array.from({ length: 60 }, (_, index) => index + 1);
    // A view need not begin where its memory does.
    const view = viewOf(source.subarray(3));
    for (let from = 0; from < 9; from += 1) {
      for (let to = from; to <= 40; to += 1) {
        const copied = written((out, pos) => copyWords(view, from, to, viewOf(out), pos));
        assert.deepEqual(copied, source.slice(3 + from, 3 + to));
      }
    }
    assert.deepEqual(
      written((out, pos) => copyWords(view, 55, 57, viewOf(out), pos)),
      source.slice(58),
    );
  });
});

describe('isRange', () => {
  it('compares every byte and the length', () => {
    const bytes = utf8('abcd');
    assert.equal(isRange(bytes, 1, 3, utf8('bc')), true);
    assert.equal(isRange(bytes, 2, 2, utf8('')), true);
    for (const other of ['b', 'bcd', 'bd', 'ac', '']) assert.equal(isRange(bytes, 1, 3, utf8(other)), false, other);
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
