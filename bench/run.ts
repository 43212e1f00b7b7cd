import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildPrograms } from '../src/cli/bench/programs.ts';
import { CHECKOUT } from '../test/support/daemon.ts';
import { against } from './against.ts';
import { writePages } from './pages.ts';
import { describeMachine, Results, table } from './results.ts';
import { embedded } from './topologies/embedded.ts';
import { engine } from './topologies/engine.ts';
import { fanout } from './topologies/fanout.ts';
import { filters } from './topologies/filters.ts';
import { footprint } from './topologies/footprint.ts';
import { grpc } from './topologies/grpc.ts';
import { history } from './topologies/history.ts';
import { idle } from './topologies/idle.ts';
import { ingest } from './topologies/ingest.ts';
import { latency } from './topologies/latency.ts';
import { mixed } from './topologies/mixed.ts';
import { publish } from './topologies/publish.ts';
import { replay } from './topologies/replay.ts';
import { shards } from './topologies/shards.ts';
import { stalled } from './topologies/stalled.ts';
import { stateHandlers } from './topologies/state-handlers.ts';
import type { Context, Topology } from './topology.ts';

/**
 * The benchmark: `npm run bench` runs everything, `npm run bench -- NAME ...` some of it. With nothing else running.
 *   --rounds 5      runs of each case
 *   --write         keep the results in bench/results and make docs/benchmarks.md and the README's table of them
 *   --machine NAME  keep them as those of another machine, in bench/results/NAME; the claims are about the first one
 *   --pages         only make the pages, of the results that there are
 *   --against REF   this build and that of another commit in turn, and the ratio
 *   --with='FLAGS'  with --against, of this build alone: '--with=--durability memory' against one that kept nothing on disk
 */
const TOPOLOGIES: readonly Topology[] = [
  fanout,
  publish,
  grpc,
  mixed,
  ingest,
  latency,
  stalled,
  filters,
  replay,
  history,
  shards,
  embedded,
  engine,
  idle,
  footprint,
  stateHandlers,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
    machine: { type: 'string' },
    pages: { type: 'boolean', default: false },
    against: { type: 'string' },
    with: { type: 'string', default: '' },
  },
});
const results = new Results(CHECKOUT, values.machine);
const unknown = positionals.filter((name) => !TOPOLOGIES.some((topology) => topology.name === name));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${TOPOLOGIES.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}
if (values.pages) {
  writePages(CHECKOUT, TOPOLOGIES);
  process.exit();
}
const context: Context = {
  programs: buildPrograms(),
  rounds: Number(values.rounds),
  main: path.join(CHECKOUT, 'dist/main.js'),
  log: (line) => process.stderr.write(`${line}\n`),
};
if (values.against !== undefined) {
  await against(context, CHECKOUT, values.against, values.with.split(' ').filter(Boolean));
  process.exit();
}
for (const topology of TOPOLOGIES) {
  if (positionals.length > 0 && !positionals.includes(topology.name)) continue;
  context.log(`\n${topology.name}: ${topology.title}`);
  const rows = await topology.run(context);
  const result = { name: topology.name, machine: describeMachine(CHECKOUT), rows };
  console.log(`\n${topology.title}\n\n${table(result).join('\n')}\n`);
  if (values.write) results.write(result);
}
if (values.write) writePages(CHECKOUT, TOPOLOGIES);
