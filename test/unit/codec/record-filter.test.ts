import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileFilter, loadRegexEngine } from '../../../src/event/filter.ts';
import { compileRecordFilter } from '../../../src/codec/record-filter.ts';
import { anyEvent, anyTerm, fewTexts } from '../../support/filtered-events.ts';
import { viewOf } from '../../support/log.ts';

describe('a filter of records', () => {
  it('shows what the filter of events shows, within a limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          anyTerm.filter(({ op, value }) => op !== '~=' || !value.includes('*')),
          { maxLength: 5 },
        ),
        fc.option(fewTexts, { nil: undefined }),
        fc.array(
          anyTerm.filter(({ op }) => op !== '~='),
          { maxLength: 2 },
        ),
        fc.array(anyEvent, { minLength: 1, maxLength: 20 }),
        async (terms, container, limit, events) => {
          const filter = await compileRecordFilter(terms, container, limit);
          const limiting = compileFilter(limit);
          if (filter.isEmpty) assert.deepEqual([terms, container, limit], [[], undefined, []]);
          const oracle = compileFilter(terms, await loadRegexEngine(terms));
          for (const event of events) {
            const view = viewOf(event);
            const isOfContainer = container === undefined || (view.type === 'container' && view.id === container);
            assert.equal(
              filter.matches(view),
              isOfContainer && oracle.matches(view) && limiting.matches(view),
              JSON.stringify(event),
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuses what the filter of events refuses', async () => {
    await assert.rejects(compileRecordFilter([{ key: 'colour', op: '=', value: 'red' }]), {
      code: 'ERR_FILTER_INVALID',
    });
  });
});
