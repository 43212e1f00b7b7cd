import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DockerJsonEncoder, type DockerStyle } from '../../../src/codec/docker-json.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import type { NewEvent, Timestamp } from '../../../src/event/event.ts';
import type { DockerDialect } from '../../../src/messages/control.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { encoded, onlyChunk } from '../../support/encoding.ts';
import { anyEvent, anyText, anyTime, wellFormed, wellFormedAttributes } from '../../support/events.ts';
import { EPOCHS, segmentOf, viewOf } from '../../support/log.ts';
import { eventOfLine } from '../../support/packed.ts';
import { recordedLines } from '../../support/vectors.ts';

const DIALECTS: readonly DockerDialect[] = ['modern', 'legacy', 'old'];

const TIME: Timestamp = { sec: 1_795_474_212, nanos: 609_846_642 };
const RECORDED = [...recordedLines('docker-events-format-json.jsonl'), ...recordedLines('docker-edge-events.jsonl')];
const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };

function encoderOf(dialect: DockerDialect, style: Partial<DockerStyle> = {}): DockerJsonEncoder {
  return new DockerJsonEncoder({ dialect, framing: 'plain', isSequence: false, cursors: undefined, ...style });
}

function plainLine(view: EventView, dialect: DockerDialect): string {
  return Buffer.from(encoded(encoderOf(dialect), view)).toString();
}

function lineOf(event: NewEvent, dialect: DockerDialect = 'modern', time = TIME): string {
  return plainLine(viewOf(event, { time }), dialect);
}

function attributesOf(line: string): Record<string, string> {
  return (JSON.parse(line) as { readonly Actor: { readonly Attributes: Record<string, string> } }).Actor.Attributes;
}

/** Any event, with a liking for those that Docker shows in a way of its own. */
const dockerEvent: fc.Arbitrary<NewEvent> = fc
  .tuple(
    anyEvent,
    fc.record(
      {
        type: fc.constantFrom('container', 'image', 'network'),
        action: fc.constantFrom('die', 'exec_die', 'exec_create', 'remove', 'delete', 'rename'),
        exitCode: fc.nat(255),
        args: fc.constantFrom('', 'ls <x> & "y"'),
        scope: fc.constantFrom('', 'local', 'swarm'),
      },
      { requiredKeys: [] },
    ),
    fc.dictionary(fc.constantFrom('exitCode', 'image', 'name', 'exitCodf', 'exitCodd', '__proto__'), anyText),
  )
  .map(([event, own, more]) => ({ ...event, ...own, attributes: { ...event.attributes, ...more } }))
  .chain((event) => fc.constantFrom(event, event, { ...event, attributes: {} }));

/** What Docker shows of an event, told in its own words here: pairs, because the order of keys matters. */
function shown(event: NewEvent): { action: string; attributes: [string, string][] } {
  const { type, id, args = '', exitCode } = event;
  const word = type === 'image' && event.action === 'remove' ? 'delete' : event.action;
  const attributes = wellFormedAttributes(event.attributes ?? {});
  if (type === 'container' && /^(exec_)?die$/.test(event.action) && exitCode !== undefined)
    attributes['exitCode'] = `${exitCode}`;
  if (type === 'image' && id !== '' && Object.keys(attributes).length === 0) attributes['name'] = wellFormed(id);
  return {
    action: wellFormed(args === '' ? word : `${word}: ${args}`),
    attributes: Object.entries(attributes).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  };
}

function modelLine(event: NewEvent, time: Timestamp, dialect: DockerDialect): string {
  const { action, attributes } = shown(event);
  const [type, id] = [wellFormed(event.type), wellFormed(event.id)];
  const from = attributes.find(([key]) => key === 'image')?.[1] ?? '';
  const field = (key: string, value: string): string => `${goText(key)}:${goText(value)}`;
  const legacy = [
    field('status', action),
    ...(id === '' ? [] : [field('id', id)]),
    ...(type === 'container' && from !== '' ? [field('from', from)] : []),
  ];
  const fields = [
    ...(dialect !== 'modern' && (type === 'container' || type === 'image') ? legacy : []),
    field('Type', type),
    field('Action', action),
    `"Actor":{${field('ID', id)},"Attributes":{${attributes.map(([key, value]) => field(key, value)).join()}}}`,
    field('scope', wellFormed(event.scope ?? '') || 'local'),
    `"time":${time.sec}`,
    `"timeNano":${BigInt(time.sec) * 1_000_000_000n + BigInt(time.nanos)}`,
  ];
  return `{${fields.join()}}\n`;
}

