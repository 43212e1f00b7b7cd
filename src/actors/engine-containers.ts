import type { EventView } from '../codec/event-record.ts';
import { type Container, type ContainerTable, isContainerId } from '../event/container-table.ts';
import { asTocsinError } from '../event/errors.ts';
import type { ContainerSpec } from '../event/event.ts';
import { EXIT_CODE_UNKNOWN } from '../event/operators.ts';
import type { Counters } from '../messages/counters.ts';
import { NO_EXIT_CODE } from '../messages/layout.ts';
import { changeOf, type ContainerChange, toldSpec } from './told-container.ts';

/** Keeps the container table as the events of engines say. */
export class EngineContainers {
  readonly #table: ContainerTable;
  readonly #counters: Counters;

  constructor(table: ContainerTable, counters: Counters) {
    this.#table = table;
    this.#counters = counters;
  }

  /** Takes note of an event of this source that is in the log under this number. */
  note(event: EventView, seq: number, source: string): void {
    const { id, action } = event;
    if (event.type !== 'container' || id === '') return;
    const change = changeOf(action);
    if (change === 'gone') {
      this.#table.remove(id);
      return;
    }
    const container = this.#describe(id, event, action);
    if (!container) return;
    container.lastSeq = seq;
    this.#table.belongs(container, source);
    if (change) this.#change(container, change, event.exitCode);
  }

  #change(container: Container, change: Exclude<ContainerChange, 'gone'>, exitCode: number): void {
    if (change === 'started') return this.#table.started(container);
    if (change !== 'stopped') return this.#table.paused(container, change === 'paused');
    this.#table.stopped(container, container.pid, exitCode === NO_EXIT_CODE ? EXIT_CODE_UNKNOWN : exitCode);
  }

  /** One whose description is too long is known without it. @returns undefined for one that cannot be known */
  #describe(id: string, event: EventView, action: string): Container | undefined {
    const before = this.#table.byId(id);
    const known = before?.known && !before.removed ? before : undefined;
    const told = toldSpec(event, action, before?.spec);
    if (known && isSame(known.spec, told)) return known;
    const pid = before?.pid ?? 0;
    try {
      return this.#table.put(id, pid > 0 ? { ...told, pid } : told);
    } catch (error) {
      if (asTocsinError(error).code !== 'ERR_CONTAINER_INVALID') throw error;
      this.#counters.add('containersUndescribed');
      return known ?? (isContainerId(id) ? this.#table.put(id, {}) : undefined);
    }
  }
}

/** Apart from the pid. */
function isSame(a: ContainerSpec, b: ContainerSpec): boolean {
  return a.name === b.name && a.image === b.image && (a.labels === b.labels || isSameLabels(a.labels, b.labels));
}

function isSameLabels(a: ContainerSpec['labels'] = {}, b: ContainerSpec['labels'] = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
