import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEventLine } from '../../../src/codec/event-line.ts';
import { packEvent } from '../../../src/codec/event-record.ts';
import { TocsinError } from '../../../src/event/errors.ts';

const DOCKER = '"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137","name":"web"}}';

describe('a line of a publisher', () => {
  it('is a native event', () => {
    const line =
      '{"type":"container","action":"start","id":"c1","attributes":{"a":"b"},"pid":7,"time":"2026-05-10T09:20:34.5Z"}';
    assert.deepEqual(parseEventLine(line), {
      type: 'container',
      action: 'start',
      id: 'c1',
      attributes: { a: 'b' },
      pid: 7,
      time: { sec: 1_778_404_834, nanos: 500_000_000 },
    });
  });

  it('may be one that was read: its place in another log does not count', () => {
    const event = parseEventLine(
      '{"seq":7,"cursor":"k3x7q2mf-7","timeNano":"1778404834661862100","type":"a","action":"b","id":"c"}',
    );
    assert.deepEqual(event, { type: 'a', action: 'b', id: 'c', time: { sec: 1_778_404_834, nanos: 661_862_100 } });
  });

  it('may be Docker\u2019s', () => {
    assert.deepEqual(
      parseEventLine(
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

  it('keeps nanoseconds whatever a text of it says', () => {
    const text = JSON.stringify('x"timeNano":5,y');
    const line = `{"Type":"a","Action":"b","Actor":{"ID":"c","Attributes":{"k":${text}}},"timeNano":1795474212609846642}`;
    assert.deepEqual(parseEventLine(line).time, { sec: 1_795_474_212, nanos: 609_846_642 });
    assert.equal(parseEventLine(line).attributes?.['k'], 'x"timeNano":5,y');
  });

  it('has the args of Docker\u2019s action apart', () => {
    const split = (action: string): unknown => {
      const event = parseEventLine(JSON.stringify({ Type: 'container', Action: action }));
      return [event.action, event.args];
    };
    assert.deepEqual(split('exec_create: sh -c "a: b"'), ['exec_create', 'sh -c "a: b"']);
    assert.deepEqual(split('exec_create: '), ['exec_create: ', undefined]);
    assert.deepEqual(split(': x'), [': x', undefined]);
  });

  it('keeps an exit code that is no number, or of another action, as an attribute', () => {
    for (const [action, exitCode] of [
      ['die', '007'],
      ['die', 'x'],
      ['top', '3'],
    ]) {
      const event = parseEventLine(
        JSON.stringify({ Type: 'container', Action: action, Actor: { ID: 'c', Attributes: { exitCode } } }),
      );
      assert.deepEqual([event.exitCode, event.attributes], [undefined, { exitCode }]);
    }
  });

  it('is refused with a code when it is no event', () => {
    for (const line of [
      '',
      '[]',
      'null',
      '{',
      '{"type":"a","action":"b"}',
      '{"type":"a","action":"b","id":"c","colour":"red"}',
      '{"type":"a","action":"b","id":"c","time":"10m"}',
      '{"type":"a","action":"b","id":"c","time":{}}',
      '{"Type":"a"}',
      '{"Type":"a","Action":1}',
      '{"Type":"a","Action":"b","Actor":{"Attributes":[]}}',
    ])
      assert.throws(() => packEvent(parseEventLine(line)), { code: 'ERR_EVENT_INVALID' }, line);
  });

  it('never fails in another way', () => {
    const anyLine = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .record({ Type: fc.jsonValue(), Action: fc.jsonValue(), Actor: fc.jsonValue(), time: fc.jsonValue() })
        .map((it) => JSON.stringify(it)),
      fc
        .record({
          type: fc.jsonValue(),
          action: fc.jsonValue(),
          id: fc.jsonValue(),
          attributes: fc.jsonValue(),
          pid: fc.jsonValue(),
        })
        .map((it) => JSON.stringify(it)),
    );
    fc.assert(
      fc.property(anyLine, (line) => {
        try {
          packEvent(parseEventLine(line));
        } catch (error) {
          assert.ok(
            error instanceof TocsinError && ['ERR_EVENT_INVALID', 'ERR_EVENT_TOO_LARGE'].includes(error.code),
            String(error),
          );
        }
      }),
    );
  });
});
