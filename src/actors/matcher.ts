import { utf8 } from '../codec/bytes.ts';
import { TYPE_CONTAINER } from '../codec/docker-event.ts';
import { compileDockerFilters } from '../codec/docker-filter.ts';
import type { EventView } from '../codec/event-record.ts';
import type { DockerFilters } from '../event/docker-filters.ts';
import { compileFilter, loadRegexEngine, type Term } from '../event/filter.ts';
import { EVENT } from '../messages/layout.ts';
import type { Matcher } from './lane.ts';

/** The matcher for one container's id (undefined = any object) and a filter. @throws ERR_FILTER_INVALID */
export async function makeMatcher(id: string | undefined, filters: readonly Term[] | DockerFilters): Promise<Matcher> {
  // Docker's clients name containers in their filters.
  if (!isTerms(filters)) return compileDockerFilters(filters);
  const terms = filters;
  const filter = compileFilter(terms, await loadRegexEngine(terms));
  if (id === undefined) {
    if (terms.length === 0) return { key: '', matches: () => true };
    return { key: filter.key, matches: (event) => filter.matches(event) };
  }
  const wanted = utf8(id);
  const key = `id=${JSON.stringify(id)} ${filter.key}`.trimEnd();
  if (terms.length === 0) return { key, matches: (event) => hasId(event, wanted) };
  return { key, matches: (event) => hasId(event, wanted) && filter.matches(event) };
}

/** Compares bytes: nothing is decoded for the many events of other objects. */
function hasId(event: EventView, wanted: Uint8Array): boolean {
  if (event.half(EVENT.ID_BYTES) !== wanted.length) return false;
  const actionFrom = event.at + EVENT.FIXED_BYTES + event.half(EVENT.TYPE_BYTES);
  const idFrom = actionFrom + event.half(EVENT.ACTION_BYTES) + event.half(EVENT.ARGS_BYTES);
  // Ids of containers only: an image may be called like one.
  return bytesEqual(event.bytes, idFrom, wanted) && event.isOfType(TYPE_CONTAINER);
}

function bytesEqual(bytes: Uint8Array, from: number, wanted: Uint8Array): boolean {
  for (let index = wanted.length - 1; index >= 0; index -= 1) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}

function isTerms(filters: readonly Term[] | DockerFilters): filters is readonly Term[] {
  return Array.isArray(filters);
}
