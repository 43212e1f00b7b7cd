import type { EventView } from '../../src/codec/event-record.ts';
import type { NewEvent } from '../../src/event/event.ts';
import type { FilterSubject } from '../../src/event/filter.ts';
import { viewOf } from '../support/log.ts';
import { eventOfLine } from '../support/packed.ts';
import { recordedLines } from '../support/vectors.ts';

/** An event in each of the forms that filters look at. */
export interface SeenEvent {
  readonly event: NewEvent;
  readonly view: EventView;
  readonly subject: FilterSubject;
}

const ODD: readonly NewEvent[] = [
  { type: 'image', action: 'remove', id: 'docker.io/library/busybox:1' },
  { type: 'image', action: 'pull', id: 'host:5000/x/y:1', attributes: { name: 'x/y', label: '' } },
  { type: 'container', action: 'exec_create', args: 'sh -c "a: b"', id: 'f00d', attributes: { name: 'é😀', k: 'v=w' } },
  { type: 'container', action: 'health_status', args: 'healthy', id: '', attributes: { name: '', '': 'x' } },
  {
    type: 'container',
    action: 'die',
    id: 'a*?',
    exitCode: 137,
    scope: 'swarm',
    namespace: 'n',
    attributes: { image: 'bb@sha256:0' },
  },
];

/** What a real engine told once, and a few oddities. */
export const SEEN_EVENTS: readonly SeenEvent[] = [
  ...recordedLines('docker-edge-events.jsonl').map(eventOfLine),
  ...ODD,
].map((event) => ({ event, view: viewOf(event), subject: subjectOf(event) }));

function subjectOf(event: NewEvent): FilterSubject {
  const { type, action, args = '', id, scope = '', source = '', namespace = '' } = event;
  const attributes = new Map(Object.entries(event.attributes ?? {}));
  return {
    type,
    action,
    args,
    id,
    scope,
    source,
    namespace,
    isSynthetic: false,
    attribute: (key) => attributes.get(key),
  };
}
