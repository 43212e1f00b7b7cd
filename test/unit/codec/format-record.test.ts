import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../../src/codec/bytes.ts';
import { DockerJsonEncoder } from '../../../src/codec/docker-json.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import { makeOrigin, RecordFormatter } from '../../../src/codec/format-record.ts';
import { NativeJsonEncoder } from '../../../src/codec/native-json.ts';
import { CONTAINER_STATES, IMAGE_STATES } from '../../../src/event/operators.ts';
import { EVENT, FLAG_PLAIN, FLAG_REPLACED_UTF8 } from '../../../src/messages/layout.ts';
import { EPOCH, EPOCHS } from '../../support/log.ts';
import { concat, monitorRecord, type RecordParts } from '../../support/records.ts';

const STOPPED = 1;
const START = 11;
const EXEC_CREATE = 14;
const KILL = 18;

type Spec = Parameters<typeof makeOrigin>[1];

const KNOWN: Spec = { pid: 0, exitCode: 0, known: true };
const UNKNOWN: Spec = { pid: 0, exitCode: 0, known: false };

/** What one record becomes, seen through a view, with the guards around it checked. */
function formatted(parts: RecordParts, spec: Partial<Spec> = {}, formatter = new RecordFormatter()) {
  const view = new EventView(new SharedArrayBuffer(128 * 1024));
  view.bytes.fill(0xee);
  const ring = concat([new Uint8Array(3), monitorRecord(parts)]);
  const origin = makeOrigin(utf8('3277ec2e57cd'), { ...KNOWN, ...spec });
  const end = formatter.format(view, 64, ring, 3, origin, 2 ** 40 + 5, 1_700_000_000, 7);
  assert.equal(end % 8, 0);
  assert.ok(end - 64 <= origin.maxRecordBytes);
  assert.ok(view.bytes.subarray(0, 64).every((byte) => byte === 0xee));
  assert.ok(view.bytes.subarray(64 + origin.maxRecordBytes).every((byte) => byte === 0xee));
  view.at = 64;
  assert.equal(view.byteLength, end - 64);
  return { view, formatter, event: view.toEvent(EPOCHS), attributes: [...view.attributes()] };
}

function isFlagged(view: EventView): boolean {
  return (view.half(EVENT.FLAGS) & FLAG_REPLACED_UTF8) !== 0;
}

