import type { NewEvent } from '../../src/event/event.ts';
import { familiarName } from '../../src/event/image-reference.ts';

/** Values of each key, and whether they are wanted. */
export type DockerValues = ReadonlyMap<string, ReadonlyMap<string, boolean>>;

const PREFIX_KEYS = ['container', 'daemon', 'plugin', 'volume', 'network', 'node', 'service', 'secret', 'config'];
const MAX_VALUES = 1000;
const MAX_VALUE_CHARS = 1024;

/** What Docker reads in `filters=`. @returns undefined when it refuses it */
export function dockerValues(json: string): DockerValues | undefined {
  let parsed: unknown = null;
  try {
    if (json !== '') parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || Array.isArray(parsed)) return undefined;
  const given = Object.entries(parsed ?? {}).filter(([, values]) => values !== null) as [string, unknown][];
  const values = new Map<string, Map<string, boolean>>();
  const isList = given.every(([, of]) => Array.isArray(of));
  for (const [key, of] of given) {
    if (typeof of !== 'object' || of === null || (Array.isArray(of) && !isList)) return undefined;
    const entries = Array.isArray(of) ? of.map((value: unknown) => [value ?? '', true]) : Object.entries(of);
    if (!entries.every(([value, on]) => typeof value === 'string' && (on === null || typeof on === 'boolean')))
      return undefined;
    if (entries.length > 0) values.set(key, new Map(entries.map(([value, on]) => [value as string, on === true])));
  }
  const all = [...values.values()].flatMap((of) => [...of.keys()]);
  return all.length > MAX_VALUES || all.some((value) => value.length > MAX_VALUE_CHARS) ? undefined : values;
}

/** Docker's own filter (moby, daemon/events/filter.go), rule by rule. */
export function dockerShows(filters: DockerValues, event: NewEvent): boolean {
  const attributes = attributesOf(event);
  const word = event.type === 'image' && event.action === 'remove' ? 'delete' : event.action;
  const action = event.args ? `${word}: ${event.args}` : word;
  const exact = (key: string, text: string): boolean => filters.get(key)?.get(text) ?? !filters.has(key);
  const fuzzy = (key: string, text: string): boolean =>
    exact(key, text) || [...(filters.get(key)?.keys() ?? [])].some((prefix) => text.startsWith(prefix));
  const isOpen = ['health_status', 'exec_create', 'exec_start'].some((open) => filters.get('event')?.has(open));
  const image = attributes.get(event.type === 'image' ? 'name' : 'image') ?? '';
  return (
    (isOpen ? fuzzy : exact)('event', action) &&
    exact('type', event.type) &&
    exact('scope', event.scope || 'local') &&
    PREFIX_KEYS.every((key) => fuzzy(key, event.id) || fuzzy(key, attributes.get('name') ?? '')) &&
    [...(filters.get('label')?.keys() ?? [])].every((label) => hasLabel(attributes, label)) &&
    [event.id, image, familiarName(event.id), familiarName(image)].some((name) => exact('image', name))
  );
}

function hasLabel(attributes: ReadonlyMap<string, string>, label: string): boolean {
  const equals = label.indexOf('=');
  if (equals < 0) return attributes.has(label);
  return attributes.get(label.slice(0, equals)) === label.slice(equals + 1);
}

function attributesOf(event: NewEvent): ReadonlyMap<string, string> {
  const attributes = new Map(Object.entries(event.attributes ?? {}));
  if (event.type === 'container' && event.exitCode !== undefined && ['die', 'exec_die'].includes(event.action))
    attributes.set('exitCode', String(event.exitCode));
  if (event.type === 'image' && attributes.size === 0 && event.id !== '') attributes.set('name', event.id);
  return attributes;
}
