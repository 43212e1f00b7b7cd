import { EngineSource } from '../actors/engine-source.ts';
import { Backoff } from '../event/backoff.ts';
import { Epochs } from '../event/epochs.ts';
import { located } from '../event/errors.ts';
import { parseSources } from '../event/source-address.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { HostInit } from './actor-init.ts';
import { systemClock } from './clock.ts';
import type { DoorHooks } from './door-hooks.ts';
import { countersOf, type Hosted, outbox } from './hosting.ts';
import { Publisher } from './publisher.ts';

/** All sources on one thread. They share a ring to the collector, in which each has one batch at a time. */
export async function hostSources(init: HostInit, hooks: DoorHooks): Promise<Hosted> {
  const { options, memory, recovered } = init;
  const toCollector = outbox<CollectorCommand>(init, 'collector');
  const publisher = new Publisher(
    new PublishRing(memory.sourceRing!),
    new Epochs(recovered.epochs),
    (command) => toCollector.post(command),
    init.life,
  );
  init.links.listen<PublisherNotice>((notice) => publisher.receive(notice));
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, task: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      task();
    }, ms);
    timers.add(timer);
  };
  const addresses = parseSources(options.source);
  const engines = await Promise.all(
    addresses.map((address) =>
      hooks.openEngine(address).catch((error: unknown) => {
        throw located(error, `source ${address.name}`);
      }),
    ),
  );
  const sources = addresses.map(
    ({ name }, index) =>
      new EngineSource({
        name,
        engine: engines[index]!,
        append: (events) => publisher.publishPacked(events, { source: name }),
        recovered: recovered.sources.find((saved) => saved.name === name),
        containers: recovered.containers.filter(({ source }) => source === name),
        main: outbox(init, 'main'),
        counters: countersOf(init),
        clock: systemClock(),
        later,
        backoff: new Backoff(Math.random),
      }),
  );
  return {
    control: {},
    relinked: () => publisher.wakeCollector(),
    stop() {
      for (const source of sources) source.close();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