describe('RecordFormatter', () => {
  it('makes the event of a record: words, id, args, number, time and source', () => {
    const { event, view } = formatted({ value: EXEC_CREATE, args: 'ls -l' });
    assert.deepEqual(event, {
      seq: 2 ** 40 + 5,
      cursor: `${EPOCH}-${2 ** 40 + 5}`,
      time: '2023-11-14T22:13:20.000000007Z',
      timeNano: '1700000000000000007',
      type: 'container',
      action: 'exec_create',
      args: 'ls -l',
      id: '3277ec2e57cd',
      attributes: {},
      source: 'fifo',
    });
    assert.equal(view.kind, 1);
    assert.equal(isFlagged(view), false);
  });

  it('knows the word of every state', () => {
    CONTAINER_STATES.forEach(({ action }, value) => {
      const { event } = formatted({ value });
      assert.deepEqual([event.type, event.action], ['container', action]);
    });
    IMAGE_STATES.forEach(({ action }, value) => {
      const { event } = formatted({ eventType: 1, value }, UNKNOWN);
      assert.deepEqual([event.type, event.action], ['image', action]);
    });
  });

  it('shows image, name, labels and the sender\u2019s own, in this order', () => {
    const labels = { zone: 'eu', app: 'web' };
    const { attributes } = formatted({ value: KILL, extra: 'signal=9' }, { labels, name: 'web-1', image: 'nginx' });
    assert.deepEqual(attributes, [
      ['image', 'nginx'],
      ['name', 'web-1'],
      ['zone', 'eu'],
      ['app', 'web'],
      ['signal', '9'],
    ]);
  });

  it('splits the sender\u2019s own at the first equals sign; key and value may be empty', () => {
    assert.deepEqual(formatted({ extra: 'oldName=a=b' }).attributes, [['oldName', 'a=b']]);
    assert.deepEqual(formatted({ extra: 'key=' }).attributes, [['key', '']]);
    assert.deepEqual(formatted({ extra: '=value' }).attributes, [['', 'value']]);
  });

  it('leaves out an extra without equals sign and counts it', () => {
    const { attributes, formatter } = formatted({ extra: 'signal' }, { image: 'nginx' });
    assert.deepEqual(attributes, [['image', 'nginx']]);
    assert.equal(formatter.extraDropped, 1);
    assert.equal(formatter.attributesShadowed, 0);
  });

  it('leaves out an extra with the key of a built-in and counts it', () => {
    for (const key of ['pid', 'exitCode', 'image', 'name']) {
      const { attributes, event, formatter } = formatted({ extra: `${key}=666` }, { image: 'nginx', name: 'web' });
      assert.deepEqual(attributes, [
        ['image', 'nginx'],
        ['name', 'web'],
      ]);
      assert.equal(event.pid, undefined);
      assert.equal(formatter.attributesShadowed, 1);
    }
  });

  it('leaves out labels with the key of a built-in', () => {
    const labels = { image: 'evil', pid: '1', app: 'web', name: 'evil', exitCode: '0' };
    assert.deepEqual(formatted({}, { labels, image: 'nginx' }).attributes, [
      ['image', 'nginx'],
      ['app', 'web'],
    ]);
    // Also where the built-in itself is absent: a client cannot tell who said it.
    assert.deepEqual(formatted({}, { labels }).attributes, [['app', 'web']]);
  });

  it('lets an extra replace the label of its key and keeps the others', () => {
    const labels = { a: '1', b: '2', c: '3' };
    const { attributes, event } = formatted({ extra: 'b=new' }, { labels, image: 'nginx', name: 'web', pid: 5 });
    assert.deepEqual(attributes, [
      ['image', 'nginx'],
      ['name', 'web'],
      ['a', '1'],
      ['c', '3'],
      ['b', 'new'],
    ]);
    assert.equal(event.pid, 5);
  });

  it('does not mistake what every object inherits for a label', () => {
    assert.deepEqual(formatted({ extra: 'toString=x' }, { labels: { a: '1' } }).attributes, [
      ['a', '1'],
      ['toString', 'x'],
    ]);
    const labels = JSON.parse('{"__proto__":"a","b":"c"}') as Record<string, string>;
    assert.deepEqual(formatted({ extra: '__proto__=x' }, { labels }).attributes, [
      ['b', 'c'],
      ['__proto__', 'x'],
    ]);
  });

  it('has each key once, whatever labels and extra say', () => {
    const key = fc.oneof(
      fc.constantFrom('a', 'b', 'image', 'name', 'pid', '1', '__proto__'),
      fc.stringMatching(/^[a-c]{1,2}$/),
    );
    const label = fc.tuple(key, fc.constantFrom('', 'x', 'ä=€'));
    fc.assert(
      fc.property(fc.array(label), fc.option(label, { nil: undefined }), (pairs, own) => {
        const labels = Object.fromEntries(pairs);
        const extra = own ? own.join('=') : '';
        const { attributes } = formatted({ extra }, { labels, name: 'web' });
        const builtIn = new Set(['image', 'name', 'pid', 'exitCode']);
        const shown = Object.entries(labels).filter(([name]) => !builtIn.has(name) && name !== own?.[0]);
        const ownShown = own && !builtIn.has(own[0]) ? [own] : [];
        assert.deepEqual(attributes, [['name', 'web'], ...shown, ...ownShown]);
      }),
      { numRuns: 300, seed: 31 },
    );
  });

  it('shows the exit code of a stopped container, 0 too, and 125 where the sender knew none', () => {
    assert.equal(formatted({ value: STOPPED, exitCode: 0 }).event.exitCode, 0);
    assert.equal(formatted({ value: STOPPED, exitCode: 137 }).event.exitCode, 137);
    assert.equal(formatted({ value: STOPPED, exitCode: -1 }).event.exitCode, 125);
    assert.equal(formatted({ value: STOPPED, exitCode: -99 }, { exitCode: 3 }).event.exitCode, 125);
  });

  it('shows the exit code of the last run with any other event, never the record\u2019s own', () => {
    assert.equal(formatted({ value: KILL, exitCode: 9 }, { exitCode: 3 }).event.exitCode, 3);
    assert.equal(formatted({ value: KILL, exitCode: 9 }).event.exitCode, undefined);
    assert.equal(formatted({ value: STOPPED, exitCode: 0 }, { exitCode: 3 }).event.exitCode, 0);
  });

  it('shows the process of a known container as the table has it, not as the record says', () => {
    assert.equal(formatted({ value: STOPPED, pid: 1234 }, { pid: 9007 }).event.pid, 9007);
    assert.equal(formatted({ value: STOPPED, pid: 1234 }, { pid: 0 }).event.pid, undefined);
  });

  it('shows the record\u2019s process for a container that nobody described', () => {
    assert.equal(formatted({ pid: 1234 }, UNKNOWN).event.pid, 1234);
    assert.equal(formatted({ pid: -1 }, UNKNOWN).event.pid, undefined);
    assert.equal(formatted({ pid: 0 }, UNKNOWN).event.pid, undefined);
  });

  it('shows neither attributes nor process nor exit code nor args of an image', () => {
    const record: RecordParts = { eventType: 1, value: 2, args: 'x', extra: 'a=b', pid: 77, exitCode: 3 };
    const { event, view } = formatted(record, UNKNOWN);
    assert.deepEqual(event.attributes, {});
    assert.equal(event.pid, undefined);
    assert.equal(event.exitCode, undefined);
    assert.equal(event.args, undefined);
    assert.equal(event.id, '3277ec2e57cd');
    assert.equal(view.attributeCount, 0);
  });

  it('replaces invalid UTF-8, flags the event and counts it once', () => {
    const formatter = new RecordFormatter();
    const args = Uint8Array.of(0x6c, 0x73, 0x20, 0xe2, 0x82);
    const extra = Uint8Array.of(0x61, 0x3d, 0xff);
    const { event, view } = formatted({ value: EXEC_CREATE, args, extra }, {}, formatter);
    assert.equal(event.args, 'ls \ufffd');
    assert.deepEqual(event.attributes, { a: '\ufffd' });
    assert.equal(isFlagged(view), true);
    assert.equal(formatter.utf8Replaced, 1);
    assert.equal(isFlagged(formatted({ value: START }, {}, formatter).view), false);
    assert.equal(formatter.utf8Replaced, 1);
  });

  it('leaves valid UTF-8 as it is, a replacement character that the sender wrote too', () => {
    const { event, view, formatter } = formatted({ value: EXEC_CREATE, args: 'é€𝄞\ufffd', extra: 'ü=ö' });
    assert.equal(event.args, 'é€𝄞\ufffd');
    assert.deepEqual(event.attributes, { ü: 'ö' });
    assert.equal(isFlagged(view), false);
    assert.equal(formatter.utf8Replaced, 0);
  });

  it('says of an event that its texts are plain only if JSON shows each as it is', () => {
    const isSaidPlain = (parts: RecordParts, spec: Partial<Spec> = {}): boolean =>
      (formatted(parts, spec).view.half(EVENT.FLAGS) & FLAG_PLAIN) !== 0;
    const plain = { value: EXEC_CREATE, args: 'ls -l /tmp', extra: 'who=somebody' };
    assert.equal(isSaidPlain(plain, { image: 'busybox', name: 'web', labels: { tier: 'front' } }), true);
    for (const special of ['"', '\\', '<', '>', '&', '\n', '\u001f', '\u007fé', 'é', '\u2028', '\ufffd'])
      for (const at of [0, 1, 2, 3, 4, 5, 6, 7]) {
        const text = `${'x'.repeat(at)}${special}abc`;
        assert.equal(isSaidPlain({ ...plain, args: text }), false);
        assert.equal(isSaidPlain({ ...plain, extra: `${text}=value` }), false);
        assert.equal(isSaidPlain({ ...plain, extra: `key=${text}` }), false);
        assert.equal(isSaidPlain(plain, { image: text }), false);
        assert.equal(isSaidPlain(plain, { name: text }), false);
        assert.equal(isSaidPlain(plain, { labels: { [text]: 'value' } }), false);
        assert.equal(isSaidPlain(plain, { labels: { key: text } }), false);
        assert.equal(isSaidPlain({ ...plain, extra: `tier=${text}` }, { labels: { tier: 'front' } }), false);
      }
  });

  it('makes events that encoders show as JSON, plain or not', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.integer({ min: 1, max: 0x7f }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
      fc.string({ unit: fc.constantFrom('a', 'B', '7', '-', '"', '<'), maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
    );
    const native = new NativeJsonEncoder(EPOCHS, 'plain');
    const docker = new DockerJsonEncoder({
      dialect: 'modern',
      framing: 'plain',
      isSequence: false,
      cursors: undefined,
    });
    fc.assert(
      fc.property(text, text, text, (args, value, label) => {
        fc.pre(![args, value, label].some((each) => each.includes('\0')));
        const { view, event } = formatted({ value: EXEC_CREATE, args, extra: `who=${value}` }, { labels: { label } });
        const out = new Uint8Array(64 * 1024);
        const shown = (encoder: { encode: typeof native.encode }): unknown =>
          JSON.parse(Buffer.from(out.subarray(0, encoder.encode(view, out, 0))).toString());
        assert.deepEqual(shown(native), JSON.parse(JSON.stringify(event)));
        const { Action, Actor } = shown(docker) as { Action: string; Actor: { Attributes: Record<string, string> } };
        assert.equal(Action, event.args === undefined ? event.action : `${event.action}: ${event.args}`);
        assert.deepEqual(Actor.Attributes, event.attributes);
      }),
      { seed: 21, numRuns: 500 },
    );
  });

  it('ignores what follows the NUL of a text', () => {
    const args = Uint8Array.from({ length: 255 }, (_, index) => (index === 2 ? 0 : 0x61 + (index % 7)));
    assert.equal(formatted({ value: EXEC_CREATE, args }).event.args, 'ab');
  });

  it('keeps within the room it asks for when every byte has to be replaced', () => {
    const bytes = new Uint8Array(254).fill(0xff);
    const labels = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`key${index}`, 'x'.repeat(100)]));
    const { event } = formatted({ value: 22, args: bytes, extra: concat([utf8('k='), bytes.subarray(2)]) }, { labels });
    assert.equal(event.args, '\ufffd'.repeat(254));
    assert.equal(event.attributes.k, '\ufffd'.repeat(252));
  });

  it('keeps within its room for any bytes that make a valid record', () => {
    const field = (size: number) => fc.uint8Array({ maxLength: size - 1 });
    fc.assert(
      fc.property(
        field(255),
        field(255),
        fc.nat(28),
        fc.dictionary(fc.string(), fc.string()),
        (args, extra, value, labels) => {
          const { event } = formatted({ args, extra, value }, { labels, image: 'i', name: 'n' });
          assert.equal(event.action, CONTAINER_STATES[value]?.action);
        },
      ),
      { numRuns: 300, seed: 32 },
    );
  });
});
