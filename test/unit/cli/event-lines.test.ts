import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineChecker, linesOf } from '../../../src/cli/event-lines.ts';

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let from = 0, turn = 0; from < bytes.length; turn += 1) {
    const to = from + sizes[turn % sizes.length]!;
    yield bytes.subarray(from, to);
    from = to;
  }
}

describe('the lines of an input', () => {
  it('are the same however it comes in: those that hold something, with their numbers', async () => {
    const line = fc.constantFrom('', ' ', '\r', '\u00a0', '{}', '{"a":"\u00e9"}\r', 'no event', '\u00e9');
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), sizes, async (lines, pieces) => {
        const found: [string, number][] = [];
        for await (const group of linesOf(inPieces(Buffer.from(lines.join('\n')), pieces)))
          for (const { bytes, number } of group) found.push([bytes.toString(), number]);
        const expected = lines.map((text, index) => [text, index + 1] as const).filter(([text]) => text.trim() !== '');
        assert.deepEqual(found, expected);
      }),
      { numRuns: 300, seed: 91 },
    );
  });

  it('may not be longer than what a daemon takes', async () => {
    const input = inPieces(Buffer.alloc(1024 * 1024 + 1, 'x'), [64 * 1024]);
    await assert.rejects(
      async () => {
        for await (const _ of linesOf(input));
      },
      { code: 'ERR_BODY_TOO_LARGE' },
    );
  });

  it('are checked as the daemon checks them, and told by their numbers', () => {
    const checker = new LineChecker();
    const check = (text: string, number: number): void => checker.check({ bytes: Buffer.from(text), number });
    for (let round = 0; round < 3; round += 1) {
      check('{"type":"a","action":"b","id":"c"}', 7);
      assert.throws(() => check('{"type":"a","action":"b"}', 8), { code: 'ERR_EVENT_INVALID', message: /^line 8: / });
      assert.throws(() => check(`{"type":"a","action":"b","id":"${'x'.repeat(70_000)}"}`, 9), {
        code: 'ERR_EVENT_TOO_LARGE',
        message: /^line 9: /,
      });
    }
  });
});
