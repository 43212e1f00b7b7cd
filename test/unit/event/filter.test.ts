import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { TocsinError } from '../../../src/event/errors.ts';
import {
  compileFilter as compileWith,
  type Filter,
  type FilterSubject,
  parseFilters,
  parseFilterTerm,
  type Term,
} from '../../../src/event/filter.ts';
import { isPinned } from '../../support/pins.ts';

const compileFilter = (terms: readonly Term[]): Filter => compileWith(terms, RE2JS);
const INVALID = { code: 'ERR_FILTER_INVALID' };

/** Also with halves of surrogate pairs. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  .map((codes) => String.fromCharCode(...codes));

interface SubjectParts extends Partial<Omit<FilterSubject, 'attribute'>> {
  readonly attributes?: Readonly<Record<string, string>>;
}

function subject({ attributes = {}, ...parts }: SubjectParts = {}): FilterSubject {
  return {
    type: 'container',
    action: 'start',
    args: '',
    id: 'c0ffee',
    scope: '',
    source: 'fifo',
    namespace: '',
    isSynthetic: false,
    ...parts,
    attribute: (key) => (Object.hasOwn(attributes, key) ? attributes[key] : undefined),
  };
}

function matches(terms: readonly string[], parts: SubjectParts = {}): boolean {
  return compileFilter(terms.map(parseFilterTerm)).matches(subject(parts));
}

function globs(glob: string, text: string): boolean {
  return compileFilter([{ key: 'id', op: '=', value: glob }]).matches(subject({ id: text }));
}

describe('parseFilterTerm', () => {
  it('splits at the first equals sign and takes the operator from before it', () => {
    assert.deepEqual(parseFilterTerm('type=container'), { key: 'type', op: '=', value: 'container' });
    assert.deepEqual(parseFilterTerm('type!=image'), { key: 'type', op: '!=', value: 'image' });
    assert.deepEqual(parseFilterTerm('image~=^nginx'), { key: 'image', op: '~=', value: '^nginx' });
    assert.deepEqual(parseFilterTerm('label=a=b=c'), { key: 'label', op: '=', value: 'a=b=c' });
    assert.deepEqual(parseFilterTerm('name=a~=b!=c'), { key: 'name', op: '=', value: 'a~=b!=c' });
    assert.deepEqual(parseFilterTerm('scope='), { key: 'scope', op: '=', value: '' });
  });

  it('lowers and trims the key and leaves the value alone', () => {
    assert.deepEqual(parseFilterTerm(' Type = Container '), { key: 'type', op: '=', value: ' Container ' });
    assert.deepEqual(parseFilterTerm('NAME !=x'), { key: 'name', op: '!=', value: 'x' });
  });

  it('knows action as another name of event', () => {
    assert.deepEqual(parseFilterTerm('action=die'), { key: 'event', op: '=', value: 'die' });
  });

  it('keeps one star of many', () => {
    assert.equal(parseFilterTerm('name=a**?*b').value, 'a?*b');
    assert.equal(parseFilterTerm('name~=a**').value, 'a**');
  });

  it('says what it expected', () => {
    for (const text of ['', 'container', 'container!', 'type~container']) {
      assert.throws(() => parseFilterTerm(text), { ...INVALID, message: /key=value, key!=value or key~=regex/ }, text);
    }
  });

  it('lists the known keys when it does not know one', () => {
    for (const text of ['=x', 'colour=red', '__proto__=x', 'constructor=x', 'type!!=x', 'type~!=x']) {
      assert.throws(
        () => parseFilterTerm(text),
        { ...INVALID, message: /type, event, container, image, id, name, scope, source, namespace, synthetic, label/ },
        text,
      );
    }
    assert.throws(() => parseFilterTerm('colour=red'), { message: /"colour"/ });
  });

  it('wants a literal label', () => {
    for (const text of ['label=', 'label==v', 'label!=', 'label=app*', 'label=a?p=x', 'label~=app']) {
      assert.throws(() => parseFilterTerm(text), INVALID, text);
    }
  });

  it('limits the length of values and regular expressions', () => {
    assert.equal(parseFilterTerm(`name=${'x'.repeat(1024)}`).value.length, 1024);
    assert.throws(() => parseFilterTerm(`name=${'x'.repeat(1025)}`), INVALID);
    assert.equal(parseFilterTerm(`name~=${'x'.repeat(256)}`).value.length, 256);
    assert.throws(() => parseFilterTerm(`name~=${'x'.repeat(257)}`), INVALID);
    assert.throws(() => parseFilterTerm(`label~=k=${'x'.repeat(257)}`), INVALID);
  });

  it('throws nothing but ERR_FILTER_INVALID', () => {
    const pieces = fc.constantFrom('type', 'label', '=', '!', '~', '*', 'k', '(', ' ');
    const joined = fc.array(pieces).map((some) => some.join(''));
    const regex = fc.string().map((source) => `name~=${source}`);
    fc.assert(
      fc.property(fc.oneof(anyText, joined, regex), (text) => {
        try {
          compileFilter([parseFilterTerm(text)]);
        } catch (error) {
          assert.ok(error instanceof TocsinError && error.code === 'ERR_FILTER_INVALID', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseFilters', () => {
  it('reads both of the forms that Docker clients send', () => {
    const wanted: Term[] = [
      { key: 'type', op: '=', value: 'container' },
      { key: 'event', op: '=', value: 'die' },
      { key: 'event', op: '=', value: 'stop' },
    ];
    assert.deepEqual(parseFilters('{"type":["container"],"event":["die","stop"]}'), wanted);
    assert.deepEqual(parseFilters('{"type":{"container":true},"event":{"die":true,"stop":true}}'), wanted);
  });

  it('reads the operator at the end of the key', () => {
    assert.deepEqual(parseFilters('{"type!":["image"],"Image~":["^nginx"],"label!":["a=b"]}'), [
      { key: 'type', op: '!=', value: 'image' },
      { key: 'image', op: '~=', value: '^nginx' },
      { key: 'label', op: '!=', value: 'a=b' },
    ]);
    assert.deepEqual(parseFilters('{"type!":{"image":true}}'), [{ key: 'type', op: '!=', value: 'image' }]);
  });

  it('has no terms when there is nothing', () => {
    for (const json of ['', '{}', 'null', ' {} ', '{"type":[]}', '{"type":{}}', '{"type":null}']) {
      assert.deepEqual(parseFilters(json), [], json);
    }
    assert.equal(parseFilters('{"type":null,"event":["die"],"image":[]}').length, 1);
  });

  it('refuses every other shape', () => {
    const shapes = ['[]', '"x"', '""', '1', 'true', 'false', 'abc', '{', '{} x', '{}{}', ' ', '{"type":"container"}']
      .concat([
        '{"type":1}',
        '{"type":true}',
        '{"type":[1]}',
        '{"type":[null]}',
        '{"type":[["x"]]}',
        '{"type":{"x":1}}',
      ])
      .concat([
        '{"type":{"x":false}}',
        '{"type":{"x":null}}',
        '{"type":["a"],"event":{"b":true}}',
        '{"type":[],"event":{}}',
      ]);
    for (const json of shapes) assert.throws(() => parseFilters(json), { ...INVALID, message: /JSON/ }, json);
    assert.throws(() => parseFilters('{"colour":["red"]}'), INVALID);
    assert.throws(() => parseFilters('{"__proto__":["red"]}'), INVALID);
  });

  it('takes at most 1000 terms', () => {
    const json = (count: number) => JSON.stringify({ id: Array.from({ length: count }, (_, index) => `c${index}`) });
    assert.equal(parseFilters(json(1000)).length, 1000);
    assert.throws(() => parseFilters(json(1001)), INVALID);
  });

  it('throws nothing but ERR_FILTER_INVALID', () => {
    const key = fc.constantFrom('type', 'label', 'event!', 'image~', 'colour', '');
    const value = fc.oneof(fc.array(fc.oneof(fc.string(), fc.integer())), fc.dictionary(fc.string(), fc.boolean()));
    const json = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(key, value).map((object) => JSON.stringify(object)),
    );
    fc.assert(
      fc.property(json, (text) => {
        try {
          parseFilters(text);
        } catch (error) {
          assert.ok(error instanceof TocsinError && error.code === 'ERR_FILTER_INVALID', String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('compileFilter', () => {
  it('lets everything through without terms, under the empty key', () => {
    const filter = compileFilter([]);
    assert.equal(filter.key, '');
    assert.deepEqual(filter.terms, []);
    assert.equal(filter.matches(subject()), true);
  });

  it('ORs the values of a key and ANDs the keys', () => {
    const terms = ['event=start', 'event=die', 'type=container'];
    assert.equal(matches(terms, { action: 'die' }), true);
    assert.equal(matches(terms, { action: 'stop' }), false);
    assert.equal(matches(terms, { type: 'image' }), false);
    assert.equal(matches(['name=web', 'name~=^db'], { attributes: { name: 'db7' } }), true);
  });

  it('wants every negation to hold', () => {
    assert.equal(matches(['event!=start', 'event!=stop'], { action: 'stop' }), false);
    assert.equal(matches(['event!=start', 'event!=stop'], { action: 'die' }), true);
    assert.equal(matches(['event=exec_*', 'event!=exec_die'], { action: 'exec_die' }), false);
    assert.equal(matches(['event=exec_*', 'event!=exec_die'], { action: 'exec_start' }), true);
  });

  it('knows what no engine told', () => {
    for (const isSynthetic of [true, false]) {
      assert.equal(matches(['synthetic=true'], { isSynthetic }), isSynthetic);
      assert.equal(matches(['synthetic=false'], { isSynthetic }), !isSynthetic);
      assert.equal(matches(['synthetic!=true'], { isSynthetic }), !isSynthetic);
    }
  });

  it('compares type, id, scope, source and namespace as a whole', () => {
    assert.equal(matches(['id=c0ffee'], {}), true);
    assert.equal(matches(['id=c0ff'], {}), false);
    assert.equal(matches(['id=c0ff*'], {}), true);
    assert.equal(matches(['source=fifo', 'scope=', 'namespace='], {}), true);
    assert.equal(matches(['namespace=k8s.io'], { namespace: 'k8s.io' }), true);
    assert.equal(matches(['namespace=k8s.io'], { namespace: 'k8sxio' }), false);
  });

  it('finds a container by id or name, in container events only', () => {
    const web = { attributes: { name: 'web' } };
    assert.equal(matches(['container=web'], web), true);
    assert.equal(matches(['container=w?b'], web), true);
    assert.equal(matches(['container=c0ffee'], web), true);
    assert.equal(matches(['container=web'], { ...web, type: 'image' }), false);
    assert.equal(matches(['container!=web'], web), false);
    assert.equal(matches(['container!=web'], { ...web, type: 'image' }), true);
    assert.equal(matches(['container=*'], { type: 'network' }), false);
  });

  it('does not match an attribute that is not there', () => {
    assert.equal(matches(['name=*'], {}), false);
    assert.equal(matches(['name='], {}), false);
    assert.equal(matches(['name~='], {}), false);
    assert.equal(matches(['name!=web'], {}), true);
    assert.equal(matches(['image=*'], {}), false);
  });

  it('finds an image with or without tag and digest', () => {
    const from = (image: string) => ({ attributes: { image } });
    assert.equal(matches(['image=nginx'], from('nginx')), true);
    assert.equal(matches(['image=nginx'], from('nginx:1.25')), true);
    assert.equal(matches(['image=nginx:1.25'], from('nginx:1.25')), true);
    assert.equal(matches(['image=nginx:1.24'], from('nginx:1.25')), false);
    assert.equal(matches(['image=nginx:1.25'], from('nginx')), false);
    assert.equal(matches(['image=nginx'], from('library/nginx')), false);
    assert.equal(matches(['image=hub:5000/nginx'], from('hub:5000/nginx:1.25')), true);
    assert.equal(matches(['image=hub'], from('hub:5000/nginx')), false);
    assert.equal(matches(['image=nginx'], from('nginx@sha256:ab')), true);
    assert.equal(matches(['image=nginx'], from('nginx:1.25@sha256:ab')), true);
    assert.equal(matches(['image=nginx:1.25'], from('nginx:1.25@sha256:ab')), true);
    assert.equal(matches(['image=nginx@sha256:cd'], from('nginx:1.25@sha256:ab')), false);
    assert.equal(matches(['image=ngin?'], from('nginx:1.25')), true);
    assert.equal(matches(['image!=nginx'], from('nginx:1.25')), false);
    assert.equal(matches(['image~=x$'], from('nginx:1.25')), false);
  });

  it('takes the id of an image event for its image', () => {
    assert.equal(matches(['image=nginx'], { type: 'image', id: 'nginx:1.25', attributes: { image: 'other' } }), true);
    assert.equal(matches(['image=other'], { type: 'image', id: 'nginx:1.25', attributes: { image: 'other' } }), false);
  });

  it('finds an event by its action, and by its action with arguments', () => {
    const exec = { action: 'exec_create', args: 'ls -l' };
    assert.equal(matches(['event=exec_create'], exec), true);
    assert.equal(matches(['event=exec_create: ls -l'], exec), true);
    assert.equal(matches(['event=exec_create: ls*'], exec), true);
    assert.equal(matches(['event=exec_create: ls'], exec), false);
    assert.equal(matches(['event=exec'], exec), false);
    assert.equal(matches(['event~=^exec_create$'], exec), true);
    assert.equal(matches(['event~=: ls'], exec), true);
    assert.equal(matches(['event=start: *'], { action: 'start' }), false);
    assert.equal(matches(['event!=exec_create: ls*'], exec), false);
  });

  it('finds a label by presence or value, and any of several', () => {
    const labels = { attributes: { app: 'web', empty: '' } };
    assert.equal(matches(['label=app'], labels), true);
    assert.equal(matches(['label=empty'], labels), true);
    assert.equal(matches(['label=empty='], labels), true);
    assert.equal(matches(['label=app='], labels), false);
    assert.equal(matches(['label=app=w*'], labels), true);
    assert.equal(matches(['label=app=db', 'label=empty'], labels), true);
    assert.equal(matches(['label=app=db', 'label=tier'], labels), false);
    assert.equal(matches(['label~=app=^w.b$'], labels), true);
    assert.equal(matches(['label~=tier='], labels), false);
    assert.equal(matches(['label!=tier', 'label!=app=db'], labels), true);
    assert.equal(matches(['label!=app'], labels), false);
    assert.equal(matches(['label=app', 'label!=app=web'], labels), false);
  });

  it('finds a regular expression anywhere in the text, and takes no globs there', () => {
    assert.equal(matches(['image~=ginx:[0-9]'], { attributes: { image: 'nginx:1.25' } }), true);
    assert.equal(matches(['name~=^w.*b$'], { attributes: { name: 'web' } }), true);
    assert.equal(matches(['name~=(?i)WEB'], { attributes: { name: 'web' } }), true);
    assert.equal(matches(['name~=^we$'], { attributes: { name: 'web' } }), false);
  });

  it('refuses a regular expression that RE2 does not know', () => {
    for (const source of ['(', '[', 'a**', '(?=a)', '(a)\\1']) {
      assert.throws(() => matches([`name~=${source}`]), { ...INVALID, message: /regex/ }, source);
    }
  });

  it('refuses regular expressions whose programs are too large, alone or together', () => {
    assert.throws(() => matches([`name~=${'\\pL{1000}'.repeat(5)}`]), { ...INVALID, message: /too much/ });
    const many = Array.from({ length: 5 }, (_, index) => `name~=${index}a{900}`);
    assert.equal(matches(many.slice(0, 4)), false);
    assert.throws(() => matches(many), { ...INVALID, message: /too much/ });
  });

  it('shows no event without one of its pins', () => {
    const value = fc.constantFrom('die', 'exec_create', 'exec_create: ls', 'exec_create: a: b', 'a', 'web', 'w*', '');
    const term = fc.record({
      key: fc.constantFrom('type', 'event', 'container', 'id', 'name', 'scope'),
      op: fc.constantFrom('=' as const, '=' as const, '!=' as const),
      value,
    });
    const event = fc.record({
      type: fc.constantFrom('container', 'image', 'a'),
      action: fc.constantFrom('die', 'exec_create', 'a'),
      args: fc.constantFrom('', 'ls', 'a: b'),
      id: fc.constantFrom('a', 'web'),
      attributes: fc.constantFrom({}, { name: 'web' }, { name: 'a' }),
    });
    let shown = 0;
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 4 }), event, (terms, it) => {
        const filter = compileFilter(terms);
        if (filter.pins.length === 0 || !filter.matches(subject(it))) return;
        shown += 1;
        assert.ok(filter.pins.some((pin) => isPinned(it, pin)));
      }),
      { numRuns: 3000 },
    );
    assert.ok(shown > 50, `${shown} shown`);
  });

  it('can be looked up by what shows least, and not at all beside a glob or a negation', () => {
    const pinsOf = (...terms: string[]) =>
      compileFilter(terms.map(parseFilterTerm)).pins.map(({ field, text }) => `${field} ${text}`);
    assert.deepEqual(pinsOf('type=container', 'event=die', 'container=web'), ['id web', 'name web']);
    assert.deepEqual(pinsOf('type=container', 'event=die', 'event=oom'), ['action die', 'action oom']);
    assert.deepEqual(pinsOf('event=exec_create: ls'), ['action exec_create']);
    assert.deepEqual(pinsOf('container=web', 'container=x*', 'type=image'), ['type image']);
    assert.deepEqual(pinsOf('container!=web'), []);
    assert.deepEqual(pinsOf('container~=web', 'label=a'), []);
    assert.deepEqual(pinsOf(), []);
  });

  it('checks terms that were not parsed', () => {
    const term = (key: string, value: string, op: Term['op'] = '='): Term => ({ key, op, value });
    assert.throws(() => compileFilter([term('colour', 'red')]), INVALID);
    assert.throws(() => compileFilter([term('type!', 'x')]), INVALID);
    assert.throws(() => compileFilter([term('name', 'x'.repeat(1025))]), INVALID);
    assert.throws(() => compileFilter(Array.from({ length: 1001 }, () => term('name', 'x'))), INVALID);
    assert.equal(compileFilter([term('Action', 'die')]).terms[0]?.key, 'event');
  });
});

describe('the key of a filter', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', ',', '"', '\n', '=', '!'), maxLength: 4 });
  const term: fc.Arbitrary<Term> = fc
    .record({
      key: fc.constantFrom('type', 'event', 'container', 'image', 'id', 'name', 'scope', 'label'),
      op: fc.constantFrom('=' as const, '!=' as const),
      value,
    })
    .map((each) => (each.key === 'label' ? { ...each, value: `k=${each.value}` } : each));

  it('does not depend on order, repetition, alias or the spelling of a glob', () => {
    const key = (...texts: string[]) => compileFilter(texts.map(parseFilterTerm)).key;
    assert.equal(key('type=a', 'event=b'), key('action=b', 'TYPE=a', 'event=b'));
    assert.equal(key('name=a**?'), key('name=a?*'));
    assert.notEqual(key('name=a'), key('name!=a'));
    assert.notEqual(key('name=a', 'name=b'), key('name=a,b'));
    fc.assert(
      fc.property(fc.array(term, { maxLength: 6 }), (terms) => {
        const filter = compileFilter(terms);
        assert.equal(compileFilter([...terms].reverse()).key, filter.key);
        assert.equal(compileFilter([...terms, ...terms]).key, filter.key);
        assert.equal(compileFilter(filter.terms).key, filter.key);
        assert.deepEqual(compileFilter(filter.terms).terms, filter.terms);
      }),
    );
  });

  it('differs when the terms do', () => {
    fc.assert(
      fc.property(fc.array(term, { maxLength: 4 }), fc.array(term, { maxLength: 4 }), (a, b) => {
        const [x, y] = [compileFilter(a), compileFilter(b)];
        assert.equal(x.key === y.key, JSON.stringify(x.terms) === JSON.stringify(y.terms));
      }),
    );
  });
});

describe('globs', () => {
  const unit = fc.constantFrom('a', 'b', 'é', '😀', '.');
  const wild = fc.oneof({ weight: 3, arbitrary: unit }, fc.constantFrom('*', '?'));

  it('match like a naive matcher does', () => {
    const naive = (glob: readonly string[], text: readonly string[]): boolean => {
      const [first, ...rest] = glob;
      if (first === undefined) return text.length === 0;
      if (first === '*') return naive(rest, text) || (text.length > 0 && naive(glob, text.slice(1)));
      return text.length > 0 && (first === '?' || first === text[0]) && naive(rest, text.slice(1));
    };
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 7 }), fc.array(unit, { maxLength: 9 }), (glob, text) => {
        assert.equal(globs(glob.join(''), text.join('')), naive(glob, text));
      }),
      { numRuns: 5000 },
    );
  });

  it('match the text that they were made from', () => {
    const made = fc.array(fc.tuple(fc.constantFrom('*', '?', '='), unit, fc.string())).map((parts) => ({
      glob: parts.map(([how, char]) => (how === '=' ? char : how)).join(''),
      text: parts.map(([how, char, some]) => (how === '*' ? some : char)).join(''),
    }));
    fc.assert(fc.property(made, ({ glob, text }) => assert.ok(globs(glob, text))));
  });

  it('take stars and question marks of the text as text', () => {
    assert.equal(globs('a*', 'a*b?'), true);
    assert.equal(globs('?', '*'), true);
    assert.equal(globs('a?b', 'ab'), false);
  });
});
