import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Epochs, type EpochSpan } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { NewEvent } from '../event/event.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import type { ConnectionControl } from '../messages/control.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import { systemClock } from './clock.ts';
import { ControlClient } from './control.ts';
import { doorbellOf, waking } from './hosting.ts';
import { closed, type Published, Publisher, type PublishOrigin, type PublishOutcome } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import { type SubscribeOptions, subscriptionOf } from './subscription.ts';

/** The first message on a connection's port; what follows on it are asks to a shard. */
export interface ConnectionWelcome {
  readonly epochs: readonly EpochSpan[];
  readonly ring: SharedArrayBuffer;
  readonly doorbells: SharedArrayBuffer;
  /** To the collector: wake-ups one way, acknowledgements the other. */
  readonly collector: MessagePort;
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
  readonly #welcome: ConnectionWelcome;
  readonly #epochs: Epochs;
  readonly #publisher: Publisher;
  readonly #shard: ControlClient;
  readonly #clock = systemClock();
  readonly #subscribers = new Set<Subscriber>();
  #isClosed = false;
  /** Resolves when the connection has ended, from whichever side. */
  readonly closed: Promise<void>;

  private constructor(port: MessagePort, welcome: ConnectionWelcome) {
    this.#port = port;
    this.#welcome = welcome;
    const { collector, ring, doorbells } = welcome;
    this.#epochs = new Epochs(welcome.epochs);
    const toCollector = waking<CollectorCommand>(collector, doorbellOf(doorbells, 'collector'));
    this.#publisher = new Publisher(new PublishRing(ring), this.#epochs, (command: CollectorCommand) =>
      toCollector.post(command),
    );
    collector.on('message', (notice: PublisherNotice) => this.#publisher.receive(notice));
    this.closed = new Promise((resolve) => {
      for (const end of [port, collector]) end.on('close', () => this.#onClosed(resolve));
    });
    this.#shard = new ControlClient('connection', port, new Promise(() => {}));
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
    const { port1, port2 } = new MessageChannel();
    const subscriber = new Subscriber(port1, this.#epochs);
    try {
      const shard = this.#shard.as<ConnectionControl<MessagePort>>();
      await shard.ask('addClient', [subscription, port2], [port2]);
    } catch (error) {
      subscriber.cancel();
      throw error;
    }
    this.#subscribers.add(subscriber);
    subscriber.onDone(() => this.#subscribers.delete(subscriber));
    if (options.signal) subscriber.cancelOn(options.signal);
    return subscriber;
  }

  /** Waits for the answers that are due, then ends this thread's subscriptions and lets go of everything. */
  async close(): Promise<void> {
    if (!this.#isClosed) await this.#publisher.settled();
    for (const subscriber of this.#subscribers) subscriber.cancel();
    this.#port.close();
    this.#welcome.collector.close();
    await this.closed;
  }

  #onClosed(resolve: () => void): void {
    this.#isClosed = true;
    this.#publisher.close(closed());
    this.#shard.end(closed());
    this.#port.close();
    this.#welcome.collector.close();
    resolve();
  }
}

/**
 * Opens the connection behind a port of `pipeline.connect()`, on the thread that it was sent to.
 * @throws ERR_PIPELINE_CLOSED
 */
export function openConnection(port: MessagePort): Promise<Connection> {
  return Connection.open(port);
}
