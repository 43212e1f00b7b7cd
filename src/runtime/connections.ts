import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Epochs } from '../event/epochs.ts';
import type { CollectorControl, FanoutControl } from '../messages/control.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { ActorName } from './actor-init.ts';
import type { ConnectionPeers, ConnectionWelcome } from './connection.ts';
import type { Asks } from './control.ts';

export interface ConnectionsEnv {
  readonly epochs: Epochs;
  readonly doorbells: SharedArrayBuffer;
  readonly collector: () => Asks<CollectorControl<MessagePort>>;
  readonly shard: (name: ActorName) => Asks<FanoutControl<MessagePort>>;
  /** The one whose turn it is. */
  readonly nextShard: () => ActorName;
}

interface Connected {
  readonly port: MessagePort;
  readonly ring: SharedArrayBuffer;
  shard: ActorName;
}

/** Main's side of the ways that other threads have into the pipeline: it brings them together with a shard and the collector. */
export class Connections {
  readonly #env: ConnectionsEnv;
  readonly #connected = new Set<Connected>();
  /** Rings of threads that have gone and from which not everything was taken. */
  readonly #left = new Set<SharedArrayBuffer>();

  constructor(env: ConnectionsEnv) {
    this.#env = env;
  }

  /** @throws ERR_PIPELINE_CLOSED, ERR_CLIENTS_EXHAUSTED, ERR_ACTOR_DIED */
  async connect(): Promise<MessagePort> {
    const ring = PublishRing.allocate();
    const { port1, port2 } = new MessageChannel();
    const connected: Connected = { port: port2, ring, shard: this.#env.nextShard() };
    try {
      const peers = { collector: await this.#toCollector(ring), shard: await this.#toShard(connected.shard) };
      const { epochs, doorbells } = this.#env;
      const welcome: ConnectionWelcome = { epochs: epochs.spans, ring, doorbells, ...peers };
      // It waits in the port and goes wherever that is sent.
      port2.postMessage(welcome, [peers.collector, peers.shard]);
    } catch (error) {
      port1.close();
      throw error;
    }
    this.#connected.add(connected);
    port2.on('close', () => {
      this.#connected.delete(connected);
      if (!new PublishRing(ring).isEmpty) this.#left.add(ring);
    });
    // The connection keeps its own thread alive, not this one.
    port2.unref();
    return port1;
  }

  /** An actor has begun anew: those that were connected with it are again. */
  async begunAnew(name: ActorName): Promise<void> {
    if (name === 'collector') await this.#offerLeft();
    for (const connected of this.#connected) {
      if (name === 'collector') this.#introduce(connected, { collector: await this.#toCollector(connected.ring) });
      if (name === connected.shard) this.#introduce(connected, { shard: await this.#toShard(name) });
    }
  }

  close(): void {
    for (const { port } of this.#connected) port.close();
  }

  #introduce({ port }: Connected, peers: Partial<ConnectionPeers>): void {
    port.postMessage(peers, Object.values(peers));
  }

  /** What was handed over before its thread went is taken all the same. */
  async #offerLeft(): Promise<void> {
    for (const ring of this.#left) {
      this.#left.delete(ring);
      if (!new PublishRing(ring).isEmpty) (await this.#toCollector(ring)).close();
    }
  }

  async #toCollector(ring: SharedArrayBuffer): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#env.collector().ask('connectIntake', [ring, port2], [port2]);
    return port1;
  }

  async #toShard(name: ActorName): Promise<MessagePort> {
    const { port1, port2 } = new MessageChannel();
    await this.#env.shard(name).ask('serveConnection', [port2], [port2]);
    return port1;
  }
}
