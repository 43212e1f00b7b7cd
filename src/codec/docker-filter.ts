import type { DockerFilters } from '../event/docker-filters.ts';
import { compileFilter, type Pin, pinnedAction, type RegexEngine } from '../event/filter.ts';
import { familiarName } from '../event/image-reference.ts';
import { actionOfDocker, dockerAction } from '../event/operators.ts';
import { DOCKER_SCOPE, dockerActionOf, dockerAttributesOf, DockerSubject } from './docker-event.ts';
import type { EventView } from './event-record.ts';

/** The filters of one client, compiled: equal keys show equal events. */
export interface CompiledDockerFilters {
  readonly key: string;
  /** As of `Filter`. */
  readonly pins: readonly Pin[];
  readonly cost: number;
  matches(event: EventView): boolean;
}

/** Values of one key. Docker's map form may hold `false`: such a value never matches exactly, but still as a prefix. */
interface Values {
  readonly all: readonly string[];
  readonly wanted: ReadonlySet<string>;
}

type Predicate = (event: EventView, attributes: () => ReadonlyMap<string, string>) => boolean;

/** Keys whose values are the beginning of an id or a name, of events of every type. */
const OBJECT_KEYS = [
  'container',
  'daemon',
  'plugin',
  'volume',
  'network',
  'node',
  'service',
  'secret',
  'config',
] as const;
/** The action of the log that Docker calls `delete`. */
const IMAGE_REMOVED = actionOfDocker('image', 'delete');
/** Values are compared one after the other; so many cost what a glob does. */
const VALUES_PER_GLOB = 8;
/** Actions that go on behind a colon: when one of them is wanted, all wanted actions are beginnings. */
const OPEN_ACTIONS: ReadonlySet<string> = new Set(['health_status', 'exec_create', 'exec_start']);

/**
 * Docker's filters with Docker's semantics (Engine API, `GET /events`): all keys must hold, and of a key one value, but of
 * `label` every value. Keys that Docker does not know are ignored. What the client asks for in our own words must hold as well.
 * @param engine as of `compileFilter`
 * @throws ERR_FILTER_INVALID
 */
export function compileDockerFilters(filters: DockerFilters, engine?: RegexEngine): CompiledDockerFilters {
  const values = new Map<string, Values>();
  for (const [key, ofKey] of Object.entries(filters.values)) {
    const all = Object.keys(ofKey).sort();
    values.set(key, { all, wanted: new Set(all.filter((value) => ofKey[value])) });
  }
  const predicates: Predicate[] = [];
  const used: string[] = [];
  let cost = Math.floor(countOf(values) / VALUES_PER_GLOB);
  const add = (key: string, make: (values: Values) => Predicate): void => {
    const ofKey = values.get(key);
    if (!ofKey) return;
    predicates.push(make(ofKey));
    used.push(`${key}=${JSON.stringify(ofKey.all.map((value) => [value, ofKey.wanted.has(value)]))}`);
  };
  // What costs least comes first.
  add(
    'type',
    ({ wanted }) =>
      (event) =>
        wanted.has(event.type),
  );
  add(
    'scope',
    ({ wanted }) =>
      (event) =>
        wanted.has(event.scope || DOCKER_SCOPE),
  );
  add('event', eventPredicate);
  for (const key of OBJECT_KEYS) add(key, objectPredicate);
  add('image', imagePredicate);
  add('label', labelPredicate);
  if (filters.terms.length > 0) {
    const own = compileFilter(filters.terms, engine);
    predicates.push((event) => own.matches(new DockerSubject(event)));
    cost += own.cost;
    used.push(own.key);
  }
  return {
    key: used.join(' '),
    pins: pinsOf(values),
    cost,
    matches(event) {
      if (predicates.length === 0) return true;
      let found: ReadonlyMap<string, string> | undefined;
      const attributes = (): ReadonlyMap<string, string> => (found ??= dockerAttributesOf(event));
      return predicates.every((holds) => holds(event, attributes));
    },
  };
}

/** What can be looked up of the events that the filters show: the beginning of an id or name, else an action, else a type. */
function pinsOf(values: ReadonlyMap<string, Values>): readonly Pin[] {
  const candidates = [
    ...OBJECT_KEYS.map((key) =>
      values.get(key)?.all.flatMap((text): Pin[] => [
        { field: 'id', text },
        { field: 'name', text },
      ]),
    ),
    values.get('event')?.all.flatMap(pinsOfAction),
    values.get('type')?.all.map((text): Pin => ({ field: 'type', text })),
  ];
  return candidates.find((pins) => pins?.length && pins.every(({ text }) => text !== '')) ?? [];
}

function countOf(values: ReadonlyMap<string, Values>): number {
  return [...values.values()].reduce((sum, { all }) => sum + all.length, 0);
}

function pinsOfAction(value: string): readonly Pin[] {
  const pin: Pin = { field: 'action', text: pinnedAction(value) };
  // The log has its own word for the removal of an image.
  const other = dockerAction('image', IMAGE_REMOVED).startsWith(pin.text);
  return other ? [pin, { field: 'action', text: IMAGE_REMOVED }] : [pin];
}

function eventPredicate({ all, wanted }: Values): Predicate {
  if (!all.some((value) => OPEN_ACTIONS.has(value))) return (event) => wanted.has(dockerActionOf(event));
  return (event) => beginsWithOneOf(dockerActionOf(event), all);
}

function objectPredicate({ all }: Values): Predicate {
  return (event, attributes) => beginsWithOneOf(event.id, all) || beginsWithOneOf(attributes().get('name') ?? '', all);
}

function imagePredicate({ wanted }: Values): Predicate {
  return (event, attributes) => {
    const { id } = event;
    if (wanted.has(id)) return true;
    const image = attributes().get(event.type === 'image' ? 'name' : 'image') ?? '';
    return wanted.has(image) || wanted.has(familiarName(id)) || wanted.has(familiarName(image));
  };
}

function labelPredicate({ all }: Values): Predicate {
  const labels = all.map((value) => {
    const split = value.indexOf('=');
    return split < 0 ? { key: value } : { key: value.slice(0, split), value: value.slice(split + 1) };
  });
  return (_, attributes) =>
    labels.every(({ key, value }) => {
      const found = attributes().get(key);
      return found !== undefined && (value === undefined || found === value);
    });
}

function beginsWithOneOf(text: string, beginnings: readonly string[]): boolean {
  return beginnings.some((beginning) => text.startsWith(beginning));
}
