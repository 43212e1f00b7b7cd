import type { EventView } from '../codec/event-record.ts';
import { BUILT_IN_ATTRIBUTES } from '../codec/format-record.ts';
import type { ContainerSpec } from '../event/event.ts';

/** Events that show the container's labels, and nothing of the event's own beside them. */
const SHOW_LABELS: ReadonlySet<string> = new Set(['create', 'start']);
/** Podman's own, with every event. */
const NO_LABELS: ReadonlySet<string> = new Set(['containerExitCode', 'podId']);

/** What an engine's event says of what its container does; undefined for most of them. */
export type ContainerChange = 'started' | 'stopped' | 'paused' | 'unpaused' | 'gone';

const CHANGES: ReadonlyMap<string, ContainerChange> = new Map([
  ['start', 'started'],
  ['die', 'stopped'],
  ['pause', 'paused'],
  ['unpause', 'unpaused'],
  ['destroy', 'gone'],
  // Podman's word.
  ['remove', 'gone'],
]);

export function changeOf(action: string): ContainerChange | undefined {
  return CHANGES.get(action);
}

/** What an engine's event shows of its container, without pid; what it does not show stays as it is known. */
export function toldSpec(event: EventView, action: string, known: ContainerSpec | undefined): ContainerSpec {
  const name = event.attribute('name') ?? known?.name;
  const image = event.attribute('image') ?? known?.image;
  const labels = SHOW_LABELS.has(action) ? labelsOf(event) : known?.labels;
  return {
    ...(name === undefined ? {} : { name }),
    ...(image === undefined ? {} : { image }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function labelsOf(event: EventView): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of event.attributes())
    if (!BUILT_IN_ATTRIBUTES.has(key) && !NO_LABELS.has(key)) labels[key] = value;
  return labels;
}
