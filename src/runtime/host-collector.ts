import type { MessagePort } from 'node:worker_threads';
import { Collector } from '../actors/collector.ts';
import type { CollectorCommand, CollectorRequest } from '../messages/collector.ts';
import type { CollectorControl } from '../messages/control.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import { LogState } from '../messages/log-state.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { ActorInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { countersOf, type Hosted, listen, outbox, shardNames, standByOf } from './hosting.ts';

export function hostCollector(init: ActorInit): Hosted {
  const { options, memory } = init;
  const standBy = standByOf(init);
  const collector = new Collector({
    ring: new IntakeRing(memory.intakeRing),
    published: new PublishRing(memory.publishRing),
    publisher: outbox(init, 'main'),
    logState: new LogState(memory.logState),
    readers: [outbox(init, 'buffer'), ...shardNames(init).map((name) => outbox<never>(init, name))],
    bufferEvery: Math.max(1, Math.min(1024, options.historyEvents >> 6)),
    monitored: outbox(init, 'monitored'),
    counters: countersOf(init),
    clock: systemClock(),
    defer: standBy.defer,
    segmentBytes: segmentBytesFor(options.historyBytes),
    unknownContainers: options.unknownContainers,
  });
  standBy.attend({ wake: () => collector.receive({ type: 'records-available' }), mayPark: true });
  listen<CollectorCommand | CollectorRequest>(init, (message, from) => {
    standBy.woken();
    if (message.type === 'resolve-container') outbox(init, from).post(collector.answer(message));
    else collector.receive(message);
  });
  const publishers = new Set<MessagePort>();
  return {
    control: {
      putContainer: (id, spec) => collector.putContainer(id, spec),
      removeContainer: (id) => collector.removeContainer(id),
      containers: () => collector.containers(),
      openIntake(ring, port) {
        const intake = collector.openIntake(new PublishRing(ring), { post: (notice) => port.postMessage(notice) });
        publishers.add(port);
        port.on('message', (command: CollectorCommand) => {
          standBy.woken();
          collector.receive(command);
        });
        port.on('close', () => {
          publishers.delete(port);
          collector.closeIntake(intake);
        });
      },
      beginImport: () => collector.beginImport(),
      endImport: () => collector.endImport(),
    } satisfies CollectorControl<MessagePort>,
    stop() {
      for (const port of publishers) port.close();
    },
  };
}

/** Small histories need small segments: memory is given back a segment at a time. */
function segmentBytesFor(historyBytes: number): number {
  return Math.max(128 * 1024, Math.min(1024 * 1024, 2 ** Math.floor(Math.log2(historyBytes / 16))));
}
