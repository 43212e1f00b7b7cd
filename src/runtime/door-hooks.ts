import type { Fanout } from '../actors/fanout.ts';
import type { Engine } from '../actors/engine-source.ts';
import type { Monitored, RecordSource } from '../actors/monitored.ts';
import type { SourceAddress } from '../event/source-address.ts';
import type { Counters } from '../messages/counters.ts';
import type { HostInit } from './actor-init.ts';

/** What drives `monitored`: decides when the FIFO is worth a look. */
export interface IntakeDriver {
  /** Something may have changed: look now. */
  wake(): void;
  close(): void;
}

/** Listeners of one shard. */
export interface ShardDoors {
  /**
   * Takes no new connection. Resolves when those that have just come have begun to ask, or do not.
   * @param flushLimitMs how long those that are there may take in `close`
   */
  stopListening(flushLimitMs: number): Promise<void>;
  /** Takes no new connection; ends those that are idle. */
  close(): Promise<void>;
  /** @throws ERR_LISTENER_TLS */
  reloadCertificates(): void;
}

/** What the outermost layer adds to the actors: only it knows files and sockets. */
export interface DoorHooks {
  openSource(fifoFd: number): Promise<RecordSource>;
  driveIntake(monitored: Monitored, fifoFd: number, polled: (why: string) => void): Promise<IntakeDriver>;
  openEngine(address: SourceAddress): Promise<Engine>;
  openDoors(fanout: Fanout, init: HostInit, counters: Counters): Promise<ShardDoors>;
}
