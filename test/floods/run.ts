import { parseArgs } from 'node:util';
import { describeMachine } from '../../bench/results.ts';
import { buildPrograms } from '../../src/cli/bench/programs.ts';
import { CHECKOUT } from '../support/daemon.ts';
import type { Figures } from '../support/process-figures.ts';
import type { Flood, Outcome } from './flood.ts';
import { FLOODS, floodNamed } from './floods.ts';
import { keep } from './page.ts';
import { Session } from './session.ts';

/**
 * Floods a daemon, each way with one of its own, and tells what that did to it and to its other clients: `npm run floods` in every
 * way, `npm run floods -- NAME ...` in some. With nothing else running.
 *   --short   seconds instead of minutes
 *   --write   keep the results in test/floods/results.json and make the table of docs/reliability.md of them
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
});
const programs = buildPrograms();
const floods = positionals.length > 0 ? positionals.map(floodNamed) : FLOODS;
const pace = values.short ? { warmMs: 1_000, quietMs: 500 } : { warmMs: 10_000, quietMs: 8_000 };

async function run(flood: Flood): Promise<Outcome> {
  const session = await Session.start(programs, flood, pace);
  try {
    await session.run(flood, values.short ? flood.short : flood.long);
    const [outcome] = await session.end();
    return outcome!;
  } catch (error) {
    await session.kill();
    throw error;
  }
}

function print({ name, before, peak, after, p99Before, p99During, p99Worst, p99After, tally, counted }: Outcome): void {
  const course = (figure: (figures: Figures) => number): string => [before, peak, after].map(figure).join(' -> ');
  const grown = Object.entries(counted).filter(([, count]) => count > 0);
  console.log(`${name}
  RSS ${course(({ rssKb }) => Math.round(rssKb / 1024))} MB, descriptors ${course((each) => each.descriptors)}, threads ${course((each) => each.threads)}
  p99 of the healthy: ${p99Before} before, ${p99During} during (worst ${p99Worst}), ${p99After} us after
  attackers saw ${JSON.stringify(tally)}
  counted ${JSON.stringify(Object.fromEntries(grown))}`);
}

const outcomes: Outcome[] = [];
for (const flood of floods) {
  const lacking = flood.lacking?.();
  if (lacking) {
    console.log(`${flood.name}: SKIPPED, ${lacking}`);
    continue;
  }
  try {
    const outcome = await run(flood);
    print(outcome);
    outcomes.push(outcome);
  } catch (error) {
    console.log(`${flood.name}: FAILED, ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
if (values.write) keep(CHECKOUT, describeMachine(CHECKOUT), outcomes);
