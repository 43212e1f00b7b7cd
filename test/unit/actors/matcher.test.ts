import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makeMatcher } from '../../../src/actors/matcher.ts';
import { parseDockerFilters } from '../../../src/event/docker-filters.ts';
import { parseFilterTerm, type Term } from '../../../src/event/filter.ts';
import { anyEvent, anyTerm, fewTexts } from '../../support/filtered-events.ts';
import { viewOf } from '../../support/log.ts';
import { isPinned } from '../../support/pins.ts';

const termsOf = (...texts: string[]): Term[] => texts.map(parseFilterTerm);
const decoder = new TextDecoder();

describe('the limit of a listener', () => {
  const anyLimit = fc.array(
    fc.oneof(
      fewTexts.map((type) => `type=${type}`),
      fc.constantFrom('label=image=a', 'label=name', 'label=name=a', 'namespace=a'),
    ),
    { minLength: 1, maxLength: 3 },
  );
  const anyFilter = fc.oneof(
    fc.array(
      anyTerm.filter(({ op }) => op !== '~='),
      { maxLength: 3 },
    ),
    fc
      .dictionary(
        fc.constantFrom('type', 'event', 'container', 'image', 'label', 'scope', 'type!', 'id*'),
        fc.array(fewTexts, { maxLength: 2 }),
      )
      .map((filters) => parseDockerFilters(JSON.stringify(filters))),
  );

  it('is one more filter that must hold, whatever the client asks for', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyLimit,
        anyFilter,
        fc.option(fewTexts, { nil: undefined }),
        fc.array(anyEvent, { minLength: 1, maxLength: 20 }),
        async (texts, filter, id, events) => {
          const limit = termsOf(...texts);
          const [limited, asked, limiting] = await Promise.all([
            makeMatcher(id, { filter, limit }),
            makeMatcher(id, { filter }),
            makeMatcher(undefined, { filter: limit }),
          ]);
          for (const event of events) {
            const view = viewOf(event);
            const isShown = limited.matches(view);
            assert.equal(isShown, asked.matches(view) && limiting.matches(view));
            if (!isShown || limited.pins.length === 0) continue;
            const pins = limited.pins.map(({ field, text }) => ({ field, text: decoder.decode(text) }));
            assert.ok(pins.some((pin) => isPinned(event, pin)));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('shares what is encoded between listeners of equal limits, and with no other', async () => {
    const filter = termsOf('event=die');
    const keyOf = async (...limit: string[]): Promise<string> =>
      (await makeMatcher(undefined, { filter, limit: termsOf(...limit) })).key;
    const web = await keyOf('type=container', 'label=team=web');
    assert.equal(await keyOf('label=team=web', 'type=container', 'type=container'), web);
    const others = [
      await keyOf(),
      await keyOf('type=container'),
      await keyOf('label=team=web'),
      await keyOf('type=container', 'label=team=db'),
      await keyOf('event=die'),
    ];
    assert.equal(new Set([web, ...others]).size, others.length + 1);
  });

  it('is not the same as a filter of the client: that only joins what it says', async () => {
    const limit = termsOf('type=container');
    const [asked, limited] = await Promise.all([
      makeMatcher(undefined, { filter: limit }),
      makeMatcher(undefined, { filter: [], limit }),
    ]);
    assert.notEqual(asked.key, limited.key);
  });

  it('is looked up where the client asks for nothing that can be', async () => {
    const limit = termsOf('type=container', 'label=team=web');
    for (const filter of [[], parseDockerFilters('')]) {
      const { pins, wanted } = await makeMatcher(undefined, { filter, limit });
      assert.deepEqual(
        pins.map(({ field, text }) => `${field} ${decoder.decode(text)}`),
        ['type container'],
      );
      assert.deepEqual(wanted?.limit?.length, 2);
    }
  });
});