/** A text as Go's encoding/json writes it: that of JSON.stringify with five more characters escaped. */
function goText(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

describe('DockerJsonEncoder', () => {
  it('writes what the real engine wrote, byte for byte', () => {
    assert.equal(RECORDED.length, 137);
    for (const line of RECORDED) {
      const event = eventOfLine(line);
      assert.ok(event.time);
      assert.equal(lineOf(event, 'legacy', event.time), `${line}\n`);
    }
  });

  it('leaves out status, id and from in the modern dialect, and nothing else', () => {
    for (const line of RECORDED) {
      const event = eventOfLine(line);
      const modern = lineOf(event, 'modern', event.time);
      assert.equal(modern, `{${line.slice(line.indexOf('"Type":'))}\n`);
    }
  });

  it('writes what the model says, in both dialects, for any event', () => {
    fc.assert(
      fc.property(dockerEvent, anyTime, fc.constantFrom(...DIALECTS), (event, time, dialect) => {
        const line = lineOf(event, dialect, time);
        assert.equal(line, modelLine(event, time, dialect));
        const { action, attributes } = shown(event);
        const parsed = JSON.parse(line) as Record<string, unknown>;
        assert.equal(parsed['Action'], action);
        assert.deepEqual(parsed['Actor'], { ID: wellFormed(event.id), Attributes: Object.fromEntries(attributes) });
      }),
      { numRuns: 2000, seed: 51 },
    );
  });

  it('passes over the creation of an image in the old dialect, and over nothing else', () => {
    const words: NewEvent[] = [
      { type: 'image', action: 'create', id: 'bb:1' },
      { type: 'image', action: 'pull', id: 'bb:1' },
      { type: 'image', action: 'creates', id: 'bb:1' },
      { type: 'container', action: 'create', id: 'c1' },
      { type: 'images', action: 'create', id: 'c1' },
    ];
    for (const dialect of DIALECTS) {
      const told = words.filter((event) => lineOf(event, dialect) !== '');
      assert.deepEqual(told, dialect === 'old' ? words.slice(1) : words, dialect);
    }
  });

  it('writes a record separator before each line of a sequence, within its chunk', () => {
    const view = viewOf(MINIMAL);
    const line = `\u001e${plainLine(view, 'modern')}`;
    assert.equal(Buffer.from(encoded(encoderOf('modern', { isSequence: true }), view)).toString(), line);
    assert.equal(onlyChunk(encoded(encoderOf('modern', { isSequence: true, framing: 'chunked' }), view)), line);
  });

  it('writes the cursor behind everything else where it is wanted', () => {
    const view = viewOf(MINIMAL);
    for (const dialect of DIALECTS) {
      const plain = plainLine(view, dialect);
      const line = Buffer.from(encoded(encoderOf(dialect, { cursors: EPOCHS }), view)).toString();
      assert.equal(line, `${plain.slice(0, -2)},"cursor":"${EPOCHS.cursor(view.seq)}"}\n`);
    }
  });

  it('writes each event as exactly one chunk around the plain line', () => {
    fc.assert(
      fc.property(dockerEvent, fc.constantFrom(...DIALECTS), (event, dialect) => {
        const view = viewOf(event);
        assert.equal(onlyChunk(encoded(encoderOf(dialect, { framing: 'chunked' }), view)), plainLine(view, dialect));
      }),
      { numRuns: 300, seed: 52 },
    );
    for (const size of [0xff, 0x100, 0xfff, 0x1000, 0xffff, 0x10000]) {
      const view = viewOf({
        ...MINIMAL,
        type: 'network',
        args: 'x'.repeat(size - lineOf(MINIMAL).length + 20 - 2 * 9),
      });
      assert.equal(onlyChunk(encoded(encoderOf('modern', { framing: 'chunked' }), view)), plainLine(view, 'modern'));
    }
  });
});

describe('DockerJsonEncoder: how texts are escaped', () => {
  const HTML: Readonly<Record<string, string>> = {
    '"': '\\"',
    '\\': '\\\\',
    '<': '\\u003c',
    '>': '\\u003e',
    '&': '\\u0026',
    '\u2028': '\\u2028',
    '\u2029': '\\u2029',
    '\b': '\\b',
    '\t': '\\t',
    '\n': '\\n',
    '\f': '\\f',
    '\r': '\\r',
    '\0': '\\u0000',
    '\u0001': '\\u0001',
    '\u000b': '\\u000b',
    '\u001f': '\\u001f',
    // Neighbours of what is escaped, and what other encoders escape.
    ' ': ' ',
    "'": "'",
    '/': '/',
    '\u007f': '\u007f',
    '\u0085': '\u0085',
    '\u2027': '\u2027',
    '\u202a': '\u202a',
    '\u20a8': '\u20a8',
    '\u2128': '\u2128',
    '\ufeff': '\ufeff',
    '\ufffd': '\ufffd',
    '𝄞': '𝄞',
  };

  it('is as Go does it, wherever the text stands', () => {
    for (const [char, escaped] of Object.entries(HTML)) {
      const text = `a${char}${char}b${char}`;
      const json = `a${escaped}${escaped}b${escaped}`;
      const event: NewEvent = {
        type: 'container',
        action: `do${text}`,
        args: text,
        id: text,
        attributes: { image: text, [`l${text}`]: text },
        scope: text,
      };
      const action = `do${json}: ${json}`;
      assert.equal(
        lineOf(event, 'legacy'),
        `{"status":"${action}","id":"${json}","from":"${json}","Type":"container","Action":"${action}",` +
          `"Actor":{"ID":"${json}","Attributes":{"image":"${json}","l${json}":"${json}"}},"scope":"${json}",` +
          `"time":1795474212,"timeNano":1795474212609846642}\n`,
      );
      assert.ok(lineOf({ ...MINIMAL, type: text }).startsWith(`{"Type":"${json}",`));
    }
  });

  it('leaves no control character and none of <, > and & as it is', () => {
    const every = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('');
    const line = lineOf({ ...MINIMAL, id: every });
    assert.equal((JSON.parse(line) as { Actor: { ID: string } }).Actor.ID, every);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f<>&\u2028\u2029]/);
    assert.equal(line.match(/\\u[0-9a-f]{4}/g)?.length, 32 - 5 + 5);
  });
});

