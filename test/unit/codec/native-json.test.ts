import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventPacker } from '../../../src/codec/event-packer.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import { encodeNotice, NativeJsonEncoder } from '../../../src/codec/native-json.ts';
import type { Lagged, NewEvent } from '../../../src/event/event.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { encoded, onlyChunk } from '../../support/encoding.ts';
import { anyEvent, anyTime } from '../../support/events.ts';
import { EPOCH, EPOCHS, segmentOf, stamp, viewOf } from '../../support/log.ts';
import { packLine } from '../../support/packed.ts';

const FIELD_ORDER = 'seq cursor time timeNano type action args id attributes pid exitCode scope source namespace'.split(
  ' ',
);

/** Byte order marks have tests of their own (bytes.test.ts). */
const markless = anyEvent.filter((event) => !JSON.stringify(event).includes('\ufeff'));
const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

function plainLine(view: EventView): string {
  return Buffer.from(encoded(new NativeJsonEncoder(EPOCHS, 'plain'), view)).toString();
}

/** An event whose plain line has exactly this many bytes. */
function eventOfLine(bytes: number): NewEvent {
  const missing = bytes - plainLine(viewOf(MINIMAL)).length;
  return { ...MINIMAL, id: `c1${'x'.repeat(missing)}` };
}

describe('NativeJsonEncoder', () => {
  it('writes the line that docs and clients know', () => {
    const event: NewEvent = {
      type: 'container',
      action: 'exec_create',
      args: 'ls "x"\n',
      id: '3277ec2e57cd',
      attributes: { image: 'busybox', name: 'web' },
      pid: 1,
      exitCode: 0,
      source: 'fifo',
    };
    assert.equal(
      plainLine(viewOf(event, { seq: 7, time: { sec: 1_778_404_834, nanos: 661_862_100 } })),
      '{"seq":7,"cursor":"testlog2-7","time":"2026-05-10T09:20:34.661862100Z","timeNano":"1778404834661862100",' +
        '"type":"container","action":"exec_create","args":"ls \\"x\\"\\u000a","id":"3277ec2e57cd",' +
        '"attributes":{"image":"busybox","name":"web"},"pid":1,"exitCode":0,"source":"fifo"}\n',
    );
  });

  it('says of the event that tells of a gap of its source that it does, and is read back as such', () => {
    const packer = new EventPacker();
    packer.addSourceGap({ type: 'source', action: 'gap', id: 'docker', source: 'docker' });
    const record = stamp(packer.records(0, 1).slice(), 7, { sec: 1, nanos: 2 });
    const line = plainLine(new EventView(record.buffer));
    assert.ok(line.endsWith('"attributes":{},"source":"docker","reason":"source"}\n'), line);
    assert.equal(new EventView(record.buffer).toEvent(EPOCHS).reason, 'source');
    assert.equal(new EventView(packLine(line).buffer).isSourceGap, true);
    assert.equal(new EventView(packLine(line.replace(',"reason":"source"', '')).buffer).isSourceGap, false);
    assert.throws(() => packLine(line.replace('"reason":"source"', '"reason":"crash"')), { code: 'ERR_EVENT_INVALID' });
  });

  it('says what EventView.toEvent says, in the same order, for any event', () => {
    const plain = new NativeJsonEncoder(EPOCHS, 'plain');
    fc.assert(
      fc.property(markless, fc.maxSafeNat(), anyTime, (event, seq, time) => {
        const view = viewOf(event, { seq, time });
        const line = Buffer.from(encoded(plain, view)).toString();
        assert.ok(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1);
        const parsed = JSON.parse(line) as Record<string, unknown>;
        assert.deepEqual(parsed, view.toEvent(EPOCHS));
        assert.deepEqual(
          Object.keys(parsed),
          FIELD_ORDER.filter((field) => Object.hasOwn(parsed, field)),
        );
      }),
      { numRuns: 500, seed: 41 },
    );
  });

  it('is valid UTF-8 without raw control characters', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const bytes = Buffer.from(encoded(new NativeJsonEncoder(EPOCHS, 'plain'), viewOf(event)));
        assert.ok(Buffer.from(bytes.toString()).equals(bytes));
        assert.ok(bytes.subarray(0, -1).every((byte) => byte >= 0x20));
      }),
      { seed: 42 },
    );
  });

  it('writes each event as exactly one chunk around the plain line', () => {
    fc.assert(
      fc.property(anyEvent, fc.maxSafeNat(), (event, seq) => {
        const view = viewOf(event, { seq });
        assert.equal(onlyChunk(encoded(new NativeJsonEncoder(EPOCHS, 'chunked'), view)), plainLine(view));
      }),
      { numRuns: 300, seed: 43 },
    );
  });

  it('writes chunk sizes without leading zeros, on both sides of every number of digits', () => {
    for (const size of [0xfe, 0xff, 0x100, 0x101, 0xffe, 0xfff, 0x1000, 0x1001, 0xffff, 0x10000]) {
      const view = viewOf(eventOfLine(size));
      const chunk = encoded(new NativeJsonEncoder(EPOCHS, 'chunked'), view);
      assert.equal(chunk.length, size.toString(16).length + 2 + size + 2);
      const body = onlyChunk(chunk);
      assert.equal(body.length, size);
      assert.equal(body, plainLine(view));
    }
  });

  it('keeps within its room when every byte has to be escaped', () => {
    const control = '\u0001';
    for (const framing of ['plain', 'chunked'] as const) {
      for (const size of [1, 40, 300, 4000, 60_000]) {
        const view = viewOf({ ...MINIMAL, args: control.repeat(size), attributes: { [control]: control, b: control } });
        const line = Buffer.from(encoded(new NativeJsonEncoder(EPOCHS, framing), view)).toString();
        assert.equal(
          (JSON.parse(framing === 'plain' ? line : onlyChunk(Buffer.from(line))) as NewEvent).args?.length,
          size,
        );
      }
    }
  });

  it('keeps within its room for as many empty attributes as a record holds', () => {
    const attributes = Object.fromEntries(Array.from({ length: 8000 }, (_, index) => [index.toString(36), '']));
    const view = viewOf({ ...MINIMAL, attributes });
    assert.deepEqual(JSON.parse(plainLine(view)), view.toEvent(EPOCHS));
  });

  it('keeps up when the second changes from event to event and back', () => {
    const encoder = new NativeJsonEncoder(EPOCHS, 'plain');
    for (const sec of [0, 1, 1, 0xffffffff, 0, 1_700_000_000]) {
      const view = viewOf(MINIMAL, { time: { sec, nanos: 5 } });
      assert.deepEqual(JSON.parse(Buffer.from(encoded(encoder, view)).toString()), view.toEvent(EPOCHS));
    }
  });

  it('writes one line after another into the same memory', () => {
    const events = Array.from({ length: 50 }, (_, index): NewEvent => ({ ...MINIMAL, id: 'x'.repeat(index * 11) }));
    const { memory, committed } = segmentOf(events);
    const view = new EventView(memory);
    const encoder = new NativeJsonEncoder(EPOCHS, 'plain');
    const out = new Uint8Array(encoder.maxBytes(memory.byteLength) + 50 * encoder.maxBytes(0));
    let pos = 0;
    for (view.at = SEGMENT.HEADER_BYTES; view.at < committed; view.at += view.byteLength) {
      pos = encoder.encode(view, out, pos);
    }
    const lines = Buffer.from(out.subarray(0, pos)).toString().trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { seq: number }).seq),
      events.map((_, index) => index + 1),
    );
  });
});

