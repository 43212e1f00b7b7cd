import type net from 'node:net';
import type { ClientHandle } from '../actors/client.ts';
import type { Fanout } from '../actors/fanout.ts';
import type { Redactor } from '../codec/redactor.ts';
import type { ContainerInfo } from '../event/event.ts';
import { type ListenerAddress, listenerPlace } from '../event/listener-address.ts';
import type { ServerTlsFiles } from '../event/tls-files.ts';
import type { Asked } from '../messages/control.ts';
import { AccessRule } from './access-rule.ts';
import { describePeer, localPeerOf, type Peer } from './peer.ts';
import type { Posix } from './posix.ts';
import { remotePeerOf } from './remote-peer.ts';

/**
 * A shard as the clients of one listener see it. Doors know a shard only so: whatever they ask of it is within the listener's
 * limit.
 */
export class ListenerShard {
  readonly #posix: Posix;
  readonly #fanout: Fanout;
  readonly #listener: ListenerAddress;
  readonly #redactor: Redactor | undefined;
  readonly #reading: AccessRule;

  /** @param redactor present: secrets are shown as it shows them. @throws ERR_OPTION_INVALID for an account that is not known */
  constructor(posix: Posix, fanout: Fanout, listener: ListenerAddress, redactor: Redactor | undefined) {
    this.#posix = posix;
    this.#fanout = fanout;
    this.#listener = listener;
    this.#redactor = redactor;
    this.#reading = new AccessRule('reading', listener.allow);
  }

  /** Who is at the other end; undefined when it has gone. */
  peerOf(socket: net.Socket): Peer | undefined {
    return 'path' in this.#listener ? localPeerOf(this.#posix, socket) : remotePeerOf(socket);
  }

  /** Whether doors on which that is usual take secrets out of what they show. */
  get redacts(): boolean {
    return this.#redactor !== undefined;
  }

  /** The certificates with which it listens over TLS. */
  get tls(): ServerTlsFiles | undefined {
    return 'path' in this.#listener ? undefined : this.#listener.tls;
  }

  /** It matters who comes. */
  get asksWho(): boolean {
    return this.#listener.allow !== undefined;
  }

  /** Over TCP in the clear, which pages in a browser can reach. */
  get isInTheClear(): boolean {
    return !('path' in this.#listener) && this.#listener.tls === undefined;
  }

  /** @param action what this is in the door's own words. @throws as `Fanout.subscribe`; ERR_ACCESS_DENIED */
  async subscribe(subscription: Asked, peer: Peer | undefined, action?: string): Promise<ClientHandle> {
    const { limit } = this.#listener;
    this.#reading.require(peer, action);
    const listener = listenerPlace(this.#listener);
    return this.#fanout.subscribe({ ...subscription, peer: describePeer(peer), listener, limit });
  }

  /** @throws as `Fanout.containers`; ERR_ACCESS_DENIED */
  async containers(peer: Peer | undefined): Promise<readonly ContainerInfo[]> {
    this.#reading.require(peer);
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
