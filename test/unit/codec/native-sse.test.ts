import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventView } from '../../../src/codec/event-record.ts';
import { encodeNotice, NativeJsonEncoder } from '../../../src/codec/native-json.ts';
import { encodeSseNotice, NativeSseEncoder } from '../../../src/codec/native-sse.ts';
import type { Lagged, NewEvent } from '../../../src/event/event.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { encoded, onlyChunk } from '../../support/encoding.ts';
import { EventSourceParser, type ServerSentEvent } from '../../support/event-source.ts';
import { anyEvent } from '../../support/events.ts';
import { EPOCH, EPOCHS, segmentOf, viewOf } from '../../support/log.ts';

const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

function frameOf(view: EventView): Buffer {
  return Buffer.from(encoded(new NativeSseEncoder(EPOCHS, 'plain'), view));
}

/** The native line without its end. */
function lineOf(view: EventView): string {
  return Buffer.from(encoded(new NativeJsonEncoder(EPOCHS, 'plain'), view))
    .toString()
    .slice(0, -1);
}

/** What a browser makes of these bytes when they come in pieces of this size. */
function parse(bytes: Uint8Array, pieceBytes = bytes.length): ServerSentEvent[] {
  const parser = new EventSourceParser();
  const events: ServerSentEvent[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    events.push(...parser.push(bytes.subarray(at, at + pieceBytes)));
  return events;
}

describe('NativeSseEncoder', () => {
  it('writes the frame that docs and clients know', () => {
    const view = viewOf(MINIMAL, { seq: 7, time: { sec: 1_778_404_834, nanos: 661_862_100 } });
    assert.equal(
      frameOf(view).toString(),
      'id: testlog2-7\ndata: {"seq":7,"cursor":"testlog2-7","time":"2026-05-10T09:20:34.661862100Z",' +
        '"timeNano":"1778404834661862100","type":"container","action":"start","id":"c1","attributes":{}}\n\n',
    );
  });

  it('is the native line and its cursor to a browser, for any event in pieces of any size', () => {
    fc.assert(
      fc.property(anyEvent, fc.maxSafeNat(), fc.integer({ min: 1, max: 400 }), (event, seq, pieceBytes) => {
        const view = viewOf(event, { seq });
        assert.deepEqual(parse(frameOf(view), pieceBytes), [
          { type: 'message', data: lineOf(view), lastEventId: `${EPOCH}-${seq}` },
        ]);
      }),
      { numRuns: 500, seed: 51 },
    );
  });

  it('holds every kind of line end that a text may have in one data', () => {
    const text = 'a\nb\rc\r\nd\u2028e\u2029f\u0085g\n\ndata: x\n\n';
    const view = viewOf({ ...MINIMAL, args: text, attributes: { [text]: text } });
    const [event, ...more] = parse(frameOf(view));
    assert.deepEqual(more, []);
    assert.deepEqual(JSON.parse(event!.data), view.toEvent(EPOCHS));
  });

  it('writes each event as exactly one chunk around the plain frame', () => {
    fc.assert(
      fc.property(anyEvent, fc.maxSafeNat(), (event, seq) => {
        const view = viewOf(event, { seq });
        assert.equal(onlyChunk(encoded(new NativeSseEncoder(EPOCHS, 'chunked'), view)), frameOf(view).toString());
      }),
      { numRuns: 300, seed: 52 },
    );
  });

  it('keeps within its room when every byte has to be escaped', () => {
    for (const size of [1, 40, 300, 4000, 60_000]) {
      const view = viewOf({ ...MINIMAL, args: '\u0001'.repeat(size) }, { seq: Number.MAX_SAFE_INTEGER });
      const chunk = onlyChunk(encoded(new NativeSseEncoder(EPOCHS, 'chunked'), view));
      assert.equal(chunk, frameOf(view).toString());
    }
  });

  it('writes one frame after another into the same memory', () => {
    const events = Array.from({ length: 50 }, (_, index): NewEvent => ({ ...MINIMAL, id: 'x'.repeat(index * 11) }));
    const { memory, committed } = segmentOf(events);
    const view = new EventView(memory);
    const encoder = new NativeSseEncoder(EPOCHS, 'plain');
    const out = new Uint8Array(encoder.maxBytes(memory.byteLength) + 50 * encoder.maxBytes(0));
    let pos = 0;
    for (view.at = SEGMENT.HEADER_BYTES; view.at < committed; view.at += view.byteLength) {
      pos = encoder.encode(view, out, pos);
    }
    assert.deepEqual(
      parse(out.subarray(0, pos)).map(({ lastEventId }) => lastEventId),
      events.map((_, index) => `${EPOCH}-${index + 1}`),
    );
  });
});

describe('encodeSseNotice', () => {
  const gap: Lagged = { type: 'gap', missed: 12, from: 8, to: 19, reason: 'retention', oldest: `${EPOCH}-19` };
  const heartbeat = { type: 'heartbeat', cursor: `${EPOCH}-7` } as const;

  it('writes gaps and heartbeats as events of these names, with the cursor behind them as id', () => {
    assert.equal(
      Buffer.from(encodeSseNotice(gap, 'plain')).toString(),
      'event: gap\nid: testlog2-19\n' +
        'data: {"type":"gap","missed":12,"from":8,"to":19,"reason":"retention","oldest":"testlog2-19"}\n\n',
    );
    assert.equal(
      Buffer.from(encodeSseNotice(heartbeat, 'plain')).toString(),
      'event: heartbeat\nid: testlog2-7\ndata: {"type":"heartbeat","cursor":"testlog2-7"}\n\n',
    );
  });

  it('says in one chunk what the native line says', () => {
    for (const notice of [gap, { ...gap, missed: null }, heartbeat]) {
      const [event] = parse(Buffer.from(onlyChunk(encodeSseNotice(notice, 'chunked'))));
      assert.equal(event?.type, notice.type);
      assert.equal(`${event.data}\n`, Buffer.from(encodeNotice(notice, 'plain')).toString());
    }
  });
});

describe('EventSourceParser, which these tests believe', () => {
  const eventsOf = (text: string): string[][] =>
    parse(Buffer.from(text), 1).map(({ type, data, lastEventId }) => [type, data, lastEventId]);

  it('reads the examples of the standard', () => {
    assert.deepEqual(eventsOf('data: YHOO\ndata: +2\ndata: 10\n\n'), [['message', 'YHOO\n+2\n10', '']]);
    assert.deepEqual(
      eventsOf(': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n'),
      [
        ['message', 'first event', '1'],
        ['message', 'second event', ''],
        ['message', ' third event', ''],
      ],
    );
    assert.deepEqual(eventsOf('data\n\ndata\ndata\n\ndata:'), [
      ['message', '', ''],
      ['message', '\n', ''],
    ]);
  });

  it('takes any end of a line, drops what is not finished, and keeps an id that stands alone', () => {
    const bytes = '\ufeffevent: a\r\nid: 7\r\ndata: x\r\n\r\nid: 8\r\rdata: y\n\nid: 9\0\ndata: z\n\ndata: lost\n';
    assert.deepEqual(eventsOf(bytes), [
      ['a', 'x', '7'],
      ['message', 'y', '8'],
      ['message', 'z', '8'],
    ]);
  });
});