describe('encodeNotice', () => {
  const gap: Lagged = { type: 'gap', missed: 12, from: 8, to: 19, reason: 'retention', oldest: `${EPOCH}-19` };

  it('writes gaps and heartbeats as lines', () => {
    assert.equal(
      Buffer.from(encodeNotice(gap, 'plain')).toString(),
      '{"type":"gap","missed":12,"from":8,"to":19,"reason":"retention","oldest":"testlog2-19"}\n',
    );
    assert.equal(
      Buffer.from(encodeNotice({ type: 'heartbeat', cursor: `${EPOCH}-7` }, 'plain')).toString(),
      '{"type":"heartbeat","cursor":"testlog2-7"}\n',
    );
  });

  it('writes the same line as one chunk, short and long ones', () => {
    for (const cursor of ['', `${EPOCH}-7`, 'x'.repeat(216), 'x'.repeat(300), 'x'.repeat(4100)]) {
      const notice = { type: 'heartbeat', cursor } as const;
      assert.equal(onlyChunk(encodeNotice(notice, 'chunked')), Buffer.from(encodeNotice(notice, 'plain')).toString());
    }
    assert.deepEqual(JSON.parse(onlyChunk(encodeNotice(gap, 'chunked'))), gap);
    assert.equal((JSON.parse(onlyChunk(encodeNotice({ ...gap, missed: null }, 'chunked'))) as Lagged).missed, null);
  });
});
