import type { MessagePort } from 'node:worker_threads';
import type { Outbox } from '../actors/actor.ts';
import { Counters } from '../messages/counters.ts';
import type { ActorInit, ActorName } from './actor-init.ts';

/** An actor that runs on this thread. */
export interface Hosted {
  /** What may be asked of it, by name. */
  readonly control: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Gives back timers, files and sockets. */
  stop(): Promise<void> | void;
}

export function shardNames(init: ActorInit): ActorName[] {
  return Array.from({ length: init.shards }, (_, shard): ActorName => `fanout-${shard}`);
}

export function countersOf(init: ActorInit): Counters {
  return new Counters(init.memory.counters, init.writer);
}

/** The way to one other actor; the wiring (pipeline.ts) and the actor agree on what passes there. */
export function outbox<Message>(init: ActorInit, name: ActorName): Outbox<Message> {
  const port = init.links[name];
  // Not every pipeline has every actor: without a FIFO there is no `monitored` to tell about free slots.
  if (!port) return { post: () => {} };
  return { post: (message) => port.postMessage(message) };
}

/** Hears everyone that the actor is linked to. */
export function listen<Message>(init: ActorInit, handle: (message: Message, from: ActorName) => void): void {
  for (const [from, port] of Object.entries(init.links) as [ActorName, MessagePort][]) {
    port.on('message', (message: Message) => handle(message, from));
  }
}

export function defer(task: () => void): void {
  setImmediate(task);
}

export function later(ms: number, task: () => void): void {
  setTimeout(task, ms);
}
