import { parentPort, workerData } from 'node:worker_threads';
import { hostActor, loadActor } from './actor-host.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import type { DoorHooks } from './door-hooks.ts';
import { Heartbeats } from '../messages/heartbeats.ts';
import { collectAtLeisure } from './leisure.ts';
import { BEAT_MS } from './pulse.ts';

/** Hosts the actor that this thread was started for, as soon as it is told with what. */
export function hostThisThread(hooks: DoorHooks): void {
  const loading = loadActor(workerData as ActorName);
  // What keeps it from being loaded is the answer to `start`.
  void loading.catch(() => {}).then(() => parentPort!.postMessage('loaded'));
  collectAtLeisure();
  parentPort!.once('message', (init: ActorInit) => {
    const heartbeats = new Heartbeats(init.memory.heartbeats);
    setInterval(() => heartbeats.beat(init.writer), BEAT_MS).unref();
    hostActor(init, hooks, loading);
  });
}
