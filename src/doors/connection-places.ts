import fs from 'node:fs';
import { TocsinError } from '../event/errors.ts';
import type { LiveSettings } from '../messages/live-settings.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Peer } from './peer.ts';

/** Besides what is open already, connections leave one of so many descriptors, and at least so many, to files and other sockets. */
const RESERVE_SHARE = 16;
const MIN_RESERVE = 64;

/** Of memory: what the service may take without a client, and a client that has stopped reading, here and in the kernel. */
const OWN_BYTES = 192 * 1024 * 1024;
const CONNECTION_BYTES = 384 * 1024;

/** The places for connections to the event sockets, which all shards share: so many in all, and of one user. */
export class ConnectionPlaces {
  readonly #shard: number;
  readonly #state: LogState;
  readonly #settings: LiveSettings;
  readonly #room: number;
  readonly #affordable: number;

  /**
   * @param room connections that there are descriptors for
   * @param affordable connections whose memory the process may have; who says how many there may be knows better
   */
  constructor(
    shard: number,
    state: LogState,
    settings: LiveSettings,
    room = descriptorRoom(),
    affordable = connectionsWithin(process.constrainedMemory()),
  ) {
    this.#shard = shard;
    this.#state = state;
    this.#settings = settings;
    this.#room = room;
    this.#affordable = affordable;
  }

  /** @returns what gives the place back. @throws ERR_CONNECTIONS_EXHAUSTED */
  take(peer: Peer | undefined): () => void {
    const { connections, connectionsOf } = this.#state;
    const inAll = Math.min(this.#settings.get('maxConnections') || this.#affordable, this.#room);
    if (!connections.take(this.#shard, inAll)) throw exhausted('connections', 'max-connections', inAll);
    const uid = peer && 'uid' in peer ? peer.uid : undefined;
    const ofUser = uid === undefined ? undefined : connectionsOf.of(uid);
    const perUser = this.#settings.get('maxConnectionsPerUser');
    if (ofUser && !ofUser.take(this.#shard, perUser)) {
      connections.give(this.#shard);
      throw exhausted(`connections of user ${uid}`, 'max-connections-per-user', perUser);
    }
    return () => {
      connections.give(this.#shard);
      ofUser?.give(this.#shard);
    };
  }
}

function exhausted(what: string, limit: string, maximum: number): TocsinError {
  return new TocsinError('ERR_CONNECTIONS_EXHAUSTED', `there are ${maximum} ${what}, the limit (${limit})`, {
    detail: { limit, maximum },
  });
}

/** Connections that this process has descriptors for, besides what it has open now. */
function descriptorRoom(): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
  const open = fs.readdirSync('/proc/self/fd').length;
  return Math.max(1, limit - open - Math.max(MIN_RESERVE, Math.floor(limit / RESERVE_SHARE)));
}

/**
 * Connections that fit in so much memory when all of them have stopped reading; 16 at least.
 * @param bytes what the control group allows; 0, or more than any machine has, without a limit
 */
export function connectionsWithin(bytes: number): number {
  if (bytes === 0) return Infinity;
  return Math.max(16, Math.floor((bytes - OWN_BYTES) / CONNECTION_BYTES));
}
