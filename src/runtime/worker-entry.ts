import { workerData } from 'node:worker_threads';
import { hostActor } from './actor-host.ts';
import type { DoorHooks } from './door-hooks.ts';
import type { ActorInit } from './actor-init.ts';

/** Hosts the actor that this thread was started for. */
export function hostThisThread(hooks: DoorHooks): void {
  hostActor(workerData as ActorInit, hooks);
}
