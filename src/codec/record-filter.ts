import { compileFilter, type Filter, loadRegexEngine, type Term } from '../event/filter.ts';
import { EVENT } from '../messages/layout.ts';
import { isRange, textOf, utf8 } from './bytes.ts';
import { TYPE_CONTAINER } from './docker-event.ts';
import { type EventView, readUint16 } from './event-record.ts';

/** Which records a scan wants. */
export interface RecordFilter {
  /** It wants every record. */
  readonly isEmpty: boolean;
  matches(record: EventView): boolean;
}

/** Whether a record is wanted, by its bytes as far as they tell. */
export type RecordTest = (record: EventView) => boolean;

const NAME = utf8('name');
const WILDCARD = /[*?]/;
/** Between an action and its arguments, where a filter names both. */
const BEFORE_ARGS = ': ';
/** What bytes can tell, the cheapest first. */
const BYTE_KEYS: readonly string[] = ['id', 'event', 'type', 'container', 'name'];

/**
 * A filter for the records of a history.
 * @param container id of the one container whose events are wanted
 * @param limit a second filter, that must hold as well
 * @throws ERR_FILTER_INVALID
 */
export async function compileRecordFilter(
  terms: readonly Term[],
  container?: string,
  limit: readonly Term[] = [],
): Promise<RecordFilter> {
  const compile = async (each: readonly Term[]): Promise<Filter> => compileFilter(each, await loadRegexEngine(each));
  const holds = recordTest(await compile(terms), container);
  if (limit.length === 0) return { isEmpty: terms.length === 0 && container === undefined, matches: holds };
  const isWithin = recordTest(await compile(limit));
  return { isEmpty: false, matches: (record) => holds(record) && isWithin(record) };
}

/**
 * A filter for many records of which few are wanted: exact values of `type`, `event`, `container`, `id` and `name` are compared as
 * bytes, and only records that pass are looked at as events, if anything is left to ask.
 * @param container id of the one container whose events are wanted
 */
export function recordTest(filter: Filter, container?: string): RecordTest {
  const tests: RecordTest[] = [];
  if (container !== undefined) {
    const id = utf8(container);
    // Ids of containers only: an image may be called like one.
    tests.push((record) => isId(record, id) && record.isOfType(TYPE_CONTAINER));
  }
  let isRest = false;
  const rank = (key: string): number => BYTE_KEYS.indexOf(key);
  const keys = [...new Set(filter.terms.map((term) => term.key))].sort((a, b) => rank(a) - rank(b));
  for (const key of keys) {
    const ofKey = filter.terms.filter((term) => term.key === key);
    const wanted = ofKey.filter(({ op }) => op !== '!=');
    const isExact = wanted.length > 0 && wanted.every(isExactTerm);
    const test = isExact ? byteTest(key, wanted) : undefined;
    if (test) tests.push(test);
    if (!test || wanted.length < ofKey.length || wanted.some(needsMore)) isRest = true;
  }
  if (isRest) tests.push((record) => filter.matches(record));
  const [first, second, ...others] = tests;
  if (!first) return () => true;
  if (!second) return first;
  return (record) => first(record) && second(record) && others.every((test) => test(record));
}

/** Whether bytes can tell that a field is the value. */
export function isExactTerm({ op, value }: Term): boolean {
  // A text that UTF-8 cannot say equals none, but its replacement would.
  return op === '=' && !WILDCARD.test(value) && decoded(utf8(value)) === value;
}

function decoded(bytes: Uint8Array): string {
  return textOf(bytes, 0, bytes.length);
}

/** The bytes of an action alone do not say whether the event is meant. */
function needsMore({ key, value }: Term): boolean {
  return key === 'event' && value.includes(BEFORE_ARGS);
}

/** @returns undefined for a key that has to be looked up as an event's */
function byteTest(key: string, terms: readonly Term[]): RecordTest | undefined {
  const texts = terms.map(({ value }) => utf8(value));
  switch (key) {
    case 'type':
      return anyOf(texts, (record, text) => record.isOfType(text));
    case 'id':
      return anyOf(texts, isId);
    case 'event':
      return anyOf(texts, mayBeAction);
    case 'container': {
      const isNamed = anyOf(texts, hasName);
      const isMeant = anyOf(texts, isId);
      return (record) => record.isOfType(TYPE_CONTAINER) && (isMeant(record) || isNamed(record));
    }
    case 'name':
      return anyOf(texts, hasName);
    default:
      return undefined;
  }
}

function anyOf(texts: readonly Uint8Array[], is: (record: EventView, text: Uint8Array) => boolean): RecordTest {
  const [only] = texts;
  if (texts.length === 1) return (record) => is(record, only!);
  return (record) => texts.some((text) => is(record, text));
}

function isId(record: EventView, id: Uint8Array): boolean {
  // Most ids of one engine are equally long, and differ soon.
  if (record.half(EVENT.ID_BYTES) !== id.length) return false;
  const typeFrom = record.at + EVENT.FIXED_BYTES;
  const actionFrom = typeFrom + record.half(EVENT.TYPE_BYTES);
  const from = actionFrom + record.half(EVENT.ACTION_BYTES) + record.half(EVENT.ARGS_BYTES);
  return isRange(record.bytes, from, from + id.length, id);
}

/** The action is the text, or what stands before the arguments in it. */
function mayBeAction(record: EventView, text: Uint8Array): boolean {
  const bytes = record.half(EVENT.ACTION_BYTES);
  const from = record.at + EVENT.FIXED_BYTES + record.half(EVENT.TYPE_BYTES);
  if (bytes === text.length) return isRange(record.bytes, from, from + bytes, text);
  if (text[bytes] !== 0x3a || text[bytes + 1] !== 0x20) return false;
  return isRange(record.bytes, from, from + bytes, text.subarray(0, bytes));
}

function hasName(record: EventView, name: Uint8Array): boolean {
  const at = record.attributeAt(NAME);
  if (at < 0) return false;
  const from = at + 4 + NAME.length;
  return isRange(record.bytes, from, from + readUint16(record.bytes, at + 2), name);
}
