import { setTimeout as wait } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import type { PipelineOptions } from '../../src/create-pipeline.ts';
import { type FaultPlan, type Kind, KINDS, type Window } from './fault-plan.ts';
import { faultyThreads } from './faulty-threads.ts';

/** One death, and how long it took until the actor worked again. */
export interface Death {
  readonly actor: string;
  readonly kind: Kind;
  readonly window: Window;
  readonly recoveryMs: number;
}

/** Where each actor hands work over. */
const WINDOWS_OF: Readonly<Record<string, readonly Window[]>> = {
  monitored: ['turn', 'fifo.read', 'intake.commit', 'port.post'],
  collector: [
    ...(['turn', 'journal.prepare', 'journal.commit', 'progress.prepare', 'intake.release', 'segment.commit'] as const),
    ...(['port.post', 'file.write'] as const),
  ],
  buffer: ['turn', 'log.take', 'port.post'],
  'clients-checker': ['turn', 'port.post'],
  fanout: ['turn', 'log.take', 'port.post'],
};
export const ACTORS = Object.keys(WINDOWS_OF);

const HIT_LIMIT_MS = 1_500;
const RECOVERY_LIMIT_MS = 20_000;
const POLL_MS = 5;
/** An actor that dies sooner than this after it has begun anew has to wait. */
const LIFE_MS = 1_050;

/** Ends threads of the pipeline of this process, one after the other. */
export class Killer {
  readonly deaths: Death[] = [];
  /** What the pipeline has to be made with. */
  readonly options: PipelineOptions;
  readonly #random: () => number;
  readonly #plan: FaultPlan;
  readonly #threads: Map<string, Worker>;
  readonly #said: string[] = [];

  constructor(random: () => number) {
    const { plan, threads, workerUrl } = faultyThreads();
    this.#random = random;
    this.#plan = plan;
    this.#threads = threads;
    this.options = { maxRestarts: 1_000_000, workerUrl, report: (message) => this.#said.push(message) };
  }

  /** One death of this actor, and its new beginning. @param actor `fanout`: any of the shards @throws when it does not come back */
  async kill(actor: string, kind: Kind): Promise<Death> {
    const random = this.#random;
    const shards = [...this.#threads.keys()].filter((name) => name.startsWith('fanout-'));
    const name = actor === 'fanout' ? shards[Math.floor(random() * shards.length)]! : actor;
    const windows = WINDOWS_OF[actor]!;
    let window = windows[Math.floor(random() * windows.length)]!;
    const before = this.#said.length;
    const beganAnew = (): boolean =>
      this.#said.slice(before).some((line) => line.startsWith(`${name}: `) && line.includes('begun anew'));
    this.#plan.diedAtMs = 0;
    this.#plan.arm(name, window, 1 + Math.floor(random() * 40), kind);
    if (!(await until(() => this.#plan.diedAtMs > 0, HIT_LIMIT_MS)) && this.#plan.disarm()) {
      // It does not pass there often enough.
      window = 'turn';
      this.#plan.arm(name, window, 1, kind);
    }
    if (!(await until(beganAnew, RECOVERY_LIMIT_MS)))
      throw new Error(
        `${name} has not begun anew after ${kind} at ${window}; said: ${this.#said.slice(before).join('; ')}`,
      );
    const death: Death = { actor, kind, window, recoveryMs: Date.now() - this.#plan.diedAtMs };
    this.deaths.push(death);
    await wait(LIFE_MS);
    return death;
  }
}

export function kindAt(index: number): Kind {
  return KINDS[index % KINDS.length]!;
}

/** @returns whether the condition came true in this time */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (const endMs = performance.now() + limitMs; performance.now() < endMs; await wait(POLL_MS))
    if (condition()) return true;
  return condition();
}
