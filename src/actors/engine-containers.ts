import type { EventView } from '../codec/event-record.ts';
import { BUILT_IN_ATTRIBUTES } from '../codec/format-record.ts';
import type { Container, ContainerTable } from '../event/container-table.ts';
import { asTocsinError } from '../event/errors.ts';
import type { ContainerSpec } from '../event/event.ts';
import type { Counters } from '../messages/counters.ts';
import { NO_EXIT_CODE } from '../messages/layout.ts';

/** Events that show the container's labels, and nothing of the event's own beside them. */
const SHOW_LABELS: ReadonlySet<string> = new Set(['create', 'start']);
/** Podman's own, with every event. */
const NO_LABELS: ReadonlySet<string> = new Set(['containerExitCode', 'podId']);

/** Keeps the container table as an engine's events say. */
export class EngineContainers {
  readonly #table: ContainerTable;
  readonly #counters: Counters;

  constructor(table: ContainerTable, counters: Counters) {
    this.#table = table;
    this.#counters = counters;
  }

  /** Takes note of an event that is in the log under this number. */
  note(event: EventView, seq: number): void {
    const { id, action } = event;
    if (event.type !== 'container' || id === '') return;
    if (action === 'destroy' || action === 'remove') {
      this.#table.remove(id);
      return;
    }
    const container = this.#describe(id, event);
    if (!container) return;
    container.lastSeq = seq;
    if (action === 'start') this.#table.started(container);
    if (action === 'die' && event.exitCode !== NO_EXIT_CODE)
      this.#table.stopped(container, container.pid, event.exitCode);
  }

  /** @returns undefined for one that cannot be described */
  #describe(id: string, event: EventView): Container | undefined {
    const known = this.#table.byId(id);
    const spec = specOf(event, known);
    if (known?.known && !known.removed && isSame(known.spec, spec)) return known;
    try {
      return this.#table.put(id, spec);
    } catch (error) {
      if (asTocsinError(error).code !== 'ERR_CONTAINER_INVALID') throw error;
      this.#counters.add('containersUndescribed');
      return undefined;
    }
  }
}

/** What the event shows of its container; what it does not show stays as it is known. */
function specOf(event: EventView, known: Container | undefined): ContainerSpec {
  const labels: Record<string, string> = {};
  let { image, name } = known?.spec ?? {};
  for (const [key, value] of event.attributes()) {
    if (key === 'image') image = value;
    else if (key === 'name') name = value;
    else if (!BUILT_IN_ATTRIBUTES.has(key) && !NO_LABELS.has(key)) labels[key] = value;
  }
  const pid = known?.pid ?? 0;
  const shown = SHOW_LABELS.has(event.action) ? labels : known?.spec.labels;
  return {
    ...(name === undefined ? {} : { name }),
    ...(image === undefined ? {} : { image }),
    ...(pid > 0 ? { pid } : {}),
    ...(shown === undefined ? {} : { labels: shown }),
  };
}

function isSame(a: ContainerSpec, b: ContainerSpec): boolean {
  const [aKeys, bKeys] = [Object.keys(a.labels ?? {}), Object.keys(b.labels ?? {})];
  return (
    a.name === b.name &&
    a.image === b.image &&
    aKeys.length === bKeys.length &&
    aKeys.every((key) => a.labels?.[key] === b.labels?.[key])
  );
}
