import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { BenchPrograms } from '../../src/cli/bench/programs.ts';
import { type Daemon, waitFor } from './daemon.ts';

const WINDOW_SECONDS = 0.5;
/** In which the slowest client comes further, however far it is behind. */
const PROGRESS_LIMIT_MS = 60_000;
const TIMEOUT_SECONDS = 86_400;
/** More than any test sends. */
const EVENTS = 4_000_000_000;

export interface NativeLoadOptions {
  /** Records a second; 0 = as fast as they are taken. */
  readonly rate: number;
  /** Clients that read everything. */
  readonly clients: number;
  /** They come back when they are cut off, with the cursor behind their last event. */
  readonly resume?: boolean;
  /** How many events the sender may be ahead of the slowest client. */
  readonly ahead?: number;
  readonly containers?: number;
}

/** What sender and clients say at the end, the clients all together. */
export interface Received {
  readonly sent: number;
  /** Exit code of the sender, which ends at the first error. */
  readonly senderExit: number | null;
  /** Numbers that did not follow. */
  readonly bad: number;
  /** Of the client that got the fewest, and of the one that got the most. */
  readonly minEvents: number;
  readonly maxEvents: number;
  /** Streams that ended for good before they should. */
  readonly abnormal: number;
  /** How often a client has come back. */
  readonly resumed: number;
  /** p99 of each half second since the first event, in microseconds; null without events. */
  readonly windows: readonly (number | null)[];
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
}

/** @throws when the sender has failed, or a client has not got every event once and in order */
export function demandExact({ sent, senderExit, bad, minEvents, maxEvents, abnormal }: Received): void {
  assert.deepEqual(
    { senderExit, bad, minEvents, maxEvents, abnormal },
    { senderExit: 0, bad: 0, minEvents: sent, maxEvents: sent, abnormal: 0 },
  );
}

/** A sender that writes records into the FIFO, and clients that check every event: C programs, which are never the limit. */
export class NativeLoad {
  readonly #load: ChildProcess;
  readonly #drain: ChildProcess;
  readonly #page: string;
  readonly #beganMs = performance.now();
  /** Exit codes. */
  readonly #loaded: Promise<number | null>;
  readonly #drained: Promise<number | null>;
  #sent = '';
  #drainSaid = '';

  private constructor(load: ChildProcess, drain: ChildProcess, page: string) {
    this.#load = load;
    this.#drain = drain;
    this.#page = page;
    this.#loaded = new Promise((resolve) => load.once('close', resolve));
    this.#drained = new Promise((resolve) => drain.once('close', resolve));
    load.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#sent += text));
    drain.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#drainSaid += text));
  }

  static async start(
    daemon: Pick<Daemon, 'root' | 'events' | 'fifo'>,
    programs: BenchPrograms,
    { rate, clients, resume = false, ahead = EVENTS, containers = 500 }: NativeLoadOptions,
  ): Promise<NativeLoad> {
    const page = path.join(daemon.root, 'progress');
    fs.writeFileSync(page, Buffer.alloc(4096));
    const door = ['--door', 'native', '--path', '/v1/events?follow=true', ...(resume ? ['--resume'] : [])];
    const window = ['--latency', '--window-seconds', String(WINDOW_SECONDS)];
    const shape = [...window, '--timeout', String(TIMEOUT_SECONDS), '--progress', page];
    const drain = spawn(programs.drain, [daemon.events, String(clients), String(EVENTS), ...door, ...shape], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let load: ChildProcess | undefined;
    try {
      await isReady(drain);
      const pace = ['--rate', String(rate), '--progress', page, '--ahead', String(ahead)];
      const args = ['fifo', daemon.fifo, String(EVENTS), '--containers', String(containers), ...pace];
      load = spawn(programs.load, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const both = new NativeLoad(load, drain, page);
      await waitFor(() => both.reached > 0, 'the first event');
      return both;
    } catch (error) {
      for (const child of [drain, load]) child?.kill('SIGKILL');
      throw error;
    }
  }

  /** Events that the slowest of them has. */
  get reached(): number {
    return Number(fs.readFileSync(this.#page).readBigUInt64LE());
  }

  /** Of the window that is now. */
  get window(): number {
    return Math.floor((performance.now() - this.#beganMs) / 1000 / WINDOW_SECONDS);
  }

  /** Ends the sender. @returns how many records it has written */
  async stop(): Promise<number> {
    this.#load.kill('SIGTERM');
    await this.#loaded;
    return (JSON.parse(this.#sent) as { sent: number }).sent;
  }

  /** Ends sender and clients, once these have everything or will not get it. @throws when a client was refused */
  async end(): Promise<Received> {
    const sent = await this.stop();
    const senderExit = await this.#loaded;
    for (let before = this.reached; before < sent && this.#drain.exitCode === null; before = this.reached)
      if (!(await this.#comesFurther(before))) break;
    this.#drain.kill('SIGTERM');
    await this.#drained;
    const line = this.#drainSaid.trim().split('\n').at(-1)!;
    const report = JSON.parse(line) as Omit<Received, 'sent' | 'senderExit'> | { readonly error: string };
    if ('error' in report) throw new Error(`the clients ended: ${report.error}`);
    return { ...report, sent, senderExit };
  }

  async #comesFurther(from: number): Promise<boolean> {
    return waitFor(() => this.reached > from, 'the clients', PROGRESS_LIMIT_MS).then(
      () => true,
      () => false,
    );
  }

  kill(): void {
    this.#load.kill('SIGKILL');
    this.#drain.kill('SIGKILL');
  }
}

/** Every client has been accepted. */
function isReady(drain: ChildProcess): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    drain.stdout!.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (said.includes('ready\n')) resolve();
    });
    drain.once('error', reject);
    drain.once('exit', () => reject(new Error(`the clients ended: ${said}`)));
  });
}
