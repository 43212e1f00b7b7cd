import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchPrograms } from '../../src/cli/bench/programs.ts';
import { type Daemon, startDaemon, statsOf, temporaryFolder, waitFor } from '../support/daemon.ts';
import type { Counted, Flood, Outcome, Place, Size, Tally } from './flood.ts';
import { demandExact, NativeLoad } from '../support/native-load.ts';
import { type Figures, figuresOf, watchPeak } from '../support/process-figures.ts';
import { pause } from './raw-client.ts';

const ATTACKER = fileURLToPath(new URL('attacker.js', import.meta.url));
/** Clients that do nothing wrong, and an engine that tells what happens. */
const HEALTHY = { rate: 1_000, clients: 5 };
const RETURN_LIMIT_MS = 60_000;
/** A queue from which nothing is taken for so long is empty. */
const QUEUE_MS = 200;
/** Files that a daemon may have opened meanwhile: of the history, and one for what it has encoded on each shard. */
const OWN_FILES = 8;

/** How long it is quiet before and behind a flood: the service's own work on its memory is done every few seconds. */
export interface Pace {
  readonly warmMs: number;
  readonly quietMs: number;
}

type Windows = readonly [from: number, to: number];
type Noted = Omit<Outcome, 'p99Before' | 'p99During' | 'p99Worst' | 'p99After'> & {
  readonly spans: Readonly<Record<'before' | 'during' | 'after', Windows>>;
};

/** A daemon with healthy clients, which is flooded, in one way after the other. */
export class Session {
  readonly daemon: Daemon;
  readonly #healthy: NativeLoad;
  readonly #place: Place | undefined;
  readonly #pace: Pace;
  readonly #noted: Noted[] = [];

  private constructor(daemon: Daemon, healthy: NativeLoad, place: Place | undefined, pace: Pace) {
    this.daemon = daemon;
    this.#healthy = healthy;
    this.#place = place;
    this.#pace = pace;
  }

  /** @param needs the flags and the place that the floods to come need */
  static async start(programs: BenchPrograms, needs: Pick<Flood, 'flags' | 'place'>, pace: Pace): Promise<Session> {
    const root = temporaryFolder();
    const place = needs.place?.(root);
    try {
      const daemon = await startDaemon(needs.flags, root, { prefix: place?.prefix ?? [] });
      const session = new Session(daemon, await NativeLoad.start(daemon, programs, HEALTHY), place, pace);
      await pause(pace.warmMs);
      return session;
    } catch (error) {
      place?.release();
      throw error;
    }
  }

  /** @throws when the descriptors or threads do not come back to what they were, or the flood's own check says no */
  async run(flood: Flood, size: Size): Promise<void> {
    const { daemon } = this;
    const before = figuresOf(daemon.pid);
    const calm = await this.#during(() => pause(this.#pace.quietMs));
    const counters = await this.#counters();
    const peakOf = watchPeak(daemon.pid);
    let tally: Tally = {};
    const during = await this.#during(async () => {
      tally = await attack(flood, daemon, size);
    });
    const peak = peakOf();
    const isBack = ({ descriptors, sockets, threads }: Figures): boolean =>
      sockets <= before.sockets && descriptors <= before.descriptors + OWN_FILES && threads <= before.threads;
    await waitFor(
      () => isBack(figuresOf(daemon.pid)),
      `descriptors and threads to be what they were before ${flood.name}`,
      RETURN_LIMIT_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify({ before, now: figuresOf(daemon.pid) })}`);
    });
    await waitFor(() => this.#isOver(counters), `the last attackers of ${flood.name} to be gone`, RETURN_LIMIT_MS);
    const after = await this.#during(() => pause(this.#pace.quietMs));
    const now = await this.#counters();
    const counted = Object.fromEntries(
      Object.entries(now).flatMap(([id, value]) => {
        const grown = value - (counters[id] ?? 0);
        return [[id, grown]];
      }),
    );
    flood.check(counted, tally, size);
    this.#noted.push({
      name: flood.name,
      before,
      after: figuresOf(daemon.pid),
      peak,
      tally,
      counted,
      spans: { before: calm, during, after },
    });
  }

  /** Ends all of it. @throws when a healthy client has lost something, or the daemon has come to harm */
  async end(): Promise<readonly Outcome[]> {
    const received = await this.#healthy.end();
    demandExact(received);
    const { windows } = received;
    const code = await this.#stop();
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.daemon.log()}`);
    const p99 = ([from, to]: Windows): number[] =>
      windows.slice(from, to + 1).filter((value): value is number => value !== null);
    return this.#noted.map(({ spans, ...noted }) => ({
      ...noted,
      p99Before: median(p99(spans.before)),
      p99During: median(p99(spans.during)),
      p99Worst: p99(spans.during).reduce<number | null>((worst, value) => Math.max(worst ?? 0, value), null),
      p99After: median(p99(spans.after)),
    }));
  }

  async kill(): Promise<void> {
    this.#healthy.kill();
    await this.#stop();
  }

  /** The place first: nothing can be removed while it is mounted. */
  async #stop(): Promise<number | null> {
    process.kill(this.daemon.pid, 'SIGTERM');
    await this.daemon.exited;
    this.#place?.release();
    return this.daemon.stop();
  }

  /** Nobody comes any more from the queue of the socket, and as many clients are there as before. */
  async #isOver(before: Counted): Promise<boolean> {
    const then = await this.#counters();
    await pause(QUEUE_MS);
    const now = await this.#counters();
    return now['connections'] === then['connections'] && clientsOf(now) === clientsOf(before);
  }

  async #during(work: () => Promise<void>): Promise<Windows> {
    const from = this.#healthy.window;
    await work();
    return [from, this.#healthy.window];
  }

  async #counters(): Promise<Counted> {
    return (await statsOf(this.daemon)).counters;
  }
}

function clientsOf({ clientsAttached = 0, clientsLeft = 0, clientsEnded = 0, clientsCut = 0 }: Counted): number {
  return clientsAttached - clientsLeft - clientsEnded - clientsCut;
}

function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? null;
}

async function attack(flood: Flood, { events, admin, fifo, pid }: Daemon, size: Size): Promise<Tally> {
  const args = [ATTACKER, flood.name, JSON.stringify({ events, admin, fifo, pid }), JSON.stringify(size)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the attackers of ${flood.name} ended with ${String(code)}`);
  return JSON.parse(output) as Tally;
}
