import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { eventsIn, LineSplitter, type Piece } from '../../../src/client/line-splitter.ts';
import { cursor, eventLine, gapLine, heartbeatLine } from '../../support/faulty-server.ts';

describe('LineSplitter', () => {
  it('finds the same lines however the bytes are cut', () => {
    const line = fc.oneof(
      fc
        .record({ seq: fc.nat(), args: fc.string({ unit: 'grapheme' }) })
        .map(({ seq, args }) => eventLine(seq, { args })),
      fc.nat().map(heartbeatLine),
      fc.nat().map((seq) => gapLine(seq, seq)),
    );
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const all = Buffer.from(lines.join(''));
        const splitter = new LineSplitter();
        const pieces: Piece[] = [];
        let at = 0;
        for (const to of [...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length]) {
          for (const piece of splitter.push(all.subarray(at, to))) {
            // Its bytes may be another's by the time it is looked at.
            pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) });
          }
          at = to;
        }
        assert.equal(splitter.isWithinLine, false);
        const shown = lines.filter((text) => !text.startsWith('{"type":"heartbeat"'));
        assert.equal(Buffer.concat(pieces.map(({ bytes }) => bytes)).toString(), shown.join(''));
        const events = pieces.flatMap(({ bytes, gap }) => (gap ? [] : [...eventsIn(bytes)]));
        assert.deepEqual(
          events,
          lines.filter((text) => text.startsWith('{"seq"')).map((text) => JSON.parse(text)),
        );
        const last = JSON.parse(lines.at(-1) ?? '{}') as { cursor?: string; oldest?: string };
        assert.equal(pieces.at(-1)?.cursor, last.cursor ?? last.oldest);
      }),
    );
  });

  it('keeps the beginning of a line, and no more of it than 1 MiB', () => {
    const splitter = new LineSplitter();
    assert.deepEqual(splitter.push(Buffer.from(eventLine(7).slice(0, 20))), []);
    assert.equal(splitter.isWithinLine, true);
    assert.equal(splitter.push(Buffer.from(eventLine(7).slice(20)))[0]?.cursor, cursor(7));
    assert.equal(splitter.isWithinLine, false);
    splitter.push(Buffer.alloc(1024 * 1024, 'x'));
    assert.throws(() => splitter.push(Buffer.from('x')), { code: 'ERR_ANSWER_INVALID' });
  });
});
