import { TYPE_CONTAINER } from '../codec/docker-event.ts';
import type { EventView } from '../codec/event-record.ts';
import type { SavedContainer } from '../event/container-table.ts';
import type { ContainerSpec, NewEvent } from '../event/event.ts';
import type { ListedContainer } from '../messages/engine-source.ts';
import { changeOf, toldSpec } from './told-container.ts';

/** What the log says of a container once everything that has come is in it. */
interface KnownContainer {
  readonly spec: ContainerSpec;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
}

/** What events have told of a container since the list was asked for: bits, because the list may be older than they are. */
const TOLD = { EXISTENCE: 1, RUN: 2, NAME: 4 } as const;

type Difference = Pick<NewEvent, 'type' | 'action' | 'id' | 'attributes'>;

/**
 * What the log knows of one engine's containers, beside what the engine lists. The list is of some moment after it was asked for,
 * and the events of that time come on another connection, before or behind it. So what an event tells from then on until the two
 * are compared is not looked at in the list: the event says it, and says it later.
 */
export class SourceContainers {
  readonly #known = new Map<string, KnownContainer>();
  #told: Map<string, number> | undefined;

  /** @param recovered what the log knows of the source's containers */
  constructor(recovered: Iterable<SavedContainer>) {
    for (const { id, spec, running = false, paused = false } of recovered)
      this.#known.set(id, { spec, isRunning: running, isPaused: paused });
  }

  /** Takes note of an event on its way into the log. */
  note(event: EventView): void {
    if (!event.isOfType(TYPE_CONTAINER)) return;
    const { id, action } = event;
    if (id === '') return;
    const change = changeOf(action);
    const isState = change !== undefined;
    this.#told?.set(id, (this.#told.get(id) ?? 0) | TOLD.EXISTENCE | (isState ? TOLD.RUN : 0) | TOLD.NAME);
    if (change === 'gone') {
      this.#known.delete(id);
      return;
    }
    const known = this.#known.get(id);
    const isPaused = isState ? change === 'paused' : (known?.isPaused ?? false);
    const isRunning = isState ? change !== 'stopped' : (known?.isRunning ?? false);
    this.#known.set(id, { spec: toldSpec(event, action, known?.spec), isRunning, isPaused });
  }

  /** The list is about to be asked for. */
  beginList(): void {
    this.#told = new Map();
  }

  endList(): void {
    this.#told = undefined;
  }

  /** What has happened to the containers without an event, in an order in which it can have happened. */
  differences(listed: readonly ListedContainer[]): Difference[] {
    const differences: Difference[] = [];
    const present = new Set<string>();
    for (const container of listed) {
      present.add(container.id);
      differences.push(...this.#differencesOf(container));
    }
    for (const [id, { spec, isRunning }] of this.#known) {
      if (present.has(id) || this.#isTold(id, TOLD.EXISTENCE)) continue;
      if (isRunning) differences.push(difference('die', id, spec));
      differences.push(difference('destroy', id, spec));
    }
    return differences;
  }

  #differencesOf({ id, isRunning, isPaused, ...listed }: ListedContainer): Difference[] {
    const known = this.#known.get(id);
    // It is gone by now, or what it is was told.
    if (!known && this.#isTold(id, TOLD.EXISTENCE)) return [];
    // Engines list an image as it is called now, their events as it was called when the container was made.
    const spec = { ...listed, ...(known?.spec.image === undefined ? {} : { image: known.spec.image }) };
    const found = (action: string, more?: Readonly<Record<string, string>>): Difference =>
      difference(action, id, spec, more);
    const differences: Difference[] = [];
    const before = known?.spec.name;
    if (!known) differences.push(found('create'));
    else if (
      before !== undefined &&
      listed.name !== undefined &&
      listed.name !== before &&
      !this.#isTold(id, TOLD.NAME)
    )
      differences.push(found('rename', { oldName: `/${before}` }));
    if (known && this.#isTold(id, TOLD.RUN)) return differences;
    const wasRunning = known?.isRunning ?? false;
    const wasPaused = known?.isPaused ?? false;
    if (isRunning !== wasRunning) differences.push(found(isRunning ? 'start' : 'die'));
    if (isPaused !== (wasPaused && isRunning)) differences.push(found(isPaused ? 'pause' : 'unpause'));
    return differences;
  }

  #isTold(id: string, what: number): boolean {
    return ((this.#told?.get(id) ?? 0) & what) !== 0;
  }
}

/** As Docker's engine shows it: labels, image and name, sorted. */
function difference(
  action: string,
  id: string,
  { name, image, labels }: ContainerSpec,
  more: Readonly<Record<string, string>> = {},
): Difference {
  const shown = {
    ...labels,
    ...(image === undefined ? {} : { image }),
    ...(name === undefined ? {} : { name }),
    ...more,
  };
  const attributes = Object.fromEntries(Object.entries(shown).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { type: 'container', action, id, attributes };
}
