import fc from 'fast-check';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';

/** Text with any code point, halves of surrogate pairs, byte order marks and control characters. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  fc.array(fc.nat(0x10ffff), { maxLength: 20 }).map((points) => String.fromCodePoint(...points)),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((codes) => String.fromCharCode(...codes)),
  fc.string({ unit: fc.constantFrom('\0', '\u001f', '"', '\\', '\n', '\u007f', '\u2028', '\ufeff', 'ä', '𝄞') }),
  fc.string({ unit: 'grapheme-ascii', minLength: 120, maxLength: 300 }),
);

/** Any moment that the log can hold. */
export const anyTime: fc.Arbitrary<Timestamp> = fc.record(
  { sec: fc.nat(0xffffffff), nanos: fc.nat(999_999_999) },
  { noNullPrototype: true },
);

const filledText = anyText.map((text) => text || 'x');

/** Whatever a publisher may hand in. */
export const anyEvent: fc.Arbitrary<NewEvent> = fc.record(
  {
    type: fc.oneof(fc.constantFrom('container', 'image'), filledText),
    action: fc.oneof(fc.constantFrom('start', 'die', 'rename'), filledText),
    id: anyText,
    args: anyText,
    attributes: fc.dictionary(anyText, anyText, { maxKeys: 8 }),
    pid: fc.nat(0x7fffffff),
    exitCode: fc.nat(0x7fffffff),
    scope: anyText,
    source: anyText,
    namespace: anyText,
    time: anyTime,
  },
  { requiredKeys: ['type', 'action', 'id'] },
);

/** The text after a trip through UTF-8: halves of surrogate pairs have become U+FFFD. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

export function wellFormedAttributes(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [wellFormed(key), wellFormed(value)]));
}
