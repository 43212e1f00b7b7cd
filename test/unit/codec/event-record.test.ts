import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readUint16, roundUp8, writeAttribute } from '../../../src/codec/event-record.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { anyEvent, wellFormed, wellFormedAttributes } from '../../support/events.ts';
import { EPOCH, EPOCHS, viewOf } from '../../support/log.ts';

const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

/** Byte order marks have tests of their own (bytes.test.ts). */
const markless = anyEvent.filter((event) => !JSON.stringify(event).includes('\ufeff'));

describe('EventView', () => {
  it('shows the event as the native line does, and leaves out what is absent', () => {
    const view = viewOf(MINIMAL, { seq: 7, time: { sec: 1_652_174_434, nanos: 661_862_100 } });
    assert.deepEqual(view.toEvent(EPOCHS), {
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
        const { time: _, timeNano: __, ...shown } = viewOf(event, { seq }).toEvent(EPOCHS);
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
    const { pid, exitCode } = viewOf({ ...MINIMAL, pid: 0, exitCode: 0 }).toEvent(EPOCHS);
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
    const shown = viewOf({ ...MINIMAL, attributes }).toEvent(EPOCHS).attributes;
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
