import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compileDockerFilters } from '../../../src/codec/docker-filter.ts';
import { parseDockerFilters } from '../../../src/event/docker-filters.ts';
import { edgeRows } from '../../support/docker-edge.ts';
import { isPinned } from '../../support/pins.ts';
import { dockerShows, dockerValues } from '../docker-rules.ts';
import { SEEN_EVENTS } from '../seen-events.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const KEYS = [
  'type',
  'event',
  'container',
  'image',
  'label',
  'scope',
  'volume',
  'network',
  'colour',
  '__proto__',
  'event!',
  'name~',
  'image*',
];
const VALUES = [
  'container',
  'die',
  'exec_create',
  'exec_create: sh',
  'delete',
  'web',
  'web_1',
  '8fa7',
  'bb',
  'bb:1',
  'busybox',
  'exitCode=137',
  'com.example.tier',
  'com.example.tier=front',
  'local',
  '',
  'v1',
];
const text = fc.constantFrom(...VALUES);

/** Docker's `filters=`: taken when Docker takes it, and showing what Docker shows. */
export const target: Target = {
  sources: ['event/docker-filters.ts', 'codec/docker-filter.ts', 'codec/docker-event.ts', 'event/image-reference.ts'],
  seeds: edgeRows().flatMap(({ name }) => (name.startsWith('filters=') ? [name.slice('filters='.length)] : [])),
  dictionary: [
    ...KEYS,
    ...VALUES,
    '{"',
    '":["',
    '"]',
    '":{"',
    '":true',
    ':false',
    '"}',
    ',',
    'null',
    '[]',
    '{}',
    '\\u0000',
    '\\ud800',
  ],
  arbitrary: fc
    .dictionary(
      fc.constantFrom(...KEYS),
      fc.oneof(fc.array(text, { maxLength: 3 }), fc.dictionary(text, fc.boolean(), { maxKeys: 3 })),
      { maxKeys: 3 },
    )
    .map((values) => JSON.stringify(values)),
  batch: 256,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const json = textOf(input);
  const parsed = allowed(['ERR_FILTER_INVALID'], () => parseDockerFilters(json));
  const values = dockerValues(json);
  const isOurs = [...(values?.keys() ?? [])].some((key) => /[!~*]$/.test(key));
  demand(isOurs || (parsed === undefined) === (values === undefined), 'taken or refused unlike Docker', () => json);
  if (!parsed || !values) return demand(!parsed, 'taken unlike Docker', () => json);
  const filter = allowed(['ERR_FILTER_INVALID'], () => compileDockerFilters(parsed, RE2JS));
  if (!filter) return demand(isOurs, 'refused unlike Docker', () => json);
  const others = new Map([...values].filter(([key]) => !/[!~*]$/.test(key)));
  const list = formOf(json, (of) => Object.keys(of));
  for (const { event, view } of SEEN_EVENTS) {
    const shown = filter.matches(view);
    const expected = dockerShows(others, event);
    demand(
      isOurs ? !shown || expected : shown === expected,
      'shows or hides unlike Docker',
      () => `${json} ${show(event)}: ${shown}`,
    );
    const isFound = filter.pins.length === 0 || filter.pins.some((pin) => isPinned(event, pin));
    demand(!shown || isFound, 'shows what its pins do not find', () => `${json} ${show(event)}`);
    if (list) demand(list.matches(view) === shown, 'decides otherwise in the other form', () => json);
  }

  /** The map form with nothing false in it, as lists. */
  function formOf(
    form: string,
    listOf: (values: object) => string[],
  ): ReturnType<typeof compileDockerFilters> | undefined {
    const given = Object.entries((JSON.parse(form || 'null') ?? {}) as Record<string, object | null>);
    const isMap = given.every(
      ([, of]) => of === null || (!Array.isArray(of) && Object.values(of).every((on) => on === true)),
    );
    if (!isMap) return undefined;
    const lists = Object.fromEntries(given.map(([key, of]) => [key, of && listOf(of)]));
    return compileDockerFilters(parseDockerFilters(JSON.stringify(lists)), RE2JS);
  }
}
