import diagnostics from 'node:diagnostics_channel';
import { setEnvironmentData, type Worker } from 'node:worker_threads';
import { FaultPlan } from './fault-plan.ts';

export interface FaultyThreads {
  readonly plan: FaultPlan;
  /** The newest thread of each actor. */
  readonly threads: Map<string, Worker>;
  readonly workerUrl: URL;
}

let made: FaultyThreads | undefined;

/** Threads for the actors of a pipeline of this process, which die as the plan says. */
export function faultyThreads(): FaultyThreads {
  if (made) return made;
  const plan = new FaultPlan();
  const threads = new Map<string, Worker>();
  setEnvironmentData('faults', plan.memory);
  diagnostics.subscribe('worker_threads', (message) => {
    const { worker } = message as { readonly worker: Worker };
    worker.on('message', (word: { readonly actor?: string; readonly terminate?: boolean }) => {
      if (word.actor) threads.set(word.actor, worker);
      if (word.terminate) void worker.terminate();
    });
  });
  made = { plan, threads, workerUrl: new URL('./faulty-worker.js', import.meta.url) };
  return made;
}
