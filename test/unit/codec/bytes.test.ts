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
  isText,
  plainEnd,
  textOf,
  utf8,
  viewOf,
  writeLiteral,
} from '../../../src/codec/bytes.ts';
import { repeatDigits } from '../../../src/codec/numbers.ts';
import { anyText, wellFormed } from '../../support/events.ts';
import { shared, written } from '../../support/guarded-bytes.ts';

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
