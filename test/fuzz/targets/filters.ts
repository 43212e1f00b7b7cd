import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compileFilter, parseFilters, parseFilterTerm, type Term } from '../../../src/event/filter.ts';
import { naiveMatches } from '../naive-filter.ts';
import { isPinned } from '../../support/pins.ts';
import { SEEN_EVENTS } from '../seen-events.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const CODES = ['ERR_FILTER_INVALID'] as const;
const KEYS = ['type', 'event', 'action', 'container', 'image', 'id', 'name', 'scope', 'source', 'namespace', 'label'];
const VALUES = [
  'container',
  'image',
  'die',
  'exec_create',
  'exec_create: sh*',
  'web_1',
  'web_?',
  '*',
  'bb',
  'bb:1',
  'busybox',
  'host:5000/x/y',
  '8fa7*',
  'local',
];

/** Our own filters, a term a line as `-f` takes them, and the JSON of `filters=`: they show what the rules say. */
export const target: Target = {
  sources: ['event/filter.ts'],
  seeds: [
    'type=container',
    'type!=image\nevent=die\nevent=exec_*',
    'label=com.example.tier=fron?\nname~=^web_[12]$',
    'image~=(a|b)*c{2,5}',
    'action=exec_create: sh*\nContainer = web_1',
    'label!=k=v=w\nlabel~=k=^v',
    'image=host:5000/x/y\nimage=busybox*',
    '{"type":["container"],"event!":["die","exec_*"]}',
    '{"label~":{"k=^v":true},"image":{"bb":true}}',
    '{"name":[],"id":null}',
    '',
  ],
  dictionary: [
    ...KEYS,
    ...VALUES,
    '=',
    '!=',
    '~=',
    '\n',
    '*',
    '?',
    '\\d+',
    '(?i)',
    '[^a]',
    '{2,9}',
    '(a*)*',
    '\\pL',
    '"',
    '[',
    ']',
    '{',
    '}',
    ':',
    ',',
    'null',
    'true',
    '\\ud800',
    '__proto__',
  ],
  arbitrary: fc
    .array(
      fc.tuple(
        fc.constantFrom(...KEYS),
        fc.constantFrom('=', '=', '!=', '~='),
        fc.oneof(
          fc.constantFrom(...VALUES),
          fc.stringMatching(/^[a-z*?:_=]{0,12}$/),
          fc.constantFrom('com.example.tier=front', 'name=web_*', 'k'),
        ),
      ),
      { maxLength: 6 },
    )
    .map((terms) => terms.map((term) => term.join('')).join('\n')),
  batch: 256,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const text = textOf(input);
  const terms = allowed(CODES, () =>
    text.startsWith('{') ? parseFilters(text) : text.split('\n').map(parseFilterTerm),
  );
  if (!terms) return;
  demand(
    terms.every(({ key }) => KEYS.includes(key) && key !== 'action'),
    'an unknown key is taken',
    () => show(terms),
  );
  checkForms(terms);
  const filter = allowed(CODES, () => compileFilter(terms, RE2JS));
  if (!filter) return;
  const again = compileFilter([...filter.terms].reverse(), RE2JS);
  demand(again.key === filter.key, 'has another key in another order', () => show([filter.key, again.key]));
  for (const { event, subject } of SEEN_EVENTS) {
    const shown = filter.matches(subject);
    const expected = naiveMatches(terms, subject);
    demand(
      expected === undefined || shown === expected,
      'shows or hides against the rules',
      () => `${show(terms)} ${show(event)}: ${shown}`,
    );
    demand(shown === again.matches(subject), 'decides otherwise in another order', () => show(terms));
    const isFound = filter.pins.length === 0 || filter.pins.some((pin) => isPinned(event, pin));
    demand(!shown || isFound, 'shows what its pins do not find', () => `${show(terms)} ${show(event)}`);
  }
}

/** The same terms as JSON, in both forms. */
function checkForms(terms: readonly Term[]): void {
  const lists: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const { key, op, value } of terms) (lists[`${key}${op.slice(0, -1)}`] ??= []).push(value);
  const maps = Object.fromEntries(
    Object.entries(lists).map(([key, values]) => [key, Object.fromEntries(values.map((value) => [value, true]))]),
  );
  const keyOf = (some: readonly Term[]): string =>
    show([...new Set(some.map(({ key, op, value }) => show([key, op, value])))].sort());
  for (const form of [lists, maps]) {
    const read = parseFilters(JSON.stringify(form));
    demand(keyOf(read) === keyOf(terms), 'is something else as JSON', () => `${show(terms)}: ${show(read)}`);
  }
}
