import type { MessagePort } from 'node:worker_threads';
import type { Outbox } from '../actors/actor.ts';
import type { CollectorCommand, LogNotice } from '../messages/collector.ts';
import { Counters } from '../messages/counters.ts';
import { Doorbell } from '../messages/doorbell.ts';
import type { ActorName, HostInit } from './actor-init.ts';
import { StandBy } from './stand-by.ts';

/** An actor that runs on this thread. */
export interface Hosted {
  /** What may be asked of it, by name. */
  readonly control: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Another actor has begun anew: it knows nothing of what the one before was told, and has asked nothing. */
  relinked?(name: ActorName): void;
  /** Gives back timers, files and sockets. */
  stop(): Promise<void> | void;
}

export function shardNames(shards: number): ActorName[] {
  return Array.from({ length: shards }, (_, shard): ActorName => `fanout-${shard}`);
}

export function countersOf(init: HostInit): Counters {
  return new Counters(init.memory.counters, init.writer);
}

/** The way to one other actor; the wiring (pipeline.ts) and the actor agree on what passes there. */
export function outbox<Message>(init: HostInit, name: ActorName): Outbox<Message> {
  // Not every pipeline has every actor: without a FIFO there is no `monitored` to tell about free slots.
  if (!init.links.get(name)) return { post: () => {} };
  return waking(() => init.links.get(name)!, doorbellOf(init.memory.doorbells, name));
}

/** The doorbell of an actor that may stand by. */
export function doorbellOf(doorbells: SharedArrayBuffer, name: ActorName): Doorbell | undefined {
  if (name === 'collector') return new Doorbell(doorbells, 0);
  return name.startsWith('fanout-') ? new Doorbell(doorbells, 1 + Number(name.slice('fanout-'.length))) : undefined;
}

/** Messages that say no more than a ring does. */
const WAKE_UPS: ReadonlySet<unknown> = new Set<CollectorCommand['type'] | LogNotice['type']>([
  'records-available',
  'appended',
]);

/** A port to an actor that may be parked at its doorbell: then mere wake-ups need no message, and messages a ring. */
export function waking<Message>(port: () => MessagePort, bell: Doorbell | undefined): Outbox<Message> {
  if (!bell) return { post: (message) => port().postMessage(message) };
  return {
    post(message) {
      const isWakeUp = WAKE_UPS.has((message as { readonly type?: unknown }).type);
      if (isWakeUp && bell.ring()) return;
      port().postMessage(message);
      if (!isWakeUp) bell.ring();
    },
  };
}

/** How the thread of an actor with a doorbell waits. */
export function standByOf(init: HostInit): StandBy {
  return new StandBy(init.options.threads === 'workers' ? doorbellOf(init.memory.doorbells, init.name) : undefined);
}
