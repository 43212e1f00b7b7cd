import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventView, packEvent, readUint16, roundUp8, writeAttribute } from '../../../src/codec/event-record.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { EVENT, MAX_EVENT_BYTES, NO_EXIT_CODE, NO_PID } from '../../../src/messages/layout.ts';
import { anyEvent, wellFormed, wellFormedAttributes } from '../../support/events.ts';
import { EPOCH, viewOf } from '../../support/log.ts';

const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

/** Byte order marks have tests of their own (bytes.test.ts). */
const markless = anyEvent.filter((event) => !JSON.stringify(event).includes('\ufeff'));

function packedView(event: NewEvent): EventView {
  const record = packEvent(event);
  assert.equal(record.byteOffset, 0);
  return new EventView(record.buffer);
}

describe('packEvent', () => {
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

describe('EventView', () => {
  it('shows the event as the native line does, and leaves out what is absent', () => {
    const view = viewOf(MINIMAL, { seq: 7, time: { sec: 1_652_174_434, nanos: 661_862_100 } });
    assert.deepEqual(view.toEvent(EPOCH), {
      seq: 7,
      cursor: `${EPOCH}-7`,
      time: '2022-05-10T09:20:34.661862100Z',
      timeNano: '1652174434661862100',
      type: 'container',
      action: 'start',
      id: 'c1',
      attributes: {},
    });
  });

  it('shows every field that was given', () => {
    fc.assert(
      fc.property(markless, fc.maxSafeNat(), (event, seq) => {
        const { args, pid, exitCode, scope, source, namespace } = event;
        const { time: _, timeNano: __, ...shown } = viewOf(event, { seq }).toEvent(EPOCH);
        assert.deepEqual(shown, {
          seq,
          cursor: `${EPOCH}-${seq}`,
          type: wellFormed(event.type),
          action: wellFormed(event.action),
          ...(args ? { args: wellFormed(args) } : {}),
          id: wellFormed(event.id),
          attributes: wellFormedAttributes(event.attributes ?? {}),
          ...(pid === undefined ? {} : { pid }),
          ...(exitCode === undefined ? {} : { exitCode }),
          ...(scope ? { scope: wellFormed(scope) } : {}),
          ...(source ? { source: wellFormed(source) } : {}),
          ...(namespace ? { namespace: wellFormed(namespace) } : {}),
        });
      }),
      { numRuns: 300, seed: 23 },
    );
  });

  it('shows a process 0 and an exit code 0: they are not absent', () => {
    const { pid, exitCode } = viewOf({ ...MINIMAL, pid: 0, exitCode: 0 }).toEvent(EPOCH);
    assert.equal(pid, 0);
    assert.equal(exitCode, 0);
  });

  it('finds an attribute by its key and knows absent from empty', () => {
    const view = viewOf({ ...MINIMAL, attributes: { image: 'busybox', empty: '' } });
    assert.equal(view.attribute('image'), 'busybox');
    assert.equal(view.attribute('empty'), '');
    assert.equal(view.attribute('name'), undefined);
    assert.equal(view.attribute('toString'), undefined);
  });

  it('keeps a key that JavaScript treats specially', () => {
    const attributes = JSON.parse('{"__proto__":"evil","constructor":"x"}') as Record<string, string>;
    const shown = viewOf({ ...MINIMAL, attributes }).toEvent(EPOCH).attributes;
    assert.deepEqual(Object.entries(shown), [
      ['__proto__', 'evil'],
      ['constructor', 'x'],
    ]);
  });

  it('reads sequence numbers and times beyond 2^31', () => {
    const view = viewOf(MINIMAL, { seq: Number.MAX_SAFE_INTEGER, time: { sec: 0xffffffff, nanos: 999_999_999 } });
    assert.equal(view.seq, Number.MAX_SAFE_INTEGER);
    assert.equal(view.timeSec, 0xffffffff);
    assert.equal(view.timeNanos, 999_999_999);
  });
});

describe('writeAttribute', () => {
  it('is read back by readUint16, at any offset', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.uint8Array({ maxLength: 400 }),
        fc.nat(7),
        (key, value, pos) => {
          const out = new Uint8Array(900);
          const end = writeAttribute(out, pos, key, value);
          assert.equal(end, pos + 4 + key.length + value.length);
          assert.equal(readUint16(out, pos), key.length);
          assert.equal(readUint16(out, pos + 2), value.length);
          assert.deepEqual(out.slice(pos + 4, pos + 4 + key.length), key);
          assert.deepEqual(out.slice(end - value.length, end), value);
        },
      ),
      { seed: 24 },
    );
  });
});

describe('roundUp8', () => {
  it('gives the next multiple of eight', () => {
    assert.deepEqual([0, 1, 7, 8, 9, 65_529].map(roundUp8), [0, 8, 8, 8, 16, 65_536]);
  });
});
