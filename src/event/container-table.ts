import { TocsinError } from './errors.ts';
import type { ContainerInfo, ContainerSpec } from './event.ts';

/** A container as the collector keeps it. Mutable inside the collector only. */
export interface Container {
  readonly id: string;
  spec: ContainerSpec;
  /** 0 = none. */
  pid: number;
  /** It was started and has not ended, whether or not its pid is known. */
  running: boolean;
  /** Only while it is running. */
  paused: boolean;
  /** Of the source that described it last; '' when another did. */
  source: string;
  exitCode: number;
  /** An engine described it; otherwise only events named it. */
  known: boolean;
  removed: boolean;
  /** Newest event that names it: it is kept while that is retained. */
  lastSeq: number;
  /** When it was removed, as a running number; the latest removal of a name is the one that is meant. */
  removal: number;
  /** Grows with every change of what its events show. */
  version: number;
}

/** A container as the history keeps it. */
export interface SavedContainer {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly pid: number;
  /** Absent in what was written before there was such a field. */
  readonly running?: boolean;
  readonly paused?: boolean;
  readonly source?: string;
  readonly exitCode: number;
  readonly known: boolean;
  readonly removed: boolean;
  readonly removal: number;
}

const MAX_SPEC_BYTES = 32 * 1024;
const MAX_ID_BYTES = 255;
const NONE: SavedContainer[] = [];

/**
 * The containers that events can name. Ids are exact; names and unique prefixes lead to ids. Removed containers and those that
 * only events named stay as long as retained history names them.
 */
export class ContainerTable {
  readonly #containers = new Map<string, Container>();
  /** What differs from what was saved last. */
  readonly #unsaved = new Set<Container>();
  #removals = 0;
  /** Ids of present, known containers in order, for prefix look-ups; rebuilt after a change. */
  #sortedIds: string[] | undefined;
  #names: Map<string, Container> | undefined;
  /** Grows with every change that may alter which container a name leads to. */
  generation = 0;

  /** Adds or replaces what an engine says about a container. @throws ERR_CONTAINER_INVALID */
  put(id: string, spec: ContainerSpec): Container {
    checkSpec(id, spec);
    const before = this.#containers.get(id);
    const container: Container = before ?? blank(id);
    container.spec = spec;
    container.pid = spec.pid ?? 0;
    container.known = true;
    container.removed = false;
    container.version += 1;
    this.#containers.set(id, container);
    this.#unsaved.add(container);
    this.#changed();
    return container;
  }

  /** Takes up what an earlier process knew. Its newest event may be `headSeq`. */
  restore(saved: readonly SavedContainer[], headSeq: number): void {
    for (const { id, ...known } of saved) {
      this.#containers.set(id, { ...blank(id), ...known, lastSeq: headSeq });
      this.#removals = Math.max(this.#removals, known.removal);
    }
    this.#changed();
  }

