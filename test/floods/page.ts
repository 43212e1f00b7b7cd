import fs from 'node:fs';
import path from 'node:path';
import { put } from '../../bench/pages.ts';
import type { Machine } from '../../bench/topology.ts';
import type { Figures } from '../support/process-figures.ts';
import type { Counted, Outcome, Tally } from './flood.ts';
import { FLOODS } from './floods.ts';

/** What the floods of one run did, as it is kept. */
export interface Results {
  readonly machine: Machine;
  /** By the name of the flood, those that were run last. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

const FILE = 'test/floods/results.json';
const PAGE = 'docs/reliability.md';
/** What tells of refusals. */
const REFUSALS = [
  'connectionsRefused',
  'connectionsSilent',
  'connectionsBroken',
  'connectionsSpent',
  'requestsRefused',
  'clientsRefused',
  'acceptPauses',
  'costlyTurns',
  'historyErrors',
] as const;

/** Keeps these outcomes beside those of other floods, and makes the page of all. */
export function keep(checkout: string, machine: Machine, outcomes: readonly Outcome[]): void {
  const file = path.join(checkout, FILE);
  const kept = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Results).outcomes : {};
  const all = { ...kept, ...Object.fromEntries(outcomes.map((outcome) => [outcome.name, outcome])) };
  fs.writeFileSync(file, `${JSON.stringify({ machine, outcomes: all } satisfies Results, null, 2)}\n`);
  put(checkout, PAGE, 'floods', section({ machine, outcomes: all }));
}

function section({ machine, outcomes }: Results): string {
  const rows = FLOODS.flatMap(({ name, about }) => {
    const outcome = outcomes[name];
    return outcome ? [row(about, outcome)] : [];
  });
  return [
    `${machine.date}, ${machine.cores} cores (${machine.cpu}), Linux ${machine.linux}, Node ${machine.node}, commit ${machine.commit}.`,
    '',
    '| flood | attackers saw | counted | RSS, MB | descriptors | threads | p99 before, ms | during | worst | after |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function row(about: string, outcome: Outcome): string {
  const { before, peak, after, tally, counted, p99Before, p99During, p99Worst, p99After } = outcome;
  const course = (figure: (figures: Figures) => number): string => [before, peak, after].map(figure).join(' → ');
  return `| ${[
    about,
    listed(tally),
    listed(refusals(counted)),
    course(({ rssKb }) => Math.round(rssKb / 1024)),
    course(({ descriptors }) => descriptors),
    course(({ threads }) => threads),
    ...[p99Before, p99During, p99Worst, p99After].map(milliseconds),
  ].join(' | ')} |`;
}

function refusals(counted: Counted): Tally {
  return Object.fromEntries(REFUSALS.flatMap((id) => (counted[id] ? [[id, counted[id]] as const] : [])));
}

function listed(tally: Tally): string {
  return Object.entries(tally)
    .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
    .join(', ');
}

function milliseconds(us: number | null): string {
  return us === null ? '' : (us / 1000).toFixed(1);
}
