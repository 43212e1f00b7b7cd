import type { ClientHandle } from '../actors/client.ts';
import type { Fanout } from '../actors/fanout.ts';
import type { Redactor } from '../codec/redactor.ts';
import type { ContainerInfo } from '../event/event.ts';
import type { ListenerAddress } from '../event/listener-address.ts';
import type { Subscription } from '../messages/control.ts';

/**
 * A shard as the clients of one listener see it. Doors know a shard only so: whatever they ask of it is within the listener's
 * limit.
 */
export class ListenerShard {
  readonly #fanout: Fanout;
  readonly #listener: ListenerAddress;
  readonly #redactor: Redactor | undefined;

  /** @param redactor present: secrets are shown as it shows them */
  constructor(fanout: Fanout, listener: ListenerAddress, redactor: Redactor | undefined) {
    this.#fanout = fanout;
    this.#listener = listener;
    this.#redactor = redactor;
  }

  /** Whether doors on which that is usual take secrets out of what they show. */
  get redacts(): boolean {
    return this.#redactor !== undefined;
  }

  /** @throws as `Fanout.subscribe` */
  subscribe(subscription: Subscription): Promise<ClientHandle> {
    const { path, limit } = this.#listener;
    return this.#fanout.subscribe({ ...subscription, listener: path, limit });
  }

  /** @throws as `Fanout.containers` */
  async containers(): Promise<readonly ContainerInfo[]> {
    const containers = await this.#fanout.containers(this.#listener.limit);
    const redactor = this.#redactor;
    if (!redactor) return containers;
    return containers.map((one) => (one.labels ? { ...one, labels: redactor.labels(one.labels) } : one));
  }

  get isSealed(): boolean {
    return this.#fanout.isSealed;
  }

  get isHistoryWritable(): boolean {
    return this.#fanout.isHistoryWritable;
  }
}
