import type { MessagePort } from 'node:worker_threads';
import type { Options } from '../event/options.ts';
import type { Recovered } from '../history/recovery.ts';
import type { Links } from './links.ts';
import type { SharedMemory } from './shared-memory.ts';

/** `fanout-0`, `fanout-1`, ...; `main` is the supervising thread. */
export type ActorName =
  | 'main'
  | 'monitored'
  | 'sources'
  | 'collector'
  | 'buffer'
  | 'clients-checker'
  | `fanout-${number}`;

/** Everything that an actor's thread is given; it can be cloned. */
export interface ActorInit {
  readonly name: ActorName;
  /** No other actor of the process has it, nor has had. */
  readonly life: number;
  /** Another thread was this actor before, and died. */
  readonly isAnew: boolean;
  /** Of an actor that begins anew: the segments of the log that are in memory, or the newest one where that will do. */
  readonly segments: readonly SharedArrayBuffer[];
  /** Row of the counter table. */
  readonly writer: number;
  /** Index of a `fanout`, 0 otherwise. */
  readonly shard: number;
  readonly shards: number;
  /** What an earlier process left, or what is known where an actor begins anew. Publishers are the collector's only, sources and their containers also that of `sources`. */
  readonly recovered: Recovered;
  readonly options: Options;
  readonly memory: SharedMemory;
  /** One port to each actor that this one talks to. */
  readonly links: Readonly<Partial<Record<ActorName, MessagePort>>>;
  /** Where main asks. */
  readonly control: MessagePort;
  /** `monitored`: main's descriptor of the FIFO. */
  readonly fifoFd?: number;
  /** `fanout`: this shard's own descriptors of the sockets that `options.listen` names, in that order. */
  readonly listenFds: readonly number[];
}

/** The same on the actor's own thread. */
export interface HostInit extends Omit<ActorInit, 'links'> {
  readonly links: Links;
}
