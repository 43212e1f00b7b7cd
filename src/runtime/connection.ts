import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Epochs, type EpochSpan } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { NewEvent } from '../event/event.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import type { ConnectionControl, Subscription } from '../messages/control.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import { systemClock } from './clock.ts';
import { ControlClient } from './control.ts';
import { doorbellOf, waking } from './hosting.ts';
import { lastWords } from './links.ts';
import { closed, type Published, Publisher, type PublishOrigin, type PublishOutcome } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import { type SubscribeOptions, subscriptionOf } from './subscription.ts';

/** Whom a connection talks to. */
export interface ConnectionPeers {
  /** Wake-ups one way, acknowledgements the other. */
  readonly collector: MessagePort;
  /** Asks. */
  readonly shard: MessagePort;
}

/** The first message on a connection's port; what follows on it are ports to peers that have begun anew. */
export interface ConnectionWelcome extends ConnectionPeers {
  readonly epochs: readonly EpochSpan[];
  readonly ring: SharedArrayBuffer;
  readonly doorbells: SharedArrayBuffer;
}

const WELCOME_LIMIT_MS = 5_000;

/**
 * Another thread's own way into a pipeline, through the port that `pipeline.connect()` gave. Events go from this thread's ring to
 * the collector and from a shard to this thread; the thread of the pipeline's owner has no part in it.
 *
 *   this thread ==ring==> collector            shard ==lane==> subscribers on this thread
 *
 * It keeps this thread alive until `close()`.
 */
export class Connection {
  readonly #port: MessagePort;
  readonly #epochs: Epochs;
  readonly #publisher: Publisher;
  #collector: MessagePort;
  #shard: MessagePort;
  #control: ControlClient;
  readonly #clock = systemClock();
  readonly #subscribers = new Set<Subscriber>();
  /** Calls that wait for another shard, or for the end. */
  readonly #onChange: (() => void)[] = [];
  #isClosed = false;
  /** Resolves when the connection has ended, from whichever side. */
  readonly closed: Promise<void>;

  private constructor(port: MessagePort, welcome: ConnectionWelcome) {
    this.#port = port;
    const { ring, doorbells } = welcome;
    this.#epochs = new Epochs(welcome.epochs);
    const toCollector = waking<CollectorCommand>(() => this.#collector, doorbellOf(doorbells, 'collector'));
    this.#publisher = new Publisher(new PublishRing(ring), this.#epochs, (command: CollectorCommand) =>
      toCollector.post(command),
    );
    this.#collector = welcome.collector;
    this.#hearCollector();
    this.#shard = welcome.shard;
    this.#control = controlOf(this.#shard);
    port.on('message', (peers: Partial<ConnectionPeers>) => this.#onPeers(peers));
    this.closed = new Promise((resolve) => port.on('close', () => this.#onClosed(resolve)));
  }

  /** One of them has died, and there is another in its place. */
  #onPeers({ collector, shard }: Partial<ConnectionPeers>): void {
    if (collector) {
      for (const notice of lastWords(this.#collector)) this.#publisher.receive(notice as PublisherNotice);
      this.#collector.close();
      this.#collector = collector;
      this.#hearCollector();
      this.#publisher.wakeCollector();
    }
    if (shard) {
      this.#shard.close();
      this.#shard = shard;
      this.#control = controlOf(shard);
    }
    this.#changed();
  }

  #hearCollector(): void {
    this.#collector.on('message', (notice: PublisherNotice) => this.#publisher.receive(notice));
  }

  /** @throws ERR_PIPELINE_CLOSED when the port is no connection, or not any more */
  static async open(port: MessagePort): Promise<Connection> {
    const welcome = await new Promise<ConnectionWelcome>((resolve, reject) => {
      const fail = (): void => reject(new TocsinError('ERR_PIPELINE_CLOSED', 'this port is no open connection'));
      const limit = setTimeout(fail, WELCOME_LIMIT_MS);
      port.once('message', (message: ConnectionWelcome) => {
        clearTimeout(limit);
        port.off('close', fail);
        resolve(message);
      });
      port.once('close', fail);
    });
    return new Connection(port, welcome);
  }

  /** As `pipeline.publish`. */
  publish(event: NewEvent): PublishOutcome {
    return this.#publisher.publish(event);
  }

  /** As `pipeline.publishDurable`. */
  publishDurable(events: readonly NewEvent[], origin?: PublishOrigin): Promise<Published> {
    return this.#publisher.publishDurable(events, origin);
  }

  /** As `pipeline.subscribe`. */
  async subscribe(options: SubscribeOptions = {}): Promise<Subscriber> {
    const subscription = subscriptionOf('connection', options, this.#clock.now());
    const subscriber = await this.#attach(subscription);
    this.#subscribers.add(subscriber);
    subscriber.onDone(() => this.#subscribers.delete(subscriber));
    if (options.signal) subscriber.cancelOn(options.signal);
    return subscriber;
  }

  async #attach(subscription: Subscription): Promise<Subscriber> {
    for (;;) {
      if (this.#isClosed) throw closed();
      const { port1, port2 } = new MessageChannel();
      const subscriber = new Subscriber(port1, this.#epochs);
      const shard = this.#shard;
      try {
        await this.#control.as<ConnectionControl<MessagePort>>().ask('addClient', [subscription, port2], [port2]);
        return subscriber;
      } catch (error) {
        subscriber.cancel();
        if (!(error instanceof TocsinError) || error.code !== 'ERR_ACTOR_DIED') throw error;
        // Nothing has come from it. There will be another, or the pipeline has ended.
        if (shard === this.#shard) await new Promise<void>((resolve) => this.#onChange.push(resolve));
      }
    }
  }

  #changed(): void {
    for (const call of this.#onChange.splice(0)) call();
  }

  /** Waits for the answers that are due, then ends this thread's subscriptions and lets go of everything. */
  async close(): Promise<void> {
    if (!this.#isClosed) await this.#publisher.settled();
    for (const subscriber of this.#subscribers) subscriber.cancel();
    this.#port.close();
    await this.closed;
  }

  #onClosed(resolve: () => void): void {
    this.#isClosed = true;
    this.#publisher.close(closed());
    this.#control.end(closed());
    for (const end of [this.#port, this.#collector, this.#shard]) end.close();
    this.#changed();
    resolve();
  }
}

/** Asks to a shard; they fail when it dies. */
function controlOf(shard: MessagePort): ControlClient {
  const died = new Promise<TocsinError>((resolve) => {
    shard.once('close', () => resolve(new TocsinError('ERR_ACTOR_DIED', 'the shard of this connection is gone')));
  });
  return new ControlClient('connection', shard, died);
}

/**
 * Opens the connection behind a port of `pipeline.connect()`, on the thread that it was sent to.
 * @throws ERR_PIPELINE_CLOSED
 */
export function openConnection(port: MessagePort): Promise<Connection> {
  return Connection.open(port);
}
