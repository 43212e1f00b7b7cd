import os from 'node:os';
import type { Measurement, Plan, Subject } from '../src/cli/bench/measure.ts';
import { measure } from '../src/cli/bench/measure.ts';
import type { BenchPrograms } from '../src/cli/bench/programs.ts';
import { startDaemon } from '../src/cli/bench/daemon.ts';
import { type DoorName } from '../src/cli/bench/daemon.ts';

/** One measured thing in one round. */
export interface Row {
  /** What was measured: `tocsin`, `redis`, ... */
  readonly system: string;
  /** What it was measured with: `clients`, `door`, `rate` ... */
  readonly params: Readonly<Record<string, string | number>>;
  /** Numbers by name. `null` = it has none. */
  readonly figures: Readonly<Record<string, number | null>>;
}

/** What a benchmark found, as it is kept in bench/results. */
export interface Result {
  readonly name: string;
  readonly machine: Machine;
  readonly rows: readonly Row[];
}

export interface Machine {
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  readonly cpu: string;
  readonly linux: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
}

export interface Topology {
  readonly name: string;
  readonly title: string;
  /** What the reader has to know to read the table. */
  readonly about: string;
  run(context: Context): Promise<Row[]>;
}

export interface Context {
  readonly programs: BenchPrograms;
  readonly rounds: number;
  /** The daemon's `main.js`. */
  readonly main: string;
  log(line: string): void;
}

/** One cell of a benchmark: a system, what it is asked, and how it is started. */
export interface Case {
  readonly system: string;
  readonly params: Readonly<Record<string, string | number>>;
  /** Undefined when the system is not installed. */
  readonly start: () => Promise<Subject | undefined>;
  readonly plan: Plan;
}

/** Runs every case once a round, there and back again, so that what the machine does meanwhile hits them alike. */
export async function inRounds(context: Context, cases: readonly Case[], rounds = context.rounds): Promise<Row[]> {
  const rows: Row[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const { system, params, start, plan } of round % 2 === 1 ? cases : cases.toReversed()) {
      const subject = await start();
      if (!subject) continue;
      try {
        const figures = await measure(subject, plan, context.programs);
        rows.push({ system, params, figures: { ...figures } });
        context.log(`${round}/${rounds} ${system} ${JSON.stringify(params)}: ${brief(figures)}`);
      } finally {
        await subject.stop();
      }
    }
  }
  return rows;
}

function brief({
  eventsPerSecond,
  deliveriesPerSecond,
  cpuPerMillion,
  p99us,
  rssMb,
  stealPercent,
}: Measurement): string {
  const latency = p99us === null ? '' : `, p99 ${p99us.toFixed(0)} us`;
  return (
    `${(eventsPerSecond / 1e3).toFixed(1)} k/s, ${(deliveriesPerSecond / 1e6).toFixed(2)} M/s, ${cpuPerMillion.toFixed(3)} s/M` +
    `${latency}, ${rssMb.toFixed(0)} MB, steal ${stealPercent.toFixed(1)} %`
  );
}

/** History is 65,536 events; clients may be this far apart and behind. */
export const AHEAD = 4096;
const PROCESSES = 5;

/** Enough events for two or three seconds, behind as many as it takes until V8 has compiled nearly everything. */
export function planFor(clients: number, more: Partial<Plan> = {}): Plan {
  const events = clients <= 1 ? 1_600_000 : clients <= 10 ? 1_200_000 : clients <= 100 ? 400_000 : 40_000;
  const warmup = clients <= 10 ? 1_280_000 : clients <= 100 ? 800_000 : 40_000;
  const ahead = clients <= 10 ? 4 * AHEAD : AHEAD;
  return {
    clients,
    events,
    warmup,
    rate: 0,
    ahead,
    processes: processesFor(clients),
    ...more,
  };
}

/** One process reads what two cores send; where there are many it would be the limit. */
function processesFor(clients: number): number {
  return os.availableParallelism() >= 8 && clients % PROCESSES === 0 ? PROCESSES : 1;
}

/** The same for systems that are compiled already, and take longer for as many events. */
export function brokerPlanFor(clients: number): Plan {
  const plan = planFor(clients);
  const share = clients < 100 ? 0.25 : 0.1;
  return { ...plan, events: plan.events * share, warmup: plan.warmup * share };
}

export function tocsinCase(
  context: Context,
  door: DoorName,
  params: Case['params'],
  plan: Plan,
  options: {
    readonly intake?: 'fifo' | 'http';
    readonly flags?: readonly string[];
    readonly drain?: readonly string[];
  } = {},
): Case {
  return {
    system: 'tocsin',
    params: { door, ...params },
    start: () => startDaemon({ doors: [door], main: context.main, ...options }),
    plan,
  };
}

/** Tocsin that writes nothing to disk, as brokers do that keep nothing; by default every event is written before anybody sees it. */
export const IN_MEMORY = 'tocsin, in memory';

export function inMemoryCase(...[context, door, params, plan, options]: Parameters<typeof tocsinCase>): Case {
  const flags = ['--durability', 'memory'];
  return { ...tocsinCase(context, door, params, plan, { ...options, flags }), system: IN_MEMORY };
}
