import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { buildPrograms } from '../../../src/cli/bench/programs.ts';
import { call, exitOf, MAIN, statsOf, temporaryFolder, waitFor } from '../../support/daemon.ts';
import { NativeLoad } from '../../support/native-load.ts';

/** What a run of upgrades under load has shown. */
export interface Upgrades {
  readonly upgrades: number;
  readonly rate: number;
  readonly clients: number;
  /** Records that the sender has written. */
  readonly sent: number;
  /** Of the sender, which ends at the first error. */
  readonly senderExit: number | null;
  /** How often somebody has opened the FIFO to write and connected to both sockets, and in vain. */
  readonly probes: number;
  readonly refused: readonly string[];
  readonly accepted: number;
  /** Events that a client did not get, of the one that got the fewest, and discontinuities of all. */
  readonly lost: number;
  readonly repeated: number;
  readonly resumed: number;
  /** Cursors still have the epoch that they had at first. */
  readonly isSameEpoch: boolean;
  /** From the signal to the successor's being ready. */
  readonly medianMs: number;
  readonly longestMs: number;
  /** From the moment at which an event was to be sent to its being read. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

const CLIENTS = 4;
const PROBE_MS = 10;
/** For the last of many events. */
const LIMIT_MS = 120_000;

/** A daemon of which there is one after the other; its output is all in one place. */
export class Lineage {
  readonly root = temporaryFolder();
  readonly events = path.join(this.root, 'tocsin.sock');
  readonly admin = path.join(this.root, 'admin.sock');
  readonly fifo = path.join(this.root, 'monitord_fifo');
  readonly #command: 'serve' | 'supervise';
  readonly #child: ChildProcess;
  /** Of the first process. */
  readonly exited: Promise<number | null>;
  log = '';
  /** Of a successor that nobody has told of. */
  heir: number | undefined;

  constructor(
    command: 'serve' | 'supervise',
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#command = command;
    this.#child = spawn(process.execPath, [MAIN, command, '--root', this.root, ...args], {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.exited = exitOf(this.#child);
  }

  /** Of the process that signals are for. */
  get pid(): number {
    const successor = this.#command === 'serve' ? this.#told(/handing over to (\d+)/g).at(-1) : undefined;
    return Number(this.heir ?? successor ?? this.#child.pid);
  }

  get starts(): number {
    return this.#told(/(ready in) /g).length;
  }

  async ready(starts = 1): Promise<void> {
    await waitFor(() => this.starts >= starts || this.#child.exitCode === 1, `start ${starts}`, 60_000).catch(
      (error) => {
        throw new Error(`${error}: ${this.log}`);
      },
    );
  }

  /** @returns milliseconds from the signal to the successor's being ready */
  async upgrade(): Promise<number> {
    const { starts } = this;
    const from = performance.now();
    process.kill(this.pid, 'SIGUSR2');
    await this.ready(starts + 1);
    return performance.now() - from;
  }

  /** SIGTERM, and what the first process ended with. */
  async stop(): Promise<number | null> {
    const { pid } = this;
    if (isRunning(pid)) process.kill(pid, 'SIGTERM');
    await waitFor(() => !isRunning(pid), 'the last daemon to end');
    const code = await this.exited;
    fs.rmSync(this.root, { recursive: true, force: true });
    return code;
  }

  #told(what: RegExp): string[] {
    return [...this.log.matchAll(what)].map((match) => match[1]!);
  }
}

export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z /s.test(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

async function epochOf({ admin }: Lineage): Promise<string> {
  return (JSON.parse((await call(admin, '/v1/stats')).body) as { readonly epoch: string }).epoch;
}

/** Opens the FIFO as a sender does, and connects as clients do, all the time. */
class Prober {
  probes = 0;
  /** What went wrong. */
  readonly refused: string[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor({ fifo, events, admin }: Lineage) {
    this.#timer = setInterval(() => {
      this.probes += 1;
      try {
        fs.closeSync(fs.openSync(fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
      } catch (error) {
        this.refused.push(String(error));
      }
      for (const socket of [events, admin]) {
        const connection = net.connect(socket, () => connection.destroy());
        connection.once('error', (error) => this.refused.push(String(error)));
      }
    }, PROBE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Upgrades a daemon so often while a sender writes records into its FIFO and clients read them and come back by their cursors. */
export async function runUpgrades(
  upgrades: number,
  rate: number,
  command: 'serve' | 'supervise' = 'serve',
): Promise<Upgrades> {
  const programs = buildPrograms();
  const lineage = new Lineage(command, ['--history-bytes', '20GiB']);
  let load: NativeLoad | undefined;
  let prober: Prober | undefined;
  try {
    await lineage.ready();
    load = await NativeLoad.start(lineage, programs, { rate, clients: CLIENTS, resume: true });
    const epoch = await epochOf(lineage);
    prober = new Prober(lineage);
    const tookMs: number[] = [];
    for (let upgrade = 0; upgrade < upgrades; upgrade += 1) tookMs.push(await lineage.upgrade());
    prober.stop();
    const sent = await load.stop();
    await waitFor(async () => (await statsOf(lineage)).headSeq >= sent, 'the last events', LIMIT_MS).catch(() => {});
    const { headSeq } = await statsOf(lineage);
    const { senderExit, bad, minEvents, maxEvents, resumed, p50us, p99us, p999us } = await load.end();
    tookMs.sort((a, b) => a - b);
    return {
      upgrades,
      rate,
      clients: CLIENTS,
      sent,
      senderExit,
      probes: prober.probes,
      refused: [...new Set(prober.refused)],
      accepted: headSeq,
      lost: sent - minEvents,
      repeated: Math.max(0, maxEvents - headSeq) + bad,
      resumed,
      isSameEpoch: (await epochOf(lineage)) === epoch,
      medianMs: tookMs[tookMs.length >> 1]!,
      longestMs: tookMs.at(-1)!,
      p50Ms: p50us / 1_000,
      p99Ms: p99us / 1_000,
      p999Ms: p999us / 1_000,
    };
  } finally {
    prober?.stop();
    load?.kill();
    const code = await lineage.stop();
    assert.equal(code, 0, lineage.log.slice(-4_000));
  }
}
