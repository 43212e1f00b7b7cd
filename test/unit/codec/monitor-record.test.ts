import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  encodeContainerRecord,
  encodeImageRecord,
  isMonitorRecord,
  readInt32,
  textEnd,
} from '../../../src/codec/monitor-record.ts';
import { CONTAINER_STATES, IMAGE_STATES } from '../../../src/event/operators.ts';
import { anyText, wellFormed } from '../../support/events.ts';
import { concat, monitorRecord, RECORD_BYTES, validRecord } from '../../support/records.ts';

/** The operator strings of iSulad 2.1.6 in the order of their values, where Tocsin's word is not iSulad's own. */
const CONTAINER_WORDS = (
  'exit die starting running stopping aborting freezing frozen thawed oom create start restart stop exec_create ' +
  'exec_start exec_die attach kill top rename archive-path extract-to-dir update pause unpause export resize paused1'
).split(' ');
const IMAGE_WORDS = ['load', 'remove', 'pull', 'login', 'logout', 'import', 'tag'];

function valueOf(record: Uint8Array): number {
  return new DataView(record.buffer).getInt32(584, true);
}

function filled(size: number): Uint8Array {
  return new Uint8Array(size).fill(0x61);
}

describe('encodeContainerRecord', () => {
  it('puts every field where the C struct has it', () => {
    const given = { pid: 9007, exitCode: 137, args: 'ls -l', extra: 'signal=9' };
    assert.deepEqual(
      encodeContainerRecord({ id: '3277ec2e', state: 'STOPPED', ...given }),
      monitorRecord({ name: '3277ec2e', value: 1, ...given }),
    );
  });

  it('sends no pid and exit code 0 where none is given, as iSulad does', () => {
    assert.deepEqual(
      encodeContainerRecord({ id: 'c1', state: 'START' }),
      monitorRecord({ name: 'c1', value: 11, exitCode: 0, pid: -1 }),
    );
  });

  it('sends -1 for a pid that is none and for a negative exit code', () => {
    assert.deepEqual(
      encodeContainerRecord({ id: 'c1', state: 'die', pid: 0, exitCode: -5 }),
      monitorRecord({ name: 'c1', value: 1, pid: -1, exitCode: -1 }),
    );
  });

  it('takes the largest 32-bit numbers and refuses larger ones and fractions', () => {
    const record = encodeContainerRecord({ id: 'c1', state: 'die', pid: 0x7fffffff, exitCode: 0x7fffffff });
    assert.deepEqual(record, monitorRecord({ value: 1, pid: 0x7fffffff, exitCode: 0x7fffffff }));
    for (const wrong of [2 ** 31, 1.5, Infinity]) {
      assert.throws(() => encodeContainerRecord({ id: 'c1', state: 'die', pid: wrong }), { code: 'ERR_EVENT_INVALID' });
      assert.throws(() => encodeContainerRecord({ id: 'c1', state: 'die', exitCode: wrong }), {
        code: 'ERR_EVENT_INVALID',
      });
    }
  });

  it('knows all 29 states by iSulad\u2019s name and by the action, in any case', () => {
    assert.equal(CONTAINER_STATES.length, 29);
    assert.deepEqual(
      CONTAINER_STATES.map((row) => row.action),
      CONTAINER_WORDS,
    );
    CONTAINER_STATES.forEach(({ state, action }, value) => {
      for (const word of [state, action, state.toLowerCase(), action.toUpperCase(), state.replaceAll('_', '-')]) {
        const record = encodeContainerRecord({ id: 'c1', state: word });
        assert.equal(valueOf(record), value, word);
        assert.equal(isMonitorRecord(record, 0), true);
      }
    });
  });

  it('cuts texts to what the record holds, and never inside a character', () => {
    for (const [character, bytes] of [
      ['ä', 2],
      ['€', 3],
      ['𝄞', 4],
    ] as const) {
      for (const [field, limit] of [
        ['id', 64],
        ['args', 254],
        ['extra', 254],
      ] as const) {
        for (let before = limit - bytes - 1; before <= limit; before += 1) {
          const text = 'x'.repeat(before) + character;
          const record = encodeContainerRecord({ id: 'c1', state: 'exec_create', [field]: text });
          const kept = before + bytes <= limit ? text : 'x'.repeat(before);
          const expected = { name: 'c1', value: 14, [field === 'id' ? 'name' : field]: kept };
          assert.deepEqual(record, monitorRecord(expected), `${character} in ${field} at ${before}`);
        }
      }
    }
  });

  it('writes a valid record of valid UTF-8 for any text without NUL', () => {
    const text = anyText.map((some) => some.replaceAll('\0', ''));
    fc.assert(
      fc.property(text, text, text, (name, args, extra) => {
        const id = `c${name}`;
        const record = encodeContainerRecord({ id, state: 'exec_create', args, extra });
        assert.equal(record.length, RECORD_BYTES);
        assert.equal(isMonitorRecord(record, 0), true);
        for (const [at, size, given] of [[8, 65, id] as const, [73, 255, args] as const, [328, 255, extra] as const]) {
          const kept = Buffer.from(record.subarray(at, textEnd(record, at, size)));
          assert.ok(wellFormed(given).startsWith(kept.toString()));
          assert.ok(Buffer.from(kept.toString()).equals(kept));
          assert.ok(kept.length > size - 5 || kept.toString() === wellFormed(given));
        }
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  it('refuses what a record cannot say', () => {
    const invalid = { code: 'ERR_EVENT_INVALID' };
    assert.throws(() => encodeContainerRecord({ id: '', state: 'START' }), invalid);
    assert.throws(() => encodeContainerRecord({ id: 'a\0b', state: 'START' }), invalid);
    assert.throws(() => encodeContainerRecord({ id: 'c1', state: 'START', args: '\0' }), invalid);
    assert.throws(() => encodeContainerRecord({ id: 'c1', state: 'START', extra: 'a=\0' }), invalid);
    for (const state of ['', 'STOPED', 'load', '11', 'reanme', 'toString']) {
      assert.throws(() => encodeContainerRecord({ id: 'c1', state }), { code: 'ERR_STATE_UNKNOWN' }, state);
    }
  });
});

describe('encodeImageRecord', () => {
  it('says exit code 0 and pid 0, as iSulad does', () => {
    assert.deepEqual(
      encodeImageRecord({ ref: 'busybox:latest', state: 'PULL' }),
      monitorRecord({ eventType: 1, name: 'busybox:latest', value: 2, exitCode: 0, pid: 0 }),
    );
  });

  it('knows all 7 states', () => {
    assert.deepEqual(
      IMAGE_STATES.map((row) => row.action),
      IMAGE_WORDS,
    );
    IMAGE_STATES.forEach(({ state, action }, value) => {
      for (const word of [state, action, action.toUpperCase()]) {
        const record = encodeImageRecord({ ref: 'busybox', state: word });
        assert.equal(valueOf(record), value, word);
        assert.equal(isMonitorRecord(record, 0), true);
      }
    });
  });

  it('refuses an empty reference and the states of containers', () => {
    assert.throws(() => encodeImageRecord({ ref: '', state: 'PULL' }), { code: 'ERR_EVENT_INVALID' });
    assert.throws(() => encodeImageRecord({ ref: 'busybox', state: 'START' }), { code: 'ERR_STATE_UNKNOWN' });
  });
});

describe('isMonitorRecord', () => {
  const isRecord = (parts: Parameters<typeof monitorRecord>[0]): boolean => isMonitorRecord(monitorRecord(parts), 0);

  it('takes the types 0 to 2 and no other', () => {
    for (const type of [0, 1, 2]) assert.equal(isRecord({ type }), true, String(type));
    for (const type of [3, 255, 0x100, 0x7fffffff, 0x80000000, 0xffffffff]) assert.equal(isRecord({ type }), false);
  });

  it('takes container and image records and no other', () => {
    assert.equal(isRecord({ eventType: 0 }), true);
    assert.equal(isRecord({ eventType: 1, value: 0 }), true);
    for (const eventType of [2, 0x100, 0xffffffff]) assert.equal(isRecord({ eventType }), false);
  });

  it('takes the states that exist and no other', () => {
    for (const [eventType, states] of [
      [0, 29],
      [1, 7],
    ] as const) {
      for (let value = 0; value < states; value += 1) assert.equal(isRecord({ eventType, value }), true);
      for (const value of [states, 256, -1, -2147483648, 0x7fffffff]) {
        assert.equal(isRecord({ eventType, value }), false);
      }
    }
  });

  it('wants a NUL within each text: the longest texts end in the last byte', () => {
    assert.equal(isRecord({ name: filled(64), args: filled(254), extra: filled(254) }), true);
    assert.equal(isRecord({ name: filled(65) }), false);
    assert.equal(isRecord({ args: filled(255) }), false);
    assert.equal(isRecord({ extra: filled(255) }), false);
  });

  it('takes a text with rubbish behind its NUL: senders need not zero-fill', () => {
    const rubbish = Uint8Array.from({ length: 65 }, (_, index) => (index === 2 ? 0 : 0x61));
    assert.equal(isRecord({ name: rubbish }), true);
  });

  it('wants a name', () => {
    assert.equal(isRecord({ name: '' }), false);
    assert.equal(isRecord({ name: Uint8Array.of(0, 0x61) }), false);
  });

  it('does not look at the padding, the exit code and the pid', () => {
    const record = monitorRecord({ exitCode: -77, pid: -77 });
    record[583] = 0xff;
    assert.equal(isMonitorRecord(record, 0), true);
  });

  it('takes every record that a sender makes, at any offset, aligned or not', () => {
    fc.assert(
      fc.property(validRecord, fc.nat(9), (record, offset) => {
        const bytes = concat([new Uint8Array(offset).fill(0xff), record]);
        assert.equal(isMonitorRecord(bytes, offset), true);
      }),
      { seed: 12 },
    );
  });
});

describe('readInt32', () => {
  it('reads what DataView reads, at any offset', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 12 }), (bytes) => {
        const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        for (let at = 0; at + 4 <= bytes.length; at += 1) {
          assert.equal(readInt32(bytes, at), fields.getInt32(at, true));
        }
      }),
      { seed: 13 },
    );
  });
});
