import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import { ControlClient } from './control.ts';

/** A running actor as main sees it. */
export interface RunningActor {
  readonly control: ControlClient;
  /** Settles with the reason when the actor ends without having been stopped. */
  readonly died: Promise<TocsinError>;
  /** Settles when its thread runs no more: nothing that it shares with others changes by it any longer. */
  readonly exited: Promise<void>;
  /** Ends it now, for this reason. */
  kill(error: TocsinError): void;
  /** Lets the actor give back what it holds, then ends its thread. From the call on its end is no death. */
  stop(): Promise<void>;
}

const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8, stackSizeMb: 1 };

/**
 * The worker thread of one actor. It boots, and loads the actor's code, while what the actor is to be given is still being made:
 * a history that is opened meanwhile costs no time of its own.
 */
export class ActorThread {
  readonly #name: ActorName;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #died: Promise<TocsinError>;
  #die!: (error: TocsinError) => void;
  #isStopping = false;
  /** Resolves when the thread runs and has the actor's code, or never will. */
  readonly loaded: Promise<void>;

  constructor(name: ActorName, workerUrl: URL) {
    this.#name = name;
    const worker = new Worker(workerUrl, {
      name: `tocsin ${name}`,
      workerData: name,
      resourceLimits: RESOURCE_LIMITS,
      execArgv: [],
    });
    this.#worker = worker;
    this.loaded = new Promise((resolve) => {
      for (const event of ['message', 'exit'] as const) worker.once(event, () => resolve());
    });
    this.#exited = new Promise((resolve) => worker.once('exit', () => resolve()));
    this.#died = new Promise((resolve) => {
      this.#die = resolve;
      const fail = (cause: unknown): void => {
        if (!this.#isStopping)
          resolve(new TocsinError('ERR_ACTOR_DIED', `${name}: ${asTocsinError(cause).message}`, { cause }));
      };
      worker.once('error', fail);
      worker.once('messageerror', fail);
      worker.once('exit', (code) => fail(new Error(`thread exited with code ${code}`)));
    });
  }

  /** Hands the actor over to its thread; to be called once. */
  begin(init: Omit<ActorInit, 'control'>): RunningActor {
    const { port1, port2 } = new MessageChannel();
    this.#worker.postMessage({ ...init, control: port2 } satisfies ActorInit, [
      port2,
      ...(Object.values(init.links) as MessagePort[]),
    ]);
    const control = new ControlClient(this.#name, port1, this.#died);
    return {
      control,
      died: this.#died,
      exited: this.#exited,
      kill: (error) => {
        this.#die(error);
        void this.#worker.terminate();
      },
      stop: async () => {
        this.#isStopping = true;
        // A thread that fails on its way out gives no answer.
        await Promise.race([control.ask('stop').catch(() => {}), this.#exited]);
        control.end(stopped());
        await this.end();
        port1.close();
      },
    };
  }

  /** Ends the thread, whatever runs on it. */
  async end(): Promise<void> {
    this.#isStopping = true;
    await this.#worker.terminate();
    await this.#exited;
  }
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
    exited: died.then(() => {}),
    // Its thread is that of everybody.
    kill() {},
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
