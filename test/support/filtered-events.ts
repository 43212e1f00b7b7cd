import fc from 'fast-check';
import type { NewEvent } from '../../src/event/event.ts';
import type { Term } from '../../src/event/filter.ts';

/** Few texts, so that many are equal, beginnings of each other, or equal once arguments are added. */
export const fewTexts = fc.constantFrom(
  'a',
  'ab',
  'exec',
  'exec: a',
  'exec_create',
  'container',
  'image',
  'é',
  '\ufffd',
  'a*',
);

export const anyEvent: fc.Arbitrary<NewEvent> = fc
  .record({
    type: fewTexts,
    action: fewTexts,
    id: fewTexts,
    args: fc.option(fewTexts),
    name: fc.option(fewTexts),
    scope: fc.option(fewTexts),
  })
  .map(({ type, action, id, args, name, scope }) => ({
    type,
    action,
    id,
    ...(args === null ? {} : { args }),
    ...(scope === null ? {} : { scope }),
    attributes: { image: 'a', ...(name === null ? {} : { name }) },
  }));

export const anyTerm: fc.Arbitrary<Term> = fc.record({
  key: fc.constantFrom('type', 'event', 'action', 'container', 'id', 'name', 'image', 'scope'),
  op: fc.constantFrom('=' as const, '=' as const, '!=' as const, '~=' as const),
  value: fc.oneof(fewTexts, fc.constantFrom('', '\ud800', 'a: exec', 'ex*', 'exec: a: b')),
});
