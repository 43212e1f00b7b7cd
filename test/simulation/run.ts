import process from 'node:process';
import { NO_MUTANT } from '../support/mutant.ts';
import { hunt } from './mutants/hunt.ts';
import { MUTANTS } from './mutants/table.ts';
import { simulate, SimulationFailure } from './simulation.ts';
import { Tally } from './tally.ts';
import { simulateSeeds } from './simulate-seeds.ts';

/**
 * The simulation by hand:
 *   npm run simulate -- --seeds 1-100000   many schedules, each twice; ends with the first that fails
 *                         [--once]         each once: for very many
 *   npm run simulate -- --seed 17          one, with everything that happens in it
 *   npm run simulate -- --mutants [ID]     how soon known bugs are found
 */
const PROGRESS_MS = 5_000;
const MUTANT_SEEDS = 1_000;
const USAGE = 'usage: npm run simulate -- --seeds FROM-TO [--once] | --seed N | --mutants [ID]\n';

const [command, value, option] = process.argv.slice(2);
switch (command) {
  case '--seed':
    await replay(Number(value));
    break;
  case '--seeds':
    await runSeeds(value ?? '', option === '--once');
    break;
  case '--mutants':
    await runMutants(value);
    break;
  default:
    process.stderr.write(USAGE);
    process.exitCode = 2;
}

async function replay(seed: number): Promise<void> {
  try {
    const { trace, hash, tally } = await simulate(seed, true);
    process.stdout.write(`${trace.join('\n')}\n${tally.table()}seed ${seed}: ${hash}\n`);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    process.stdout.write(`${error.trace.join('\n')}\n`);
    fail(error);
  }
}

async function runSeeds(range: string, once: boolean): Promise<void> {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(range) ?? [];
  if (!from || !to) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  // What is thrown in a simulated fault is part of the run; one that fails is shown by --seed.
  if (once) Error.stackTraceLimit = 0;
  const tally = new Tally();
  const startedMs = performance.now();
  let saidMs = startedMs;
  try {
    await simulateSeeds(Number(from), Number(to), tally, {
      once,
      progress: (done) => {
        const nowMs = performance.now();
        if (nowMs - saidMs < PROGRESS_MS) return;
        saidMs = nowMs;
        process.stderr.write(`${done} seeds, ${((done * 1000) / (nowMs - startedMs)).toFixed(1)} a second\n`);
      },
    });
    process.stdout.write(tally.table());
    if (tally.missing.length === 0) return;
    process.stdout.write(`these never happened: ${tally.missing.join(', ')}\n`);
    process.exitCode = 1;
  } catch (error) {
    fail(error);
  }
}

async function runMutants(only: string | undefined): Promise<void> {
  let most = 0;
  for (const mutant of MUTANTS.filter(({ id }) => only === undefined || id === only)) {
    const found = await hunt(mutant, MUTANT_SEEDS);
    most = Math.max(most, found?.seed ?? 0);
    const outcome = found ? `seed ${found.seed}`.padEnd(10) : 'NOT FOUND ';
    process.stdout.write(`${mutant.id.padEnd(20)}${outcome}${found?.says ?? mutant.what}\n`);
    if (!found) process.exitCode = 1;
  }
  const blamed = await hunt(NO_MUTANT, most);
  process.stdout.write(blamed ? `without a mutant: ${blamed.says}\n` : `without a mutant: ${most} seeds pass\n`);
  if (blamed) process.exitCode = 1;
}

function fail(error: unknown): void {
  const { message, cause } = error as Error;
  process.stdout.write(`${message}\n${cause instanceof Error ? cause.stack : ''}\n`);
  process.exitCode = 1;
}
