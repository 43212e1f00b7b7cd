import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventPacker } from '../../../src/codec/event-packer.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { EVENT, FLAG_REPLACED_UTF8, MAX_EVENT_BYTES, NO_EXIT_CODE, NO_PID } from '../../../src/messages/layout.ts';
import { anyEvent, wellFormed } from '../../support/events.ts';
import { packEvent } from '../../support/packed.ts';

const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

/** Byte order marks have tests of their own (bytes.test.ts). */
const markless = anyEvent.filter((event) => !JSON.stringify(event).includes('\ufeff'));

function packedView(event: NewEvent): EventView {
  const record = packEvent(event);
  assert.equal(record.byteOffset, 0);
  return new EventView(record.buffer);
}

describe('an event that is packed', () => {
  it('is read back by a view as it was given, halves of surrogate pairs aside', () => {
    fc.assert(
      fc.property(markless, (event) => {
        const view = packedView(event);
        assert.equal(view.type, wellFormed(event.type));
        assert.equal(view.action, wellFormed(event.action));
        assert.equal(view.id, wellFormed(event.id));
        assert.equal(view.args, wellFormed(event.args ?? ''));
        assert.equal(view.scope, wellFormed(event.scope ?? ''));
        assert.equal(view.source, wellFormed(event.source ?? ''));
        assert.equal(view.namespace, wellFormed(event.namespace ?? ''));
        assert.equal(view.pid, event.pid ?? NO_PID);
        assert.equal(view.exitCode, event.exitCode ?? NO_EXIT_CODE);
        const attributes = Object.entries(event.attributes ?? {});
        assert.deepEqual(
          [...view.attributes()],
          attributes.map(([key, value]) => [wellFormed(key), wellFormed(value)]),
        );
        assert.equal(view.attributeCount, attributes.length);
      }),
      { numRuns: 500, seed: 21 },
    );
  });

  it('makes a record of whole eight bytes that says its own length', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const record = packEvent(event);
        assert.equal(record.length % 8, 0);
        assert.equal(new DataView(record.buffer).getInt32(EVENT.LENGTH, true), record.length);
        assert.equal(packedView(event).byteLength, record.length);
      }),
      { seed: 22 },
    );
  });

  it('leaves number and time to the log and keeps the source\u2019s own time', () => {
    const record = packEvent({ ...MINIMAL, time: { sec: 0xffffffff, nanos: 999_999_999 } });
    const fields = new DataView(record.buffer);
    assert.equal(fields.getUint32(EVENT.SOURCE_SEC, true), 0xffffffff);
    assert.equal(fields.getUint32(EVENT.SOURCE_NANOS, true), 999_999_999);
    for (const field of [EVENT.SEQ_LOW, EVENT.SEQ_HIGH, EVENT.TIME_SEC, EVENT.TIME_NANOS]) {
      assert.equal(fields.getUint32(field, true), 0);
    }
  });

  it('takes an event of exactly 64 KiB and refuses one byte more', () => {
    const texts = 'containerstartc1'.length;
    // Two fields, because one alone may have no more than 65,535 bytes.
    const room = MAX_EVENT_BYTES - EVENT.FIXED_BYTES - texts;
    const event = { ...MINIMAL, args: 'x'.repeat(room - 1000), scope: 'x'.repeat(1000) };
    assert.equal(packEvent(event).length, MAX_EVENT_BYTES);
    assert.throws(() => packEvent({ ...event, source: 'x' }), { code: 'ERR_EVENT_TOO_LARGE' });
  });

  it('counts bytes, not characters', () => {
    assert.throws(() => packEvent({ ...MINIMAL, args: '€'.repeat(22_000) }), { code: 'ERR_EVENT_TOO_LARGE' });
    assert.throws(() => packEvent({ ...MINIMAL, attributes: { key: 'x'.repeat(65_536) } }), {
      code: 'ERR_EVENT_TOO_LARGE',
    });
  });

  it('refuses an event without type or action', () => {
    assert.throws(() => packEvent({ ...MINIMAL, type: '' }), { code: 'ERR_EVENT_INVALID' });
    assert.throws(() => packEvent({ ...MINIMAL, action: '' }), { code: 'ERR_EVENT_INVALID' });
    for (const field of ['type', 'action', 'id']) {
      const { [field as 'id']: _, ...rest } = MINIMAL;
      assert.throws(() => packEvent(rest as NewEvent), { code: 'ERR_EVENT_INVALID' }, field);
    }
  });

  it('refuses fields of a wrong type and says which', () => {
    const wrong: [string, Record<string, unknown>][] = [
      ['args', { args: 1 }],
      ['id', { id: null }],
      ['attribute image', { attributes: { image: 7 } }],
      ['pid', { pid: -1 }],
      ['pid', { pid: 1.5 }],
      ['pid', { pid: 2 ** 31 }],
      ['pid', { pid: '1' }],
      ['exitCode', { exitCode: Number.NaN }],
      ['time.sec', { time: { sec: 2 ** 32, nanos: 0 } }],
      ['time.nanos', { time: { sec: 1, nanos: 1_000_000_000 } }],
    ];
    for (const [field, fields] of wrong) {
      assert.throws(
        () => packEvent({ ...MINIMAL, ...fields }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ERR_EVENT_INVALID');
          assert.ok(error.message.startsWith(field), error.message);
          return true;
        },
      );
    }
  });
});