describe('DockerJsonEncoder: attributes', () => {
  it('are sorted by their bytes, not by UTF-16, and a number is a text like any other', () => {
    const keys = ['', '.', '10', '2', 'A', 'Z', 'a', 'a.b', 'aa', 'ä', '\ufb00', '𝄞'];
    for (const given of [keys, [...keys].reverse()]) {
      const line = lineOf({ ...MINIMAL, attributes: Object.fromEntries(given.map((key) => [key, `=${key}`])) });
      const order = [...line.matchAll(/"([^"]*)":"=/g)].map(([, key]) => key);
      assert.deepEqual(order, keys);
    }
  });

  it('have the exit code of a container or exec that ended, in place of one that somebody else gave', () => {
    const given = { ...MINIMAL, exitCode: 137, attributes: { exitCode: 'theirs', aaa: '1', zzz: '2' } };
    for (const action of ['die', 'exec_die']) {
      assert.match(lineOf({ ...given, action }), /\{"aaa":"1","exitCode":"137","zzz":"2"\}/);
      assert.match(lineOf({ ...MINIMAL, action, exitCode: 0 }), /"Attributes":\{"exitCode":"0"\}/);
      assert.match(lineOf({ ...MINIMAL, action }), /"Attributes":\{\}/);
    }
    assert.equal(attributesOf(lineOf({ ...given, action: 'stop' }))['exitCode'], 'theirs');
    assert.equal(attributesOf(lineOf({ ...given, action: 'die', type: 'network' }))['exitCode'], 'theirs');
  });

  it('of which several have the same key appear once, the last of them', () => {
    // Halves of surrogate pairs are different keys until they become U+FFFD.
    const attributes = { a: '1', '\ud800': 'first', z: '2', '\ud801': 'second', '\udfff': 'third' };
    assert.match(lineOf({ ...MINIMAL, attributes }), /"Attributes":\{"a":"1","z":"2","\ufffd":"third"\}/);
  });

  it('come in any number', () => {
    for (const keys of [8000, 9000]) {
      const names = Array.from({ length: keys }, (_, index) => index.toString(36).padStart(3, '0'));
      const line = lineOf({ ...MINIMAL, attributes: Object.fromEntries(names.reverse().map((name) => [name, ''])) });
      assert.deepEqual(
        Object.keys(attributesOf(line)).filter((key) => !/^[1-9]/.test(key)),
        names.reverse().filter((key) => !/^[1-9]/.test(key)),
      );
    }
  });
});

describe('DockerJsonEncoder: its room', () => {
  it('is enough when every byte has to be escaped, wherever the long text stands', () => {
    for (const size of [1, 40, 300, 4000, 60_000]) {
      const long = '\u0001'.repeat(size);
      const events: NewEvent[] = [
        { ...MINIMAL, args: long },
        { ...MINIMAL, id: long },
        { type: 'image', action: 'pull', id: long },
        { type: long, action: 'x', id: '' },
        { ...MINIMAL, scope: long },
        { ...MINIMAL, attributes: { image: long } },
        { ...MINIMAL, attributes: { [long]: '' } },
      ];
      for (const event of events) for (const dialect of DIALECTS) lineOf(event, dialect);
    }
  });

  it('serves one line after another in the same memory', () => {
    const events = Array.from({ length: 50 }, (_, index): NewEvent => ({ ...MINIMAL, id: `${index}`.repeat(index) }));
    const { memory, committed } = segmentOf(events);
    const view = new EventView(memory);
    const encoder = encoderOf('legacy');
    const out = new Uint8Array(encoder.maxBytes(memory.byteLength) + 50 * encoder.maxBytes(0));
    let pos = 0;
    for (view.at = SEGMENT.HEADER_BYTES; view.at < committed; view.at += view.byteLength)
      pos = encoder.encode(view, out, pos);
    const lines = Buffer.from(out.subarray(0, pos)).toString().trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { Actor: { ID: string } }).Actor.ID),
      events.map(({ id }) => id),
    );
  });
});
