import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createPipeline, type PipelineOptions } from '../../src/create-pipeline.ts';
import type { Pipeline } from '../../src/runtime/pipeline.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { type FaultPlan, type Kind, KINDS, type Window } from './fault-plan.ts';
import { faultyThreads } from './faulty-threads.ts';
import type { ClientFault, ClientsTask } from './numbered-clients.ts';
import type { SenderTask } from './numbered-sender.ts';

export interface KillsOptions {
  readonly clients: number;
  readonly perSecond: number;
  readonly burst: number;
  readonly burstEveryMs: number;
  readonly random: () => number;
  readonly pipeline?: PipelineOptions;
}

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

/** A pipeline under load whose threads die one after another, and clients that see whether anything is missing. */
export class Kills {
  readonly pipeline: Pipeline;
  readonly faults: ClientFault[] = [];
  readonly deaths: Death[] = [];
  readonly #options: KillsOptions;
  readonly #root: string;
  readonly #plan: FaultPlan;
  readonly #sender: Worker;
  readonly #clients: Worker;
  readonly #reached: Int32Array;
  readonly #threads: Map<string, Worker>;
  readonly #said: string[];

  static async start(options: KillsOptions): Promise<Kills> {
    const root = temporaryFolder();
    const { plan, threads, workerUrl } = faultyThreads();
    const said: string[] = [];
    const pipeline = await createPipeline({
      fifo: path.join(root, 'fifo'),
      listen: [path.join(root, 'tocsin.sock')],
      history: root,
      maxRestarts: 1_000_000,
      workerUrl,
      report: (message) => said.push(message),
      ...options.pipeline,
    });
    return new Kills(options, { root, plan, threads, said, pipeline });
  }

  private constructor(
    options: KillsOptions,
    parts: {
      readonly root: string;
      readonly plan: FaultPlan;
      readonly threads: Map<string, Worker>;
      readonly said: string[];
      readonly pipeline: Pipeline;
    },
  ) {
    this.#options = options;
    this.#root = parts.root;
    this.#plan = parts.plan;
    this.#threads = parts.threads;
    this.#said = parts.said;
    this.pipeline = parts.pipeline;
    const { clients, perSecond, burst, burstEveryMs } = options;
    const progress = new SharedArrayBuffer(4 * clients);
    this.#reached = new Int32Array(progress);
    const host = `unix://${path.join(this.#root, 'tocsin.sock')}`;
    this.#clients = new Worker(new URL('./numbered-clients.js', import.meta.url), {
      workerData: { host, clients, progress } satisfies ClientsTask,
    });
    this.#clients.on('message', (fault: ClientFault) => this.faults.push(fault));
    this.#sender = new Worker(new URL('./numbered-sender.js', import.meta.url), {
      workerData: { fifo: path.join(this.#root, 'fifo'), perSecond, burst, burstEveryMs } satisfies SenderTask,
    });
    // A pipeline that has ended reads no FIFO any more.
    this.#sender.on('error', (error) => {
      if (this.pipeline.state === 'running') this.faults.push({ client: -1, expected: 0, got: String(error) });
    });
  }

  /** Until every client is there. */
  async begun(): Promise<void> {
    if (!(await until(() => this.#reached.every((number) => number > 0), RECOVERY_LIMIT_MS)))
      throw new Error('not every client has come');
  }

  /** One death of this actor. @param actor `fanout`: any of the shards */
  async kill(actor: string, kind: Kind): Promise<Death> {
    const { random } = this.#options;
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

  /** After a failure: every event that the log had is on disk. */
  async verifyHistory(): Promise<void> {
    const { headSeq } = this.pipeline.stats();
    await Promise.all([this.#sender.terminate(), this.#clients.terminate()]);
    const next = await createPipeline({ history: this.#root });
    const { headSeq: found } = next.stats();
    await next.close();
    fs.rmSync(this.#root, { recursive: true, force: true });
    if (found !== headSeq) throw new Error(`${headSeq} events were in the log, ${found} are on disk`);
  }

  /** The sender stops, and every client gets to the last record. @returns how many records there were */
  async finish(limitMs: number): Promise<number> {
    const sent = await new Promise<number>((resolve) => {
      this.#sender.once('message', resolve);
      this.#sender.postMessage('stop');
    });
    const isThere = await until(
      () => this.faults.length > 0 || this.#reached.every((number) => number >= sent),
      limitMs,
    );
    if (!isThere)
      this.faults.push({
        client: this.#reached.indexOf(Math.min(...this.#reached)),
        expected: sent,
        got: Math.min(...this.#reached),
      });
    await Promise.all([this.#sender.terminate(), this.#clients.terminate()]);
    await this.pipeline.close();
    fs.rmSync(this.#root, { recursive: true, force: true });
    return sent;
  }
}

export function kindAt(index: number): Kind {
  return KINDS[index % KINDS.length]!;
}

async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (const endMs = performance.now() + limitMs; performance.now() < endMs; await wait(POLL_MS))
    if (condition()) return true;
  return condition();
}
