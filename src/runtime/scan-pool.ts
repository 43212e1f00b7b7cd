import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { type ErrorData, TocsinError } from '../event/errors.ts';
import type { ScanJob, ScanJobs, ScanPool } from '../history/scan-pool.ts';

/** What is posted to a thread of the pool. */
export interface ScanCall<Job extends ScanJob = ScanJob> {
  readonly folder: string;
  readonly job: Job;
  readonly task: ScanJobs[Job]['task'];
}

/** What comes back: errors cross threads as data. */
export type ScanAnswer<Job extends ScanJob = ScanJob> =
  | { readonly result: ScanJobs[Job]['result'] }
  | { readonly error: ErrorData };

/** Threads wait so long for more work. */
const IDLE_MS = 10_000;
const CLOSE_MS = 1_000;

/**
 * Reads the files of a history folder on threads of its own. They start, and Piscina is loaded, with the first task: most
 * starts of a daemon never need it.
 *
 *   tasks --> [running, running, ahead] --> results, in the order of the tasks
 */
export class ThreadedScans implements ScanPool {
  readonly #folder: string;
  readonly #maxThreads: number;
  readonly #niceness: number;
  #pool: Promise<Piscina<ScanCall, ScanAnswer>> | undefined;

  /** @param niceness how far its threads stand back behind others */
  constructor(folder: string, maxThreads: number, niceness = 0) {
    this.#folder = folder;
    this.#maxThreads = maxThreads;
    this.#niceness = niceness;
  }

  async *run<Job extends ScanJob>(
    job: Job,
    tasks: Iterable<ScanJobs[Job]['task']>,
    isAhead = true,
  ): AsyncGenerator<ScanJobs[Job]['result'], void> {
    const running: Promise<ScanAnswer>[] = [];
    // One more than threads, so that none waits while a result is taken.
    const ahead = isAhead ? this.#maxThreads + 1 : 1;
    const pool = await (this.#pool ??= this.#open());
    for (const task of tasks) {
      const answer = pool.run({ folder: this.#folder, job, task });
      // Whoever left the loop does not wait for it. It is not aborted: that would end its thread, for a few milliseconds of work.
      answer.catch(() => {});
      running.push(answer);
      if (running.length >= ahead) yield await taken<Job>(running);
    }
    while (running.length > 0) yield await taken<Job>(running);
  }

  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #open(): Promise<Piscina<ScanCall, ScanAnswer>> {
    const { Piscina } = await import('piscina');
    const pool = new Piscina<ScanCall, ScanAnswer>({
      filename: fileURLToPath(new URL('./scan-worker.js', import.meta.url)),
      minThreads: 0,
      maxThreads: this.#maxThreads,
      idleTimeout: IDLE_MS,
      closeTimeout: CLOSE_MS,
      // A thread that spins for its next task would take a core from the one that has work.
      atomics: 'disabled',
      recordTiming: false,
      niceIncrement: this.#niceness,
      execArgv: [],
    });
    // Every task says itself what became of it; without a listener this would end whoever owns the pool.
    pool.on('error', () => {});
    return pool;
  }
}

async function taken<Job extends ScanJob>(running: Promise<ScanAnswer>[]): Promise<ScanJobs[Job]['result']> {
  const answer = (await running.shift()) as ScanAnswer<Job>;
  if ('error' in answer) throw TocsinError.fromData(answer.error);
  return answer.result;
}

/** The answer, with memory that goes along instead of being copied; shared memory does anyway. */
export async function withMemory(answer: ScanAnswer, { buffer }: Uint8Array): Promise<unknown> {
  if (!(buffer instanceof ArrayBuffer)) return answer;
  const piscina = await import('piscina');
  return piscina.move({ [piscina.transferableSymbol]: buffer, [piscina.valueSymbol]: answer });
}
