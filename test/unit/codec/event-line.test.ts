import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBlankLine } from '../../../src/codec/event-line.ts';
import { EventPacker } from '../../../src/codec/event-packer.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import { TocsinError } from '../../../src/event/errors.ts';
import { EVENT, FLAG_PLAIN, FLAG_REPLACED_UTF8 } from '../../../src/messages/layout.ts';
import { anyLine, DOCKER_LINE, NATIVE_LINE } from '../../support/event-lines.ts';
import { type Outcome, outcomeOf } from '../../support/line-oracle.ts';
import { eventOfLine, eventOfRecord, packLine } from '../../support/packed.ts';

const DOCKER = '"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137","name":"web"}}';

describe('a line of a publisher', () => {
  it('is a native event', () => {
    const line =
      '{"type":"container","action":"start","id":"c1","attributes":{"a":"b"},"pid":7,"time":"2026-05-10T09:20:34.5Z"}';
    assert.deepEqual(eventOfLine(line), {
      type: 'container',
      action: 'start',
      id: 'c1',
      attributes: { a: 'b' },
      pid: 7,
      time: { sec: 1_778_404_834, nanos: 500_000_000 },
    });
  });

  it('may be one that was read: its place in another log does not count, whatever it is', () => {
    for (const place of ['"seq":7,"cursor":"k3x7q2mf-7"', '"seq":{"a":[null]},"cursor":-1.5e3', '"seq":"\\ud800"']) {
      const line = `{${place},"timeNano":"1778404834661862100","type":"a","action":"b","id":"c"}`;
      assert.deepEqual(eventOfLine(line), {
        type: 'a',
        action: 'b',
        id: 'c',
        attributes: {},
        time: { sec: 1_778_404_834, nanos: 661_862_100 },
      });
      assert.equal(packLine(line)[EVENT.FLAGS]! & ~FLAG_PLAIN, 0);
    }
  });

  it('may be Docker\u2019s', () => {
    assert.deepEqual(
      eventOfLine(
        `{"status":"die","id":"c1",${DOCKER},"scope":"local","time":1795474212,"timeNano":1795474212609846642}`,
      ),
      {
        type: 'container',
        action: 'die',
        id: 'c1',
        attributes: { name: 'web' },
        exitCode: 137,
        scope: 'local',
        source: 'docker',
        time: { sec: 1_795_474_212, nanos: 609_846_642 },
      },
    );
  });

  it('is Docker\u2019s wherever its Type stands', () => {
    const { type, id } = eventOfLine(
      '{"attributes":[],"id":7,"nonsense":1,"Action":"b","Actor":{"ID":"c"},"Type":"a"}',
    );
    assert.deepEqual([type, id], ['a', 'c']);
  });

  it('keeps nanoseconds, as text and as a number that no double holds', () => {
    for (const [digits, time] of [
      ['1795474212609846642', { sec: 1_795_474_212, nanos: 609_846_642 }],
      ['"1795474212609846642"', { sec: 1_795_474_212, nanos: 609_846_642 }],
      ['4294967295999999999', { sec: 4_294_967_295, nanos: 999_999_999 }],
      ['1000000001', { sec: 1, nanos: 1 }],
      ['999999999', { sec: 0, nanos: 999_999_999 }],
    ] as const) {
      const line = `{"type":"a","action":"b","id":"c","timeNano" : ${digits} ,"time":5}`;
      assert.deepEqual(eventOfLine(line).time, time);
    }
    const escaped = '{"type":"a","action":"b","id":"c","t\\u0069meNan\\u006f":1795474212609846642}';
    assert.deepEqual(eventOfLine(escaped).time, { sec: 1_795_474_212, nanos: 609_846_642 });
    for (const none of ['0', '"0"'])
      assert.deepEqual(eventOfLine(`{"type":"a","action":"b","id":"c","timeNano":${none},"time":5}`).time, {
        sec: 5,
        nanos: 0,
      });
    for (const bad of ['4294967296000000000', '12345678901234567890', '-1', '-0', '1.0', '1e18', 'null', '""', '[]'])
      refused(`{"type":"a","action":"b","id":"c","timeNano":${bad}}`);
  });

  it('keeps nanoseconds whatever a text of it says', () => {
    const text = JSON.stringify('x"timeNano":5,y');
    const line = `{"Type":"a","Action":"b","Actor":{"ID":"c","Attributes":{"k":${text}}},"timeNano":1795474212609846642}`;
    assert.deepEqual(eventOfLine(line).time, { sec: 1_795_474_212, nanos: 609_846_642 });
    assert.equal(eventOfLine(line).attributes?.['k'], 'x"timeNano":5,y');
  });

  it('has the args of Docker\u2019s action apart', () => {
    const split = (action: string): unknown => {
      const event = eventOfLine(JSON.stringify({ Type: 'container', Action: action }));
      return [event.action, event.args];
    };
    assert.deepEqual(split('exec_create: sh -c "a: b"'), ['exec_create', 'sh -c "a: b"']);
    assert.deepEqual(split('exec_create: '), ['exec_create: ', undefined]);
    assert.deepEqual(split('exec_create:'), ['exec_create:', undefined]);
    assert.deepEqual(split(': x'), [': x', undefined]);
    assert.deepEqual(split('\u00e9: \u00e9'), ['\u00e9', '\u00e9']);
  });

  it('keeps an exit code that is no number, or of another action, as an attribute', () => {
    for (const [type, action, exitCode] of [
      ['container', 'die', '007'],
      ['container', 'die', 'x'],
      ['container', 'top', '3'],
      ['network', 'die', '3'],
    ]) {
      const line = JSON.stringify({ Type: type, Action: action, Actor: { ID: 'c', Attributes: { exitCode } } });
      const event = eventOfLine(line);
      assert.deepEqual([event.exitCode, event.attributes], [undefined, { exitCode }]);
    }
  });

  it('has its attributes in its order, a key that comes again at its first place with its last value', () => {
    const attributes = '"b":"1","10":"2","a":"3","b":"4","2":"5","__proto__":"6","\\u0061":"7"';
    const expected = [
      ['b', '4'],
      ['10', '2'],
      ['a', '7'],
      ['2', '5'],
      ['__proto__', '6'],
    ];
    for (const line of [
      `{"type":"a","action":"b","id":"c","attributes":{"x":"y"},"attributes":{${attributes}}}`,
      `{"Type":"a","Action":"b","Actor":{"Attributes":{"x":"y"},"Attributes":{${attributes}}}}`,
      `{"Type":"a","Action":"b","Actor":{"Attributes":{"x":"y"}},"Actor":{"Attributes":{${attributes}}}}`,
    ])
      assert.deepEqual([...new EventView(packLine(line).buffer).attributes()], expected);
  });

  it('may have thousands of attributes, each as often as it likes', () => {
    const keys = Array.from({ length: 6_000 }, (_, index) => `k\u00e9${(index * 7919) % 2_000}`);
    const pairs = keys.map((key, index) => `${JSON.stringify(key)}:"${index}"`).join();
    const record = packLine(`{"type":"a","action":"b","id":"c","attributes":{${pairs}}}`);
    assert.deepEqual(
      [...new EventView(record.buffer).attributes()],
      [...new Map(keys.map((key, index) => [key, String(index)]))],
    );
    const different = Array.from({ length: 80_000 }, (_, index) => `"${index}":""`).join();
    refused(`{"type":"a","action":"b","id":"c","attributes":{${different}}}`, 'ERR_EVENT_TOO_LARGE');
  });

  it('is refused with a code when it is no event', () => {
    for (const line of [
      '',
      '[]',
      'null',
      '{',
      '"',
      '{"type":"a","action":"b"}',
      '{"type":"a","action":"b","id":"c","time":"10m"}',
      '{"type":"a","action":"b","id":"c","time":{}}',
      '{"type":"a","action":"b","id":"c","pid":-1}',
      '{"type":"a","action":"b","id":"c","pid":"1"}',
      '{"type":"a","action":"b","id":"c","attributes":null}',
      '{"type":"gap","action":"b","id":"c"}',
      '{"Type":"a"}',
      '{"Type":"a","Action":1}',
      '{"Type":"a","Action":"b","Actor":[]}',
      '{"Type":"a","Action":"b","Actor":{"Attributes":[]}}',
      '\ufeff{"type":"a","action":"b","id":"c"}',
      '{"type":"a","action":"b","id":"c"}\u00a0',
      '{"type":"a","action":"b","id":"c","timeNano":007}',
    ])
      refused(line);
  });

  it('is refused for a field that is not known, by its name', () => {
    const messageOf = (field: string): string => {
      try {
        packLine(`{"type":"a",${field}:{"deep":[1]},"action":"b","id":"c","Actor":1}`);
      } catch (error) {
        return (error as Error).message;
      }
      return assert.fail();
    };
    for (const field of ['"colour"', '""', '"typ"', '"Type "', '"c\u00f6l"', '"a\\"b"', '"__proto__"'])
      assert.equal(messageOf(field), `unknown field ${field}`);
  });

  it('is refused when it is nested too deep, however deep', () => {
    const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const line = (value: string): string => `{"type":"a","action":"b","id":"c","seq":${value}}`;
    assert.equal(eventOfLine(line(nested(127))).id, 'c');
    for (const depth of [128, 1_000, 500_000]) refused(line(nested(depth)));
    refused(nested(200_000));
    refused('['.repeat(1_000_000));
    refused('{"a":'.repeat(200_000));
  });

  it('is refused when it is too long, in any of its ways', () => {
    const long = 'x'.repeat(65_536);
    for (const fields of [
      `"args":"${long}"`,
      `"attributes":{"${long}":""}`,
      `"attributes":{"a":"${long}"}`,
      `"attributes":{"a":"${long.slice(9)}","b":"${long.slice(9)}","c":"${long.slice(9)}"}`,
      `"args":"${'\\u20ac'.repeat(21_900)}"`,
    ])
      refused(`{"type":"a","action":"b","id":"c",${fields}}`, 'ERR_EVENT_TOO_LARGE');
    // What comes too late to count must not be long either way.
    const last = eventOfLine(
      `{"type":"a","action":"b","id":"c","args":"${long}","args":"${'\\u0061'.repeat(60_000)}"}`,
    );
    assert.equal(last.args?.length, 60_000);
  });

  it('has U+FFFD for what is no UTF-8 in its texts, as a decoder has it, and says so', () => {
    const bytes = fc.uint8Array({ maxLength: 12 }).map((some) => some.filter((byte) => byte >= 0x80));
    fc.assert(
      fc.property(bytes, bytes, bytes, (id, key, value) => {
        const part = (text: string): Buffer => Buffer.from(text);
        const line = Buffer.concat([
          part('{"type":"a","action":"b","seq":"\\ud800","id":"x'),
          id,
          part('y","attributes":{"'),
          key,
          part('":"'),
          value,
          part('"}}'),
        ]);
        const record = packLine(line);
        const event = eventOfRecord(record);
        assert.equal(event.id, `x${Buffer.from(id).toString()}y`);
        assert.deepEqual(event.attributes, { [Buffer.from(key).toString()]: Buffer.from(value).toString() });
        const isReplaced = ![id, key, value].every((each) => isUtf8(each));
        assert.equal(record[EVENT.FLAGS]! & ~FLAG_PLAIN, isReplaced ? FLAG_REPLACED_UTF8 : 0);
      }),
      { numRuns: 1_000, seed: 31 },
    );
  });

  it('is what JSON.parse and the rules make of it', () => {
    // One packer for all: nothing of a line may be left for the next one.
    const packer = new EventPacker();
    let taken = 0;
    fc.assert(
      fc.property(anyLine, (line) => {
        packer.clear();
        taken += agree(Buffer.from(line), packer);
      }),
      { numRuns: 5_000, seed: 32 },
    );
    assert.ok(taken > 1_000, `only ${taken} of 5,000 lines were events`);
  });

  it('is said to be plain only if JSON shows all of its texts as they are', () => {
    const isSaidPlain = (line: string): boolean => (packLine(line)[EVENT.FLAGS]! & FLAG_PLAIN) !== 0;
    for (const special of [
      '\\"',
      '\\\\',
      '<',
      '>',
      '&',
      '\\n',
      '\\u0041',
      '\u007f\u00e9',
      '\u2028',
      '\ufffd',
      'plain',
      '|',
      '~',
    ])
      for (let at = 0; at < 8; at += 1) {
        const text = `${'x'.repeat(at)}${special}abc`;
        const lines = [
          `{"type":"${text}","action":"b","id":"c"}`,
          `{"type":"a","action":"${text}","id":"c"}`,
          `{"type":"a","action":"b","args":"${text}","id":"c"}`,
          `{"type":"a","action":"b","id":"${text}","attributes":{"k":"v"}}`,
          `{"type":"a","action":"b","id":"c","attributes":{"${text}":"v"}}`,
          `{"type":"a","action":"b","id":"c","attributes":{"k":"${text}"}}`,
          `{"Type":"a","Action":"${text}","Actor":{"ID":"c","Attributes":{"k":"v"}}}`,
          `{"Type":"a","Action":"b","Actor":{"ID":"c","Attributes":{"k":"${text}"}}}`,
        ];
        for (const line of lines) assert.equal(isSaidPlain(line), /^(?:plain|\||~)$/.test(special), line);
      }
    const name = 'a\u00e9';
    const packer = new EventPacker(name);
    packer.addLine(Buffer.from(DOCKER_LINE), 0, Buffer.byteLength(DOCKER_LINE));
    assert.equal(packer.records(0, 1)[EVENT.FLAGS]! & FLAG_PLAIN, 0, 'its source is not');
  });

  it('says nothing about the lines behind it', () => {
    const packer = new EventPacker();
    const bare = ['{"type":"a","action":"b","id":"c"}', '{"Type":"a","Action":"b"}'];
    for (const line of [NATIVE_LINE, DOCKER_LINE, ...bare]) {
      for (const next of bare) {
        packer.clear();
        for (const each of [line, next]) packer.addLine(Buffer.from(each), 0, Buffer.byteLength(each));
        assert.deepEqual(Buffer.from(packer.records(1, 2)), Buffer.from(packLine(next)));
      }
    }
  });

  it('is refused when it is cut off anywhere', () => {
    for (const line of [NATIVE_LINE, DOCKER_LINE]) {
      const bytes = Buffer.from(line);
      assert.equal(agree(bytes), 1);
      for (let end = 0; end < bytes.length; end += 1) {
        const packer = new EventPacker();
        // What stands behind the end does not count.
        assert.throws(() => packer.addLine(bytes, 0, end), { code: 'ERR_EVENT_INVALID' });
        assert.equal(packer.count, 0);
      }
    }
  });

  it('with damaged bytes is what JSON.parse and the rules make of it', () => {
    const change = fc.record({
      at: fc.nat(),
      removed: fc.nat(3),
      put: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom(...'{ } [ ] " , : \\ 0 e - . u \n'.split(' '), ' ').map((char) => Buffer.from(char)),
      ),
    });
    fc.assert(
      fc.property(
        fc.oneof(anyLine, fc.constantFrom(NATIVE_LINE, DOCKER_LINE)),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (line, changes) => {
          let bytes = Buffer.from(line);
          for (const { at, removed, put } of changes) {
            const from = at % (bytes.length + 1);
            bytes = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + removed)]);
          }
          agree(bytes);
        },
      ),
      { numRuns: 5_000, seed: 33 },
    );
  });

  it('never fails in another way, and leaves nothing of itself behind', () => {
    const packer = new EventPacker();
    const good = Buffer.from(NATIVE_LINE);
    const anyBytes = fc.oneof(
      fc.json().map((it) => Buffer.from(it)),
      fc.uint8Array({ maxLength: 40 }),
      fc
        .array(fc.constantFrom(...'{ } [ ] " , : \\ 0 1 9 e - . u t r f a l s n'.split(' '), ' '), { maxLength: 30 })
        .map((it) => Buffer.from(it.join(''))),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        packer.clear();
        packer.addLine(good, 0, good.length);
        const before = Buffer.from(packer.records(0, 1));
        agree(bytes, packer);
        packer.addLine(good, 0, good.length);
        const { count } = packer;
        assert.deepEqual(Buffer.from(packer.records(0, 1)), before);
        assert.deepEqual(Buffer.from(packer.records(count - 1, count)), before);
      }),
      { numRuns: 2_000, seed: 34 },
    );
  });
});

