import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileDockerFilters } from '../../../src/codec/docker-filter.ts';
import { parseDockerFilters } from '../../../src/event/docker-filters.ts';
import { loadRegexEngine } from '../../../src/event/filter.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { edgeRows } from '../../support/docker-edge.ts';
import { viewOf } from '../../support/log.ts';
import { isPinned } from '../../support/pins.ts';
import { eventOfLine } from '../../support/packed.ts';
import { recordedLines } from '../../support/vectors.ts';

const EVENTS = recordedLines('docker-edge-events.jsonl').map(eventOfLine);
const ROWS = edgeRows().flatMap(({ name, status, lines }) =>
  name.startsWith('filters=') ? [{ json: name.slice('filters='.length), status, lines }] : [],
);

function matches(filters: unknown, event: NewEvent): boolean {
  return compileDockerFilters(parseDockerFilters(JSON.stringify(filters))).matches(viewOf(event));
}

const die: NewEvent = {
  type: 'container',
  action: 'die',
  id: 'f00dcafe',
  exitCode: 3,
  attributes: { image: 'host:5000/x/y:1', name: 'web', tier: 'front' },
};
const exec: NewEvent = { ...die, action: 'exec_create', args: '/bin/sh -c true' };

describe('Docker\u2019s filters', () => {
  it('select what the real engine selected, row by row', () => {
    assert.ok(ROWS.length >= 30, `${ROWS.length} rows`);
    for (const { json, status, lines } of ROWS) {
      if (status !== 200) {
        assert.throws(() => parseDockerFilters(json), { code: 'ERR_FILTER_INVALID' }, json);
        continue;
      }
      const filter = compileDockerFilters(parseDockerFilters(json));
      assert.equal(EVENTS.filter((event) => filter.matches(viewOf(event))).length, lines, json);
    }
  });

  it('show everything where they have no values', () => {
    for (const json of ['', 'null', '{}', '{"type":[]}', '{"type":{}}', '{"type":null}', '{"colour":["red"]}']) {
      const filter = compileDockerFilters(parseDockerFilters(json));
      assert.equal(filter.matches(viewOf(die)), true, json);
      assert.equal(filter.key, '', json);
    }
  });

  it('take all actions for beginnings when one of them goes on behind a colon', () => {
    assert.equal(matches({ event: ['exec_create'] }, exec), true);
    assert.equal(matches({ event: ['exec_create', 'di'] }, die), true);
    assert.equal(matches({ event: ['di'] }, die), false);
    assert.equal(matches({ event: ['exec_create: /bin/sh -c true'] }, exec), true);
    assert.equal(matches({ event: ['exec'] }, exec), false);
  });

  it('take names and ids of objects for beginnings, whatever the type of the event', () => {
    for (const key of ['container', 'daemon', 'plugin', 'volume', 'network', 'node', 'service', 'secret', 'config']) {
      assert.equal(matches({ [key]: ['we'] }, die), true, key);
      assert.equal(matches({ [key]: ['f00d'] }, die), true, key);
      assert.equal(matches({ [key]: ['eb'] }, die), false, key);
      assert.equal(matches({ [key]: { we: false } }, die), true, `${key}: a false value is still a beginning`);
    }
  });

  it('want every label, of all attributes, the exit code among them', () => {
    assert.equal(matches({ label: ['tier', 'exitCode=3'] }, die), true);
    assert.equal(matches({ label: ['tier=front', 'missing'] }, die), false);
    assert.equal(matches({ label: ['tier=fron'] }, die), false);
    for (const name of ['constructor', '__proto__', 'toString']) assert.equal(matches({ label: [name] }, die), false);
  });

  it('know images with and without tag', () => {
    for (const image of ['host:5000/x/y:1', 'host:5000/x/y', 'f00dcafe'])
      assert.equal(matches({ image: [image] }, die), true);
    assert.equal(matches({ image: ['x/y'] }, die), false);
    const pull: NewEvent = { type: 'image', action: 'pull', id: 'docker.io/library/busybox:1', attributes: {} };
    assert.equal(matches({ image: ['busybox'] }, pull), true);
    assert.equal(matches({ image: ['sha256'] }, { ...pull, id: 'sha256:60afda1a' }), true);
  });

  it('see Docker\u2019s words: the removal of an image is a delete', () => {
    const removal: NewEvent = { type: 'image', action: 'remove', id: 'busybox' };
    assert.equal(matches({ event: ['delete'] }, removal), true);
    assert.equal(matches({ event: ['remove'] }, removal), false);
    assert.equal(matches({ scope: ['local'] }, removal), true);
  });

  it('never match a value that is false exactly', () => {
    assert.equal(matches({ type: { container: false } }, die), false);
  });

  it('show no event without one of their pins', () => {
    const word = fc.constantFrom(
      'die',
      'exec_create',
      'exec_create: ls',
      'remove',
      'delete',
      'del',
      'a',
      'ab',
      'web',
      '',
    );
    const key = fc.constantFrom('type', 'event', 'container', 'network', 'image', 'label', 'scope');
    const event = fc.record({
      type: fc.constantFrom('container', 'image', 'a'),
      action: fc.constantFrom('die', 'exec_create', 'remove', 'ab'),
      args: fc.constantFrom('', 'ls', 'a: b'),
      id: fc.constantFrom('a', 'abc', 'web', 'remove'),
      attributes: fc.constantFrom({}, { name: 'web' }, { name: 'abc', image: 'a' }),
    });
    let shown = 0;
    fc.assert(
      fc.property(
        fc.dictionary(key, fc.array(word, { minLength: 1, maxLength: 3 }), { maxKeys: 2 }),
        event,
        (values, it) => {
          const filter = compileDockerFilters(parseDockerFilters(JSON.stringify(values)));
          if (filter.pins.length === 0 || !filter.matches(viewOf(it))) return;
          shown += 1;
          assert.ok(filter.pins.some((pin) => isPinned(it, pin)));
        },
      ),
      { numRuns: 3000 },
    );
    assert.ok(shown > 50, `${shown} shown`);
  });

  it('are equal for equal clients only', () => {
    const key = (filters: unknown): string => compileDockerFilters(parseDockerFilters(JSON.stringify(filters))).key;
    assert.equal(key({ type: ['a', 'b'], event: ['die'] }), key({ event: ['die'], type: ['b', 'a'] }));
    assert.notEqual(key({ type: { a: true } }), key({ type: { a: false } }));
    assert.notEqual(key({ type: ['a","b'] }), key({ type: ['a', 'b'] }));
    assert.equal(key({ 'event!': ['a', 'b'], type: ['x'] }), key({ type: ['x'], 'event!': ['b', 'a'] }));
    const keys = [{ 'event!': ['a'] }, { 'event*': ['a'] }, { event: ['a'] }, { 'type!': ['a'] }, {}].map(key);
    assert.equal(new Set(keys).size, keys.length);
  });

  it('are joined by our own, whose keys end in a mark, in Docker\u2019s words', async () => {
    const engine = await loadRegexEngine([{ key: 'name', op: '~=', value: 'x' }]);
    const holds = (filters: unknown, event: NewEvent): boolean =>
      compileDockerFilters(parseDockerFilters(JSON.stringify(filters)), engine).matches(viewOf(event));
    const removal: NewEvent = { type: 'image', action: 'remove', id: 'busybox' };
    for (const [filters, shows, hides] of [
      [{ 'label!': ['tier=front'] }, removal, die],
      [{ 'event!': ['exec_*'] }, die, exec],
      [{ 'event!': ['exec_create: /bin/sh -c *', 'top'] }, die, exec],
      [{ 'event*': ['exec_*'] }, exec, die],
      [{ 'event*': ['delet?'] }, removal, die],
      [{ 'event!': ['delete'] }, die, removal],
      [{ 'name~': ['^we'] }, die, removal],
      [{ 'name~': ['^busy'] }, removal, die],
      [{ 'label~': ['exitCode=^3$'] }, die, exec],
      [{ 'scope!': ['local'] }, { ...die, scope: 'swarm' }, die],
      [{ type: { container: true }, 'event!': { 'exec_*': true } }, die, exec],
      [{ type: { container: true }, 'event!': { die: false } }, die, removal],
    ] as const)
      assert.deepEqual([holds(filters, shows), holds(filters, hides)], [true, false], JSON.stringify(filters));
    for (const filters of [{ 'colour!': ['red'] }, { 'label!': ['*=x'] }])
      assert.throws(() => parseDockerFilters(JSON.stringify(filters)), { code: 'ERR_FILTER_INVALID' });
    assert.throws(() => holds({ 'name~': ['('] }, die), { code: 'ERR_FILTER_INVALID' });
  });

  it('take a mark inside a value for what it is', () => {
    assert.equal(matches({ event: ['exec_*'] }, exec), false);
    assert.equal(matches({ label: ['tier=fr*'] }, die), false);
    assert.equal(matches({ label: ['tier=a!'] }, { ...die, attributes: { tier: 'a!' } }), true);
  });

  it('are bounded', () => {
    const many = (count: number, chars = 4): string =>
      JSON.stringify({ container: Array.from({ length: count }, (_, index) => String(index).padStart(chars, '0')) });
    parseDockerFilters(many(1000, 1024));
    assert.throws(() => parseDockerFilters(many(1001)), { code: 'ERR_FILTER_INVALID' });
    assert.throws(() => parseDockerFilters(many(1, 1025)), { code: 'ERR_FILTER_INVALID' });
  });
});
