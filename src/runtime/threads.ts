import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { ActorInit } from './actor-init.ts';
import { ControlClient } from './control.ts';

/** A running actor as main sees it. */
export interface RunningActor {
  readonly control: ControlClient;
  /** Settles with the reason when the actor ends without having been stopped. */
  readonly died: Promise<TocsinError>;
  /** Lets the actor give back what it holds, then ends its thread. From the call on its end is no death. */
  stop(): Promise<void>;
}

const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8, stackSizeMb: 1 };

/** Starts an actor on a worker thread of its own. */
export function startOnThread(init: Omit<ActorInit, 'control'>, workerUrl: URL): RunningActor {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(workerUrl, {
    name: `tocsin ${init.name}`,
    workerData: { ...init, control: port2 } satisfies ActorInit,
    transferList: [port2, ...(Object.values(init.links) as MessagePort[])],
    resourceLimits: RESOURCE_LIMITS,
    execArgv: [],
  });
  let isStopping = false;
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const died = new Promise<TocsinError>((resolve) => {
    const fail = (cause: unknown): void => {
      if (!isStopping)
        resolve(new TocsinError('ERR_ACTOR_DIED', `${init.name}: ${asTocsinError(cause).message}`, { cause }));
    };
    worker.once('error', fail);
    worker.once('messageerror', fail);
    worker.once('exit', (code) => fail(new Error(`thread exited with code ${code}`)));
  });
  const control = new ControlClient(init.name, port1, died);
  return {
    control,
    died,
    async stop() {
      isStopping = true;
      // A thread that fails on its way out gives no answer.
      await Promise.race([control.ask('stop').catch(() => {}), exited]);
      control.end(stopped());
      await worker.terminate();
      await exited;
      port1.close();
    },
  };
}

/** Starts an actor on the current thread: the same ports, no thread. */
export function startInline(init: Omit<ActorInit, 'control'>, host: (init: ActorInit) => void): RunningActor {
  const { port1, port2 } = new MessageChannel();
  const died = new Promise<TocsinError>(() => {});
  host({ ...init, control: port2 });
  const control = new ControlClient(init.name, port1, died);
  return {
    control,
    died,
    async stop() {
      await control.ask('stop').catch(() => {});
      control.end(stopped());
      for (const port of Object.values(init.links)) port?.close();
      port1.close();
    },
  };
}

function stopped(): TocsinError {
  return new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline was stopped');
}
