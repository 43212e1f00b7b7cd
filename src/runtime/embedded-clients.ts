import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Clock } from '../actors/actor.ts';
import type { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { ClientRow, FanoutControl, Subscription } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { Asks } from './control.ts';
import { type PushClient, type PushClientFunctions, runPushClient } from './push-client.ts';
import type { StateHandlerOptions, StateHandlers } from './state-handlers.ts';
import { Subscriber } from './subscriber.ts';
import { type SubscribeOptions, subscriptionOf } from './subscription.ts';
import { within } from './within.ts';

export interface EmbeddedClientsEnv {
  readonly epochs: Epochs;
  readonly clients: ClientTable;
  readonly counters: Counters;
  readonly clock: Clock;
  /** The shard whose turn it is. @throws ERR_PIPELINE_CLOSED */
  readonly nextShard: () => Asks<FanoutControl<MessagePort>>;
  /** Cursor of the newest event. */
  readonly head: () => string;
}

interface Attached extends ClientRow {
  readonly subscriber: Subscriber;
}

const ATTACH_TRIES = 3;

/** Main's thread as a client of its shards: what the embedding program subscribes to on it. */
export class EmbeddedClients {
  readonly #env: EmbeddedClientsEnv;
  readonly #handlers = new Set<StateHandlers>();

  constructor(env: EmbeddedClientsEnv) {
    this.#env = env;
  }

  /** @throws as Pipeline.subscribe */
  async subscribe(options: SubscribeOptions): Promise<Subscriber> {
    const { subscriber } = await this.#attach('subscribe', options);
    return subscriber;
  }

  /** @throws as subscribe */
  async addClient(client: PushClientFunctions & SubscribeOptions): Promise<PushClient> {
    const { subscriber, row, generation } = await this.#attach('push', client);
    return runPushClient(client, subscriber, () => this.#env.clients.cancel(row, generation));
  }

  /** @throws ERR_OPTION_INVALID, and as subscribe */
  async handleStates(options: StateHandlerOptions): Promise<StateHandlers> {
    const head = this.#env.head();
    // Most pipelines have none.
    const { StateHandlers } = await import('./state-handlers.ts');
    const handlers = new StateHandlers(options, head, this.#env.counters);
    await handlers.start((subscription) => this.subscribe(subscription));
    this.#handlers.add(handlers);
    return handlers;
  }

  /** Handlers have done what there was to do, or that takes longer. */
  async finished(limitMs: number): Promise<void> {
    await Promise.all([...this.#handlers].map((handlers) => within(handlers.finished(), limitMs)));
  }

  async close(): Promise<void> {
    for (const handlers of this.#handlers) await handlers.close();
  }

  async #attach(door: string, options: SubscribeOptions): Promise<Attached> {
    const attached = await this.#place(subscriptionOf(door, options, this.#env.clock.now()));
    if (options.signal) attached.subscriber.cancelOn(options.signal);
    return attached;
  }

  async #place(subscription: Subscription): Promise<Attached> {
    for (let tries = 1; ; tries += 1) {
      const shard = this.#env.nextShard();
      const { port1, port2 } = new MessageChannel();
      const subscriber = new Subscriber(port1, this.#env.epochs);
      try {
        const row = await shard.ask('addClient', [subscription, port2], [port2]);
        return { subscriber, ...row };
      } catch (error) {
        subscriber.cancel();
        // Nothing has come from the shard that has died meanwhile.
        if (tries === ATTACH_TRIES || !(error instanceof TocsinError) || error.code !== 'ERR_ACTOR_DIED') throw error;
      }
    }
  }
}