  /** The same table without the other containers, as it is now; to be read only. */
  within(isShown: (container: Container) => boolean): ContainerTable {
    const table = new ContainerTable();
    for (const [id, container] of this.#containers) if (isShown(container)) table.#containers.set(id, container);
    return table;
  }

  /** Everything that has changed since this was asked last. */
  takeUnsaved(): SavedContainer[] {
    if (this.#unsaved.size === 0) return NONE;
    const saved = [...this.#unsaved].map(saveContainer);
    this.#unsaved.clear();
    return saved;
  }

  *saved(): IterableIterator<SavedContainer> {
    for (const container of this.#containers.values()) yield saveContainer(container);
  }

  /** @returns whether the container was there */
  remove(id: string): boolean {
    const container = this.#containers.get(id);
    if (!container || container.removed || !container.known) return false;
    container.removed = true;
    container.running = false;
    container.paused = false;
    container.pid = 0;
    container.version += 1;
    this.#removals += 1;
    container.removal = this.#removals;
    this.#unsaved.add(container);
    this.#changed();
    return true;
  }

  /** STOPPED of the container's current process. @returns false when `pid` is not that process: nothing changes then */
  stopped(container: Container, pid: number, exitCode: number): boolean {
    if (container.known && container.pid !== pid) return false;
    if (!container.known) return true;
    container.exitCode = exitCode;
    container.running = false;
    container.paused = false;
    container.pid = 0;
    container.version += 1;
    this.#unsaved.add(container);
    return true;
  }

  started(container: Container): void {
    if (container.running && !container.paused && container.exitCode === 0) return;
    if (container.exitCode !== 0) container.version += 1;
    container.exitCode = 0;
    container.running = true;
    container.paused = false;
    this.#unsaved.add(container);
  }

  /** It runs, and is held or not. */
  paused(container: Container, isPaused: boolean): void {
    this.started(container);
    if (!isPaused) return;
    container.paused = true;
    this.#unsaved.add(container);
  }

  /** A source describes the container from now on. */
  belongs(container: Container, source: string): void {
    if (container.source === source) return;
    container.source = source;
    this.#unsaved.add(container);
  }

  /** One that is present, was removed, or that only events named. */
  byId(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  /** The container that a record names by id, name or unique prefix, described or merely named before. */
  find(name: string): Container | undefined {
    return this.#present(name) ?? this.#containers.get(name);
  }

  /** Takes note of a container that only events name. */
  note(name: string): Container {
    const container = blank(name);
    this.#containers.set(name, container);
    this.#unsaved.add(container);
    return container;
  }

  /**
   * What a subscriber means by `name`: an id, a current name, a unique prefix, or the most recently removed container of that
   * name, in this order.
   * @throws ERR_CONTAINER_UNKNOWN, ERR_CONTAINER_AMBIGUOUS
   */
  resolve(name: string): Container {
    const exact = this.#containers.get(name);
    if (exact?.known) return exact;
    // One that events merely called so gives way to the container that has the name now.
    const found = this.#byName().get(name) ?? exact;
    if (found) return found;
    const matches = [...this.#containers.keys()].filter((id) => id.startsWith(name));
    if (matches.length === 1) return this.#containers.get(matches[0]!)!;
    if (matches.length > 1) {
      const listed = matches.slice(0, 8).join(', ') + (matches.length > 8 ? ', ...' : '');
      throw new TocsinError(
        'ERR_CONTAINER_AMBIGUOUS',
        `${JSON.stringify(name)} matches ${matches.length} ids: ${listed}`,
      );
    }
    let latest: Container | undefined;
    for (const container of this.#containers.values()) {
      if (container.removed && container.spec.name === name && container.removal > (latest?.removal ?? 0))
        latest = container;
    }
    if (!latest) throw new TocsinError('ERR_CONTAINER_UNKNOWN', `No such container: ${name}`);
    return latest;
  }

  /** Forgets removed and merely named containers that no retained event names any more. */
  expire(oldestSeq: number): void {
    let hasForgotten = false;
    for (const container of this.#containers.values()) {
      if ((container.removed || !container.known) && container.lastSeq < oldestSeq)
        hasForgotten = this.#containers.delete(container.id);
    }
    if (hasForgotten) this.#changed();
  }

  list(): ContainerInfo[] {
    return [...this.#containers.values()].map(describeContainer);
  }

  #present(name: string): Container | undefined {
    const exact = this.#containers.get(name);
    if (exact?.known && !exact.removed) return exact;
    const named = this.#byName().get(name);
    if (named) return named;
    if (name.length >= 64) return undefined;
    this.#sortedIds ??= [...this.#containers.values()]
      .filter((container) => container.known && !container.removed)
      .map((container) => container.id)
      .sort();
    let low = 0;
    let high = this.#sortedIds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sortedIds[middle]! < name) low = middle + 1;
      else high = middle;
    }
    const first = this.#sortedIds[low];
    if (!first?.startsWith(name) || this.#sortedIds[low + 1]?.startsWith(name)) return undefined;
    return this.#containers.get(first);
  }

  #byName(): Map<string, Container> {
    if (!this.#names) {
      this.#names = new Map();
      for (const container of this.#containers.values()) {
        if (container.known && !container.removed && container.spec.name)
          this.#names.set(container.spec.name, container);
      }
    }
    return this.#names;
  }

  #changed(): void {
    this.generation += 1;
    this.#sortedIds = undefined;
    this.#names = undefined;
  }
}

export function describeContainer(container: Container): ContainerInfo {
  const { id, spec, pid, running, paused, exitCode, known, removed } = container;
  const { pid: _, ...rest } = spec;
  return {
    id,
    ...rest,
    ...(pid > 0 ? { pid } : {}),
    ...(running || pid > 0 ? { running: true } : {}),
    ...(paused ? { paused: true } : {}),
    ...(exitCode === 0 ? {} : { exitCode }),
    known,
    removed,
  };
}

function saveContainer({
  id,
  spec,
  pid,
  running,
  paused,
  source,
  exitCode,
  known,
  removed,
  removal,
}: Container): SavedContainer {
  return {
    id,
    spec,
    pid,
    ...(running ? { running } : {}),
    ...(paused ? { paused } : {}),
    ...(source === '' ? {} : { source }),
    exitCode,
    known,
    removed,
    removal,
  };
}

function blank(id: string): Container {
  return {
    id,
    spec: {},
    pid: 0,
    running: false,
    paused: false,
    source: '',
    exitCode: 0,
    known: false,
    removed: false,
    lastSeq: 0,
    removal: 0,
    version: 0,
  };
}

/** Whether a container can be described under this id; `/containers/json` is a route of the Docker API. */
export function isContainerId(id: string): boolean {
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_BYTES && id !== 'json';
}

function checkSpec(id: string, spec: ContainerSpec): void {
  const invalid = (message: string): TocsinError => new TocsinError('ERR_CONTAINER_INVALID', message);
  if (!isContainerId(id)) throw invalid(`id: expected 1 to ${MAX_ID_BYTES} characters, and not "json"`);
  const given: unknown = spec;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('expected an object');
  let size = 0;
  for (const key of Object.keys(spec)) {
    if (!['name', 'image', 'pid', 'labels'].includes(key)) throw invalid(`unknown field ${JSON.stringify(key)}`);
  }
  for (const [field, value] of [
    ['name', spec.name],
    ['image', spec.image],
  ] as const) {
    if (value !== undefined && typeof value !== 'string') throw invalid(`${field}: expected text`);
    size += value?.length ?? 0;
  }
  const { pid } = spec;
  if (pid !== undefined && (!Number.isInteger(pid) || pid < 0 || pid > 0x7fffffff))
    throw invalid('pid: expected an integer');
  const labels: unknown = spec.labels ?? {};
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels))
    throw invalid('labels: expected an object');
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value !== 'string') throw invalid(`labels.${key}: expected text`);
    size += key.length + value.length + 4;
  }
  // Three bytes a character is the most that UTF-8 needs for what JSON can hold.
  if (size * 3 > MAX_SPEC_BYTES)
    throw invalid(`name, image and labels are longer than ${MAX_SPEC_BYTES / 3} characters`);
}
