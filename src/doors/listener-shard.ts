import type { ClientHandle } from '../actors/client.ts';
import type { Fanout } from '../actors/fanout.ts';
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

  constructor(fanout: Fanout, listener: ListenerAddress) {
    this.#fanout = fanout;
    this.#listener = listener;
  }

  /** @throws as `Fanout.subscribe` */
  subscribe(subscription: Subscription): Promise<ClientHandle> {
    const { path, limit } = this.#listener;
    return this.#fanout.subscribe({ ...subscription, listener: path, limit });
  }

  /** @throws as `Fanout.containers` */
  containers(): Promise<readonly ContainerInfo[]> {
    return this.#fanout.containers(this.#listener.limit);
  }

  get isSealed(): boolean {
    return this.#fanout.isSealed;
  }

  get isHistoryWritable(): boolean {
    return this.#fanout.isHistoryWritable;
  }
}