describe('EventPacker', () => {
  it('has records back to back, whatever was refused between them', () => {
    const bad: readonly NewEvent[] = [
      { ...MINIMAL, pid: -1 },
      { ...MINIMAL, attributes: { a: 'x'.repeat(70_000) } },
      { ...MINIMAL, attributes: { a: 'x'.repeat(60_000), b: 'x'.repeat(60_000), c: 'x' } },
      { ...MINIMAL, attributes: { a: '\ud800', b: 7 as never } },
      { ...MINIMAL, time: { sec: -1, nanos: 0 } },
      null as never,
    ];
    fc.assert(
      fc.property(fc.array(fc.oneof(anyEvent, fc.constantFrom(...bad)), { maxLength: 60 }), (events) => {
        const packer = new EventPacker();
        const expected: Uint8Array[] = [];
        for (const event of events) {
          if (bad.includes(event)) {
            assert.throws(() => packer.add(event), { name: 'TocsinError' });
            continue;
          }
          packer.add(event);
          expected.push(packEvent(event));
        }
        assert.equal(packer.count, expected.length);
        assert.deepEqual(Buffer.from(packer.records(0, packer.count)), Buffer.concat(expected));
        expected.forEach((record, index) => {
          assert.deepEqual(Buffer.from(packer.records(index, index + 1)), Buffer.from(record));
        });
        assert.equal(packer.bytesOf(packer.count), Buffer.concat(expected).length);
      }),
      { numRuns: 100, seed: 25 },
    );
  });

  it('is empty once it is cleared, and leaves nothing behind in what comes next', () => {
    const packer = new EventPacker();
    const long: NewEvent = { ...MINIMAL, args: '\uffff'.repeat(20_000), attributes: { a: '\ud800' }, pid: 1 };
    for (let index = 0; index < 40; index += 1) packer.add(long);
    packer.clear();
    assert.equal(packer.count, 0);
    assert.equal(packer.bytesOf(0), 0);
    packer.add(MINIMAL);
    assert.deepEqual(Buffer.from(packer.records(0, 1)), Buffer.from(packEvent(MINIMAL)));
    // The same in memory that is kept.
    packer.add({ ...long, args: 'y'.repeat(2_000) });
    packer.clear();
    packer.add(MINIMAL);
    assert.deepEqual(Buffer.from(packer.records(0, 1)), Buffer.from(packEvent(MINIMAL)));
  });

  it('says so in the record when something had no UTF-8', () => {
    const flags = (fields: Partial<NewEvent>): number => packEvent({ ...MINIMAL, ...fields })[EVENT.FLAGS]!;
    assert.equal(flags({ args: 'ä\ud83d\ude00\ufffd' }), 0);
    assert.equal(flags({ args: '\ud83d' }), FLAG_REPLACED_UTF8);
    assert.equal(flags({ attributes: { '\ude00': 'a' } }), FLAG_REPLACED_UTF8);
    assert.equal(flags({ attributes: { a: `${'x'.repeat(200)}\ude00\ud83d` } }), FLAG_REPLACED_UTF8);
  });

  it('packs ASCII and other texts of any length alike', () => {
    for (let length = 0; length < 300; length += 1) {
      for (const text of ['x'.repeat(length), `${'x'.repeat(length)}é`, `é${'x'.repeat(length)}`]) {
        const record = packEvent({ ...MINIMAL, id: text, attributes: { [text]: text } });
        const view = new EventView(record.buffer);
        assert.equal(view.id, text);
        assert.deepEqual([...view.attributes()], [[text, text]]);
      }
    }
  });
});
