/** The long form of the upgrade test: `npm run upgrades -- [--count 100] [--rate 5000] [--command serve|supervise] [--write]`. */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { put } from '../../../bench/pages.ts';
import { describeMachine } from '../../../bench/results.ts';
import type { Machine } from '../../../bench/topology.ts';
import { CHECKOUT } from '../../support/daemon.ts';
import { runUpgrades, type Upgrades } from './upgrades.ts';

const COMMANDS = ['serve', 'supervise'] as const;
type Command = (typeof COMMANDS)[number];

type Result = Upgrades & Machine;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    rate: { type: 'string', default: '5000' },
    command: { type: 'string', default: 'serve' },
    write: { type: 'boolean', default: false },
  },
});
const command = COMMANDS.find((one) => one === values.command);
if (!command) throw new Error(`--command: expected ${COMMANDS.join(' or ')}`);
const result: Result = {
  ...describeMachine(CHECKOUT),
  ...(await runUpgrades(Number(values.count), Number(values.rate), command)),
};
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
if (values.write) write(command, result);
const { senderExit, refused, accepted, sent, lost, repeated, isSameEpoch } = result;
if (senderExit !== 0 || refused.length + lost + repeated > 0 || accepted !== sent || !isSameEpoch) process.exitCode = 1;

/** Keeps the result, and makes the table of docs/reliability.md of what there is. */
function write(of: Command, measured: Result): void {
  const file = path.join(CHECKOUT, 'bench/results/upgrades.json');
  const before = fs.existsSync(file)
    ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<Record<Command, Result>>)
    : {};
  const all: Partial<Record<Command, Result>> = { ...before, [of]: measured };
  fs.writeFileSync(file, `${JSON.stringify(all, undefined, 2)}\n`);
  const rows = COMMANDS.flatMap((name) => {
    const one = all[name];
    return one ? [row(name, one)] : [];
  });
  const table = [
    '| | upgrades | events a second | accepted | sender errors | refused connects and opens | lost | repeated | upgrade, median and longest | delay of an event, p50, p99, p99.9 | measured |',
    '| --- '.repeat(11) + '|',
    ...rows,
  ].join('\n');
  put(CHECKOUT, 'docs/reliability.md', 'upgrades', table);
}

function row(name: Command, one: Result): string {
  const ms = (value: number): string => `${Math.round(value).toLocaleString('en')} ms`;
  const count = (value: number): string => value.toLocaleString('en');
  const errors = one.senderExit === 0 ? '0' : `exit ${one.senderExit}`;
  return `| ${[
    `\`tocsin ${name}\``,
    count(one.upgrades),
    count(one.rate),
    count(one.accepted),
    errors,
    `${one.refused.length} of ${count(one.probes * 3)}`,
    count(one.lost),
    count(one.repeated),
    `${ms(one.medianMs)}, ${ms(one.longestMs)}`,
    `${ms(one.p50Ms)}, ${ms(one.p99Ms)}, ${ms(one.p999Ms)}`,
    `${one.date}, ${one.cores} cores, Node ${one.node}, commit ${one.commit}`,
  ].join(' | ')} |`;
}
