import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { BenchPrograms } from '../../src/cli/bench/programs.ts';
import { exitOf, type Daemon, waitFor } from '../support/daemon.ts';

const RATE = 1_000;
const WINDOW_SECONDS = 0.5;
const CLIENTS = 5;
/** More than any flood lasts. */
const EVENTS = 10_000_000;

/** What the healthy clients got, all together. */
export interface Received {
  readonly sent: number;
  /** p99 of each half second since the first event, in microseconds; null without events. */
  readonly windows: readonly (number | null)[];
}

/** Clients that do nothing wrong, and an engine that tells 1,000 events a second through the FIFO. */
export class Healthy {
  readonly #load: ChildProcess;
  readonly #drain: ChildProcess;
  readonly #page: string;
  readonly #beganMs = performance.now();
  #sent = '';
  #drained = '';

  private constructor(load: ChildProcess, drain: ChildProcess, page: string) {
    this.#load = load;
    this.#drain = drain;
    this.#page = page;
    load.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#sent += text));
    drain.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#drained += text));
  }

  static async start(daemon: Daemon, programs: BenchPrograms): Promise<Healthy> {
    const page = path.join(daemon.root, 'progress');
    fs.writeFileSync(page, Buffer.alloc(4096));
    const door = ['--door', 'native', '--path', '/v1/events'];
    const shape = ['--latency', '--window-seconds', String(WINDOW_SECONDS), '--timeout', '7200', '--progress', page];
    const drain = spawn(programs.drain, [daemon.events, String(CLIENTS), String(EVENTS), ...door, ...shape], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      drain.stdout.on('data', (piece: Buffer) => {
        said += piece.toString();
        if (said.includes('ready\n')) resolve();
      });
      drain.once('exit', () => reject(new Error(`the healthy clients ended: ${said}`)));
    });
    const args = ['fifo', daemon.fifo, String(EVENTS), '--rate', String(RATE), '--progress', page];
    const load = spawn(programs.load, [...args, '--ahead', String(EVENTS)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const healthy = new Healthy(load, drain, page);
    await waitFor(() => healthy.reached > 0, 'the first event');
    return healthy;
  }

  /** Events that the slowest of them has. */
  get reached(): number {
    return Number(fs.readFileSync(this.#page).readBigUInt64LE());
  }

  /** Of the window that is now. */
  get window(): number {
    return Math.floor((performance.now() - this.#beganMs) / 1000 / WINDOW_SECONDS);
  }

  /** Ends them. @throws when one of them has not got every event once and in order */
  async end(): Promise<Received> {
    const loaded = exitOf(this.#load);
    this.#load.kill('SIGTERM');
    await loaded;
    const { sent } = JSON.parse(this.#sent) as { sent: number };
    await waitFor(() => this.reached >= sent, `the healthy clients to get all ${sent} events`);
    const drained = exitOf(this.#drain);
    this.#drain.kill('SIGTERM');
    await drained;
    const line = this.#drained.trim().split('\n').at(-1)!;
    const { bad, minEvents, maxEvents, abnormal, windows } = JSON.parse(line) as Record<string, number> & {
      readonly windows: readonly (number | null)[];
    };
    assert.deepEqual(
      { bad, minEvents, maxEvents, abnormal },
      { bad: 0, minEvents: sent, maxEvents: sent, abnormal: 0 },
    );
    return { sent, windows };
  }

  kill(): void {
    this.#load.kill('SIGKILL');
    this.#drain.kill('SIGKILL');
  }
}
