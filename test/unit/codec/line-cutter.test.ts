import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineCutter } from '../../../src/codec/line-cutter.ts';

function linesIn(cutter: LineCutter, chunk: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = cutter.next(chunk, 0); at >= 0; at = cutter.next(chunk, at))
    lines.push(Buffer.from(cutter.bytes.subarray(cutter.from, cutter.to)).toString());
  return lines;
}

describe('LineCutter', () => {
  it('gives the lines of a text, however that is cut', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', ' ') });
    fc.assert(
      fc.property(fc.array(line), line, fc.array(fc.integer({ min: 0, max: 9 })), (lines, last, cuts) => {
        const bytes = Buffer.from([...lines, last].join('\n'));
        const cutter = new LineCutter();
        const found: string[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          found.push(...linesIn(cutter, bytes.subarray(at, at + cut)));
          at += Math.min(cut, bytes.length - at);
        }
        assert.deepEqual(found, lines);
        assert.equal(cutter.restBytes, Buffer.byteLength(last));
        cutter.end();
        assert.equal(Buffer.from(cutter.bytes.subarray(cutter.from, cutter.to)).toString(), last);
      }),
      { numRuns: 300, seed: 13 },
    );
  });

  it('passes over a line, wherever its end comes', () => {
    const cutter = new LineCutter();
    assert.deepEqual(linesIn(cutter, Buffer.from('a\nbad')), ['a']);
    cutter.skip();
    assert.deepEqual(linesIn(cutter, Buffer.from('bad')), []);
    assert.equal(cutter.restBytes, 0);
    assert.deepEqual(linesIn(cutter, Buffer.from('bad\nb\nc')), ['b']);
    assert.deepEqual(linesIn(cutter, Buffer.from('\n')), ['c']);
  });
});
