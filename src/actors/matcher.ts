import { utf8 } from '../codec/bytes.ts';
import { compileDockerFilters } from '../codec/docker-filter.ts';
import { isExactTerm, recordTest } from '../codec/record-filter.ts';
import type { DockerFilters } from '../event/docker-filters.ts';
import { compileFilter, loadRegexEngine, type Pin, type Term } from '../event/filter.ts';
import type { Subscription } from '../messages/control.ts';
import { EVENT, FLAG_REPEATS, FLAG_SOURCE_GAP, FLAG_SYNTHETIC } from '../messages/layout.ts';
import type { Matcher, PinnedText } from './lane.ts';

/**
 * The matcher for one container's id (undefined = any object) and what a client asks for, within its limit.
 * @throws ERR_FILTER_INVALID
 */
export async function makeMatcher(
  id: string | undefined,
  {
    filter,
    limit = [],
    quiet = false,
    redact = false,
    synthetic = false,
  }: Pick<Subscription, 'filter' | 'limit' | 'quiet' | 'redact' | 'synthetic'>,
): Promise<Matcher> {
  const asked = await matcherOf(id, filter, synthetic);
  const { key, wanted, ...matcher } = limit.length === 0 ? asked : within(limit, asked);
  return {
    ...matcher,
    key: quiet ? `quiet ${key}`.trimEnd() : key,
    showsPinned: matcher.showsPinned && !quiet,
    wanted: wanted && { ...wanted, redact },
    matches: !quiet
      ? matcher.matches
      : (event) => (event.half(EVENT.FLAGS) & FLAG_REPEATS) === 0 && matcher.matches(event),
  };
}

/** A matcher that knows nothing yet of secrets. */
type Asked = Omit<Matcher, 'wanted'> & {
  readonly wanted: Omit<NonNullable<Matcher['wanted']>, 'redact'> | undefined;
};

/**
 * Both filters hold. They cannot be made one: of two values of a key, one would be enough. The limit looks at the event as the
 * listener shows it, so it means the same on every door.
 */
function within(limit: readonly Term[], asked: Asked): Asked {
  const filter = compileFilter(limit);
  const isWithin = recordTest(filter);
  return {
    key: `limit=${filter.key} ${asked.key}`.trimEnd(),
    pins: asked.pins.length > 0 ? asked.pins : pinnedTexts(filter.pins),
    showsPinned: false,
    cost: asked.cost + filter.cost,
    wanted: { terms: [], container: undefined, ...asked.wanted, limit: filter.terms },
    matches: (event) => asked.matches(event) && isWithin(event),
  };
}

async function matcherOf(
  id: string | undefined,
  filters: readonly Term[] | DockerFilters,
  synthetic: boolean,
): Promise<Asked> {
  if (!isTerms(filters)) {
    // Docker's clients name containers in their filters.
    const filter = compileDockerFilters(filters, await loadRegexEngine(filters.terms));
    // Docker has no word for what a source tells of itself, and no client of its own expects what no engine told.
    const hidden = synthetic ? FLAG_SOURCE_GAP : FLAG_SOURCE_GAP | FLAG_SYNTHETIC;
    return {
      key: synthetic ? `synthetic ${filter.key}`.trimEnd() : filter.key,
      pins: pinnedTexts(filter.pins),
      showsPinned: false,
      cost: filter.cost,
      wanted: undefined,
      matches: (event) => (event.half(EVENT.FLAGS) & hidden) === 0 && filter.matches(event),
    };
  }
  const filter = compileFilter(filters, await loadRegexEngine(filters));
  const { cost } = filter;
  const matches = recordTest(filter, id);
  const wanted = id === undefined && filters.length === 0 ? undefined : { terms: filters, container: id };
  if (id === undefined) {
    const showsPinned = filters.every((term) => term.key === 'container' && isExactTerm(term));
    return { key: filter.key, pins: pinnedTexts(filter.pins), showsPinned, cost, wanted, matches };
  }
  return {
    key: `id=${JSON.stringify(id)} ${filter.key}`.trimEnd(),
    pins: pinnedTexts([{ field: 'id', text: id }]),
    showsPinned: filters.length === 0,
    cost,
    wanted,
    matches,
  };
}

function pinnedTexts(pins: readonly Pin[]): readonly PinnedText[] {
  return pins.map(({ field, text }) => ({ field, text: utf8(text) }));
}

function isTerms(filters: readonly Term[] | DockerFilters): filters is readonly Term[] {
  return Array.isArray(filters);
}
