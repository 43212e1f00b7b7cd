import { utf8 } from '../codec/bytes.ts';
import type { EventView } from '../codec/event-record.ts';
import { compileFilter, loadRegexEngine, type Term } from '../event/filter.ts';
import { EVENT } from '../messages/layout.ts';
import type { Matcher } from './lane.ts';

/** The matcher for one container's id (undefined = any object) and a filter. @throws ERR_FILTER_INVALID */
export async function makeMatcher(id: string | undefined, terms: readonly Term[]): Promise<Matcher> {
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
  const { bytes, at } = event;
  const typeBytes = event.half(EVENT.TYPE_BYTES);
  // Ids of containers only: an image may be called like one.
  if (typeBytes !== 9) return false;
  const from =
    at + EVENT.FIXED_BYTES + typeBytes + event.half(EVENT.ACTION_BYTES) + event.half(EVENT.ARGS_BYTES);
  for (let index = wanted.length - 1; index >= 0; index -= 1) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}
