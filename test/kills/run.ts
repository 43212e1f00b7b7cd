import fs from 'node:fs';
import path from 'node:path';
import { put } from '../../bench/pages.ts';
import { describeMachine } from '../../bench/results.ts';
import { projectRoot } from '../architecture/source.ts';
import { Random } from '../support/random.ts';
import { killAtFullRate } from './full-rate.ts';
import { ACTORS, type Death, kindAt } from './killer.ts';
import { Kills } from './kills.ts';

/**
 * So many deaths of each of these actors, under load: `npm run kills -- [ACTOR ...] [--kills N] [--seed N] [--write]`.
 * `--full-rate` instead: of all of them, by turns, while records come as fast as they are taken.
 */
const FULL_RATE = 'any, at full rate';

interface Row {
  readonly deaths: number;
  readonly records: number;
  readonly faults: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const FILE = path.join(projectRoot(), 'test/kills/results.json');
const args = process.argv.slice(2);
const isWritten = args.includes('--write');
const isFullRate = args.includes('--full-rate');
const rest = args.filter((arg) => arg !== '--write' && arg !== '--full-rate');
const option = (name: string, byDefault: number): number => {
  const at = rest.indexOf(`--${name}`);
  return at < 0 ? byDefault : Number(rest.splice(at, 2)[1]);
};
const kills = option('kills', 200);
const seed = option('seed', 1);

async function hunt(actor: string): Promise<Row> {
  const random = new Random(seed);
  const bench = await Kills.start({
    clients: 50,
    perSecond: 2_000,
    burst: 20_000,
    burstEveryMs: 10_000,
    random: () => random.next(),
  });
  const { killer, faults } = bench;
  for (let index = 0; index < kills && faults.length === 0; index += 1) {
    const { kind, window, recoveryMs } = await killer.kill(actor, kindAt(index));
    if (process.stdout.isTTY) console.log(`${actor} ${index + 1}: ${kind} at ${window}, ${Math.round(recoveryMs)} ms`);
  }
  const records = await bench.finish(60_000);
  if (faults.length > 0) console.log(JSON.stringify(faults.slice(0, 10)));
  return rowOf(killer.deaths, records, faults.length);
}

async function huntAtFullRate(): Promise<Row> {
  const random = new Random(seed);
  const { deaths, sent, seconds, resumed } = await killAtFullRate(kills, () => random.next());
  console.log(
    `${Math.round(sent / seconds).toLocaleString('en')} records a second, clients came back ${resumed} times`,
  );
  return rowOf(deaths, sent, 0);
}

function rowOf(deaths: readonly Death[], records: number, faults: number): Row {
  const times = deaths.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b);
  const quantile = (share: number): number => Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return { deaths: deaths.length, records, faults, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

const rows: Record<string, Row> = {};
for (const actor of isFullRate ? [FULL_RATE] : rest.length > 0 ? rest : ACTORS) {
  const row = (rows[actor] = await (isFullRate ? huntAtFullRate() : hunt(actor)));
  console.log(
    `${actor}: ${row.deaths} deaths, ${row.records} records, ${row.faults} lost, repeated or out of order, p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms`,
  );
  if (row.faults > 0) process.exitCode = 1;
}
if (isWritten) {
  const kept = fs.existsSync(FILE)
    ? (JSON.parse(fs.readFileSync(FILE, 'utf8')) as { rows: Record<string, Row> }).rows
    : {};
  const machine = describeMachine(projectRoot());
  const all = { ...kept, ...rows };
  fs.writeFileSync(FILE, `${JSON.stringify({ machine, rows: all }, null, 2)}\n`);
  const lines = [...ACTORS, FULL_RATE].flatMap((actor) => {
    const row = all[actor];
    return row
      ? [
          `| ${actor === FULL_RATE ? actor : `\`${actor}\``} | ${row.deaths} | ${row.records.toLocaleString('en')} | ${row.faults} | ${row.p50Ms} ms | ${row.p99Ms} ms |`,
        ]
      : [];
  });
  put(
    projectRoot(),
    'docs/reliability.md',
    'kills',
    [
      `${machine.date}, ${machine.cores} cores (${machine.cpu}), Linux ${machine.linux}, Node ${machine.node}, commit ${machine.commit}.`,
      '',
      '| actor | deaths | records | lost, repeated, out of order | works again after, p50 | p99 |',
      '| --- | --- | --- | --- | --- | --- |',
      ...lines,
    ].join('\n'),
  );
}