describe('a line without anything', () => {
  it('has white space alone, as String.trim understands it', () => {
    const some = fc.oneof(
      fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\v', '\f', '\u00a0', '\u2028', '\ufeff', '\u0085') }),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(some, some, (before, text) => {
        const bytes = Buffer.from(`${before}${text}x`);
        assert.equal(isBlankLine(bytes, 0, bytes.length - 1), `${before}${text}`.trim() === '');
      }),
      { seed: 35 },
    );
  });
});

function refused(line: string, code = 'ERR_EVENT_INVALID'): void {
  assert.throws(() => packLine(line), { name: 'TocsinError', code }, line.slice(0, 100));
}

/** The packer and the oracle are of one mind. @returns 1 when the line is an event, else 0 */
function agree(bytes: Uint8Array, packer = new EventPacker()): 0 | 1 {
  const { count } = packer;
  const expected = outcomeOf(bytes);
  let outcome: Outcome;
  try {
    packer.addLine(bytes, 0, bytes.length);
    const record = packer.records(count, count + 1).slice();
    if (record[EVENT.FLAGS]! & FLAG_PLAIN) assert.match(textsOf(record), /^[ !#-%'-;=?-[\]-\u007f]*$/);
    // The oracle cannot tell a U+FFFD that was sent from one for bytes that were no UTF-8.
    const isReplaced = isUtf8(bytes)
      ? (record[EVENT.FLAGS]! & FLAG_REPLACED_UTF8) !== 0
      : 'isReplaced' in expected && expected.isReplaced;
    outcome = { event: eventOfRecord(record), isReplaced };
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    assert.equal(packer.count, count);
    outcome = { code: error.code };
  }
  assert.deepEqual(outcome, expected, Buffer.from(bytes).toString());
  return 'event' in outcome ? 1 : 0;
}

/** Keys of attributes among them. */
function textsOf(record: Uint8Array<ArrayBuffer>): string {
  const view = new EventView(record.buffer);
  const { type, action, args, id, scope, source, namespace } = view;
  return [type, action, args, id, scope, source, namespace, ...[...view.attributes()].flat()].join('');
}
