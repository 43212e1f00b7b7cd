import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { createPipeline, type PipelineOptions } from '../../src/create-pipeline.ts';
import type { Pipeline } from '../../src/runtime/pipeline.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { Killer, until } from './killer.ts';
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

const BEGIN_LIMIT_MS = 20_000;

/** A pipeline under load whose threads die one after another, and clients that see whether anything is missing. */
export class Kills {
  readonly pipeline: Pipeline;
  readonly faults: ClientFault[] = [];
  readonly killer: Killer;
  readonly #root: string;
  readonly #sender: Worker;
  readonly #clients: Worker;
  readonly #reached: Int32Array;

  static async start(options: KillsOptions): Promise<Kills> {
    const root = temporaryFolder();
    const killer = new Killer(options.random);
    const pipeline = await createPipeline({
      fifo: path.join(root, 'fifo'),
      listen: [path.join(root, 'tocsin.sock')],
      history: root,
      ...killer.options,
      ...options.pipeline,
    });
    return new Kills(options, root, killer, pipeline);
  }

  private constructor(options: KillsOptions, root: string, killer: Killer, pipeline: Pipeline) {
    this.#root = root;
    this.killer = killer;
    this.pipeline = pipeline;
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
    if (!(await until(() => this.#reached.every((number) => number > 0), BEGIN_LIMIT_MS)))
      throw new Error('not every client has come');
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

  /**
   * The sender stops, and every client gets to the last record.
   * @param limitMs in which the last of them has to come further, however far it is behind; @returns how many records there were
   */
  async finish(limitMs: number): Promise<number> {
    const sent = await new Promise<number>((resolve) => {
      this.#sender.once('message', resolve);
      this.#sender.postMessage('stop');
    });
    const last = (): number => Math.min(...this.#reached);
    for (let before = last(); this.faults.length === 0 && before < sent; before = last())
      if (!(await until(() => last() > before || this.faults.length > 0, limitMs)))
        this.faults.push({ client: this.#reached.indexOf(before), expected: before + 1, got: 'nothing more' });
    await Promise.all([this.#sender.terminate(), this.#clients.terminate()]);
    await this.pipeline.close();
    fs.rmSync(this.#root, { recursive: true, force: true });
    return sent;
  }
}
