import { PublishRing } from '../../src/messages/publish-ring.ts';
import { Epochs } from '../../src/event/epochs.ts';
import { type Recovered } from '../../src/history/recovery.ts';
import { Publisher } from '../../src/runtime/publisher.ts';
import { monitorRecord } from '../support/records.ts';
import { World, type WorldOptions } from '../support/world.ts';

/** One life of the service: its actors, and what stands around them on the main thread. */
export class Daemon {
  readonly world: World;
  readonly recovered: Recovered;
  /** Main's own, and one with a ring of its own for another thread. */
  readonly publishers: readonly Publisher[];

  constructor(options: WorldOptions & { readonly recovered: Recovered }) {
    const { recovered } = options;
    this.recovered = recovered;
    this.world = new World({ ...options, toPublisher: (notice) => this.publishers[0]!.receive(notice) });
    const { world } = this;
    const main = new Publisher(world.published, new Epochs(recovered.epochs), () => world.wakeCollector());
    const ring = new PublishRing(PublishRing.allocate(options.rings?.bytes));
    const toCollector = world.openIntake(
      ring,
      world.link((notice) => connected.receive(notice)),
    );
    const connected: Publisher = new Publisher(ring, new Epochs(recovered.epochs), (command) =>
      toCollector.post(command),
    );
    this.publishers = [main, connected];
  }

  /** A record as the FIFO brings it; nobody hears whether it came through. @returns false when the ring is full */
  write(fields: Parameters<typeof monitorRecord>[0]): boolean {
    const { ring } = this.world;
    if (ring.contiguousFree === 0) return false;
    ring.bytes.set(monitorRecord(fields), ring.writeOffset);
    if (ring.commit(1)) this.world.wakeCollector();
    return true;
  }
}
