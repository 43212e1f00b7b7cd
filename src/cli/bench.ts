import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { TocsinError } from '../event/errors.ts';
import { DOORS, type DoorName, startDaemon } from './bench/daemon.ts';
import { measureEmbedded } from './bench/embedded.ts';
import { measure, type Measurement, type Plan } from './bench/measure.ts';
import { buildPrograms } from './bench/programs.ts';
import { EXIT_OK } from './exit.ts';
import { Progress } from './progress.ts';

interface BenchFlags {
  readonly clients: string;
  readonly rate: string;
  readonly events?: string;
  readonly door: string;
  readonly intake: string;
  readonly slow: string;
  readonly stalled: string;
  readonly fanouts?: string;
  readonly format: string;
}

/** What a run without --events delivers: enough for a figure, a few seconds here. */
const DELIVERIES = 20_000_000;
const MIN_EVENTS = 20_000;
const MAX_EVENTS = 1_000_000;
/** Events as fast as they can go before those that come at a rate. */
const BURST = 20_000;
/** At a given rate, so many seconds. */
const RATED_SECONDS = 10;
/** History is 65,536 events; who is further behind than that has lost some. */
const AHEAD = 4096;

export function addBenchCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  program
    .command('bench')
    .description('Measure this machine: a daemon of its own, a load generator and clients in C, every event checked')
    .option('--clients <n>', 'Clients, all of them subscribed to everything', '100')
    .option('--rate <n>', 'Events per second; 0 = as fast as the slowest client takes them', '0')
    .option('--events <n>', 'Events to measure (default: what takes a few seconds)')
    .option('--door <door>', `${Object.keys(DOORS).join(', ')} or embedded`, 'native')
    .option('--intake <intake>', 'fifo, or http: batches to POST /v1/events', 'fifo')
    .option('--slow <n>', 'Further clients that read 100 kB/s', '0')
    .option('--stalled <n>', 'Further clients that stop reading', '0')
    .option('--fanouts <n>', 'Shards of the daemon')
    .option('--format <format>', 'text or json', 'text')
    .action((flags: BenchFlags) => run(() => bench(flags)));
}

async function bench(flags: BenchFlags): Promise<number> {
  const clients = count('clients', flags.clients, 1);
  const rate = count('rate', flags.rate, 0);
  const usual = Math.max(MIN_EVENTS, Math.min(MAX_EVENTS, Math.round(DELIVERIES / clients)));
  const events = flags.events ? count('events', flags.events, 1) : rate > 0 ? rate * RATED_SECONDS : usual;
  const plan: Plan = {
    clients,
    rate,
    events,
    warmup: rate > 0 ? BURST + rate : Math.ceil(events / 2),
    burst: BURST,
    ahead: AHEAD,
    slow: count('slow', flags.slow, 0),
    stalled: count('stalled', flags.stalled, 0),
    latency: true,
  };
  const result = flags.door === 'embedded' ? await measureEmbedded(plan) : await measureDaemon(flags, plan);
  if (flags.format === 'json') process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(verdict(flags, plan, result));
  return EXIT_OK;
}

async function measureDaemon(flags: BenchFlags, plan: Plan): Promise<Measurement> {
  const door = oneOf('door', flags.door, Object.keys(DOORS) as DoorName[]);
  const intake = oneOf('intake', flags.intake, ['fifo', 'http'] as const);
  const programs = buildPrograms();
  const daemonFlags = flags.fanouts ? ['--fanouts', String(count('fanouts', flags.fanouts, 1))] : [];
  const daemon = await startDaemon({ doors: [door], intake, flags: daemonFlags });
  const progress = new Progress();
  try {
    const total = plan.warmup + plan.events;
    return await measure(daemon, plan, programs, (reached) =>
      progress.show(reached, ` of ${total.toLocaleString('en')}, to each of ${plan.clients} clients`),
    );
  } finally {
    progress.clear();
    await daemon.stop();
  }
}

/** For people: every line is something that was measured. */
function verdict(flags: BenchFlags, plan: Plan, result: Measurement): string {
  const { p50us, p99us, p999us } = result;
  const number = (value: number, digits = 0): string => value.toLocaleString('en', { maximumFractionDigits: digits });
  const besides = [plan.slow ? `${plan.slow} slow` : '', plan.stalled ? `${plan.stalled} stalled` : ''].filter(Boolean);
  const latency = [p50us, p99us, p999us].map((us) => (us === null ? '-' : number(us))).join(' / ');
  return [
    `door ${flags.door}, ${plan.clients} clients${besides.length > 0 ? ` and ${besides.join(', ')}` : ''}, ` +
      `${plan.rate > 0 ? `${number(plan.rate)} events/s` : 'as fast as it goes'}, ${availableParallelism()} cores, Node ${process.version}`,
    `every one of ${number(plan.clients)} clients got all ${number(plan.warmup + plan.events)} events, once and in order`,
    `  ${number(result.eventsPerSecond)} events/s, ${number(result.deliveriesPerSecond)} deliveries/s`,
    `  ${number(result.cpuPerMillion, 3)} CPU seconds per million deliveries, ${number(result.cores, 2)} cores busy`,
    `  latency us, p50 / p99 / p99.9: ${latency}${plan.rate > 0 ? '' : ' (at full load: mostly time in the queue of the load)'}`,
    `  ${number(result.rssMb)} MB resident, ${number(result.payloadBytes, 1)} bytes an event and ${number(result.wireBytes - result.payloadBytes, 1)} of framing`,
    `  ${number(result.stealPercent, 1)} % of the machine was taken by its hypervisor`,
    '',
  ].join('\n');
}

function count(name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new TocsinError(
    'ERR_OPTION_INVALID',
    `${name}: expected a whole number from ${least} on, got ${JSON.stringify(text)}`,
  );
}

function oneOf<Value extends string>(name: string, text: string, values: readonly Value[]): Value {
  const found = values.find((value) => value === text);
  if (found) return found;
  throw new TocsinError(
    'ERR_OPTION_INVALID',
    `${name}: expected one of ${values.join(', ')}, got ${JSON.stringify(text)}`,
  );
}
