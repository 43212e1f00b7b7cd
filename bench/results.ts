import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { versionOf } from './systems/brokers.ts';
import type { Machine, Result, Row } from './topology.ts';
import { median, spread } from './statistics.ts';

/** Results are kept as JSON, one file a benchmark; tables and plots are made from them. */
export class Results {
  readonly #folder: string;

  /** @param machine those of another machine than the one that the claims are about, in a folder of their own */
  constructor(checkout: string, machine = '') {
    this.#folder = path.join(checkout, 'bench/results', machine);
  }

  /** Other machines that there are results of. */
  machines(): string[] {
    const entries = fs.readdirSync(this.#folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  }

  write(result: Result): void {
    fs.mkdirSync(this.#folder, { recursive: true });
    const rows = result.rows.map((row) => `    ${JSON.stringify(row, rounded)}`).join(',\n');
    const head = `  "name": ${JSON.stringify(result.name)},\n  "machine": ${JSON.stringify(result.machine)}`;
    fs.writeFileSync(path.join(this.#folder, `${result.name}.json`), `{\n${head},\n  "rows": [\n${rows}\n  ]\n}\n`);
  }

  read(name: string): Result | undefined {
    const file = path.join(this.#folder, `${name}.json`);
    return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Result) : undefined;
  }
}

/** Six digits are more than was measured. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}

export function describeMachine(checkout: string): Machine {
  const [cpu] = os.cpus();
  const versions: Record<string, string> = {};
  for (const program of ['redis-server', 'nats-server']) versions[program] = versionOf(program) ?? 'not measured';
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cores: os.availableParallelism(),
    cpu: cpu?.model.trim() ?? 'unknown',
    // What comes behind the version is the distribution's or the host's own.
    linux: /^[\d.]+/.exec(os.release())?.[0] ?? os.release(),
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: checkout, encoding: 'utf8' }).trim(),
    versions,
  };
}

/** Rows of the same system and parameters, in the order in which they first came. */
export function grouped(
  rows: readonly Row[],
): { readonly system: string; readonly params: Row['params']; readonly rows: Row[] }[] {
  const groups = new Map<string, { system: string; params: Row['params']; rows: Row[] }>();
  for (const row of rows) {
    const key = `${row.system} ${JSON.stringify(row.params)}`;
    const group = groups.get(key);
    if (group) group.rows.push(row);
    else groups.set(key, { system: row.system, params: row.params, rows: [row] });
  }
  return [...groups.values()];
}

/** A figure in every run of what has this system and these parameters. */
export function valuesOf(
  result: Pick<Result, 'rows'> | undefined,
  system: string,
  params: Readonly<Record<string, string | number>>,
  figure: string,
): number[] {
  const matching = (result?.rows ?? []).filter(
    (row) => row.system === system && Object.entries(params).every(([key, value]) => row.params[key] === value),
  );
  return matching.flatMap(({ figures }) => {
    const value = figures[figure];
    return typeof value === 'number' && Number.isFinite(value) ? [value] : [];
  });
}

interface Column {
  readonly figure: string;
  readonly title: string;
  readonly digits: number;
  readonly scale?: number;
  /** Only the median is worth a place. */
  readonly isPlain?: boolean;
}

const COLUMNS: readonly Column[] = [
  { figure: 'eventsPerSecond', title: 'k events/s', digits: 1, scale: 1e-3 },
  { figure: 'deliveriesPerSecond', title: 'M deliveries/s', digits: 2, scale: 1e-6 },
  { figure: 'callsPerSecond', title: 'calls/s', digits: 0 },
  { figure: 'ofDetached', title: 'of that detached', digits: 2 },
  { figure: 'cpuPerMillion', title: 'CPU s per M deliveries', digits: 3 },
  { figure: 'cpuPerEventUs', title: 'CPU us per event', digits: 2 },
  { figure: 'collectorUs', title: 'of it formatting', digits: 2 },
  { figure: 'readingUs', title: 'of it reading', digits: 2 },
  { figure: 'cores', title: 'cores', digits: 2, isPlain: true },
  { figure: 'p50us', title: 'p50 us', digits: 0 },
  { figure: 'p99us', title: 'p99 us', digits: 0 },
  { figure: 'p999us', title: 'p99.9 us', digits: 0, isPlain: true },
  { figure: 'readyMs', title: 'ready ms', digits: 0 },
  { figure: 'emptyMs', title: 'ready ms, empty', digits: 0 },
  { figure: 'seconds', title: 's', digits: 2 },
  { figure: 'syncedPerSecond', title: 'k events/s, each write synced', digits: 1, scale: 1e-3 },
  { figure: 'rssRatio', title: 'RSS over that without', digits: 2 },
  { figure: 'p99Ratio', title: 'p99 over that without', digits: 2 },
  { figure: 'kibPerClient', title: 'KiB per client', digits: 1 },
  { figure: 'rssMb', title: 'RSS MB', digits: 0, isPlain: true },
  { figure: 'idleCpuPercent', title: 'idle CPU %', digits: 2, isPlain: true },
  { figure: 'payloadBytes', title: 'bytes', digits: 0, isPlain: true },
  { figure: 'framingBytes', title: '+ framing', digits: 0, isPlain: true },
  { figure: 'stealPercent', title: 'steal %', digits: 1, isPlain: true },
];

/** A table of everything that was measured, medians with what was least and most. */
export function table(result: Result): string[] {
  const groups = grouped(result.rows.map(withFraming));
  const params = [...new Set(groups.flatMap((group) => Object.keys(group.params)))];
  const has = ({ figure }: Column): boolean =>
    result.rows.map(withFraming).some(({ figures }) => Number.isFinite(figures[figure] ?? Number.NaN));
  const columns = COLUMNS.filter(has);
  const systems = new Set(groups.map(({ system }) => system));
  const head = [...(systems.size > 1 ? ['system'] : []), ...params, ...columns.map(({ title }) => title)];
  const lines = [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`];
  for (const group of groups) {
    const cells = columns.map((column) => cell(group.rows, column));
    const keys = params.map((param) => String(group.params[param] ?? ''));
    lines.push(`| ${[...(systems.size > 1 ? [group.system] : []), ...keys, ...cells].join(' | ')} |`);
  }
  return lines;
}

function withFraming(row: Row): Row {
  const { payloadBytes, wireBytes } = row.figures;
  if (typeof payloadBytes !== 'number' || typeof wireBytes !== 'number') return row;
  return { ...row, figures: { ...row.figures, framingBytes: wireBytes - payloadBytes } };
}

function cell(rows: readonly Row[], { figure, digits, scale = 1, isPlain = false }: Column): string {
  const values = rows.flatMap(({ figures }) => {
    const value = figures[figure];
    return typeof value === 'number' && Number.isFinite(value) ? [value * scale] : [];
  });
  if (values.length === 0) return '';
  return isPlain ? median(values).toFixed(digits) : spread(values, digits);
}
