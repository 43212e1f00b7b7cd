import fs from 'node:fs';
import path from 'node:path';
import { claims } from './claims.ts';
import { plot, type Series } from './plot.ts';
import { Results, table, valuesOf } from './results.ts';
import { median } from './statistics.ts';
import type { Result, Topology } from './topology.ts';

/** Writes docs/benchmarks.md, its plots and the README's table from the results that there are. */
export function writePages(checkout: string, topologies: readonly Topology[]): void {
  const results = new Results(checkout);
  const sectionsOf = (machine?: string): string[] =>
    topologies.flatMap((topology) => {
      const result = new Results(checkout, machine).read(topology.name);
      return result ? [section(topology, result)] : [];
    });
  put(checkout, 'docs/benchmarks.md', 'results', sectionsOf().join('\n'));
  const others = results.machines().flatMap((machine) => {
    const rows = claimTable(new Results(checkout, machine), false);
    return [`## On another machine: ${machine}`, '', ...rows, '', ...sectionsOf(machine)];
  });
  put(checkout, 'docs/benchmarks.md', 'machines', others.join('\n'));
  put(checkout, 'docs/benchmarks.md', 'claims', claimTable(results).join('\n'));
  const fanout = results.read('fanout');
  if (fanout) {
    put(checkout, 'README.md', 'fanout', readmeTable(fanout).join('\n'));
    const folder = path.join(checkout, 'docs/plots');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(
      path.join(folder, 'deliveries.svg'),
      lines(fanout, 'deliveriesPerSecond', 'Deliveries per second', 'deliveries/s'),
    );
    fs.writeFileSync(
      path.join(folder, 'cpu.svg'),
      lines(fanout, 'cpuPerMillion', 'CPU seconds per million deliveries', 's'),
    );
  }
}

function section({ name, title, about }: Topology, result: Result): string {
  const { machine } = result;
  const versions = Object.entries(machine.versions).map(([program, version]) => `${program} ${version}`);
  return [
    `### ${title}`,
    '',
    `\`npm run bench -- ${name}\`. ${about}`,
    '',
    `${machine.date}, ${machine.cores} cores (${machine.cpu}), Linux ${machine.linux}, Node ${machine.node}, commit ${machine.commit}; ${versions.join(', ')}.`,
    '',
    ...table(result),
    '',
  ].join('\n');
}

function claimTable(results: Results, isOfClass = true): string[] {
  const rows = claims(results, isOfClass).map(
    ({ what, wanted, measured, isMet }) => `| ${what} | ${wanted} | ${measured} | ${isMet ? 'yes' : '**no**'} |`,
  );
  return ['| what | wanted | measured | met |', '| --- | --- | --- | --- |', ...rows];
}

const SERIES = [
  { name: 'kernel limit, copies', system: 'kernel limit', params: {}, isDashed: true },
  { name: 'kernel limit, pages', system: 'kernel limit, pages', params: {}, isDashed: true },
  { name: 'Node limit', system: 'Node limit', params: {}, isDashed: true },
  { name: 'Tocsin, native', system: 'tocsin', params: { door: 'native' } },
  { name: 'Tocsin, Docker', system: 'tocsin', params: { door: 'docker' } },
  { name: 'Redis, -P 16', system: 'redis', params: { pipeline: 16 } },
  { name: 'Redis, -P 64', system: 'redis', params: { pipeline: 64 } },
  { name: 'NATS', system: 'nats', params: {} },
] as const;

function lines(result: Result, figure: string, title: string, unit: string): string {
  const clients = [...new Set(result.rows.map(({ params }) => Number(params['clients'])))];
  const series = SERIES.map(({ name, system, params, ...rest }): Series => {
    const points = clients.flatMap((count) => {
      const values = valuesOf(result, system, { ...params, clients: count }, figure);
      return values.length > 0 ? [[count, median(values)] as const] : [];
    });
    return { name, points, ...rest };
  });
  return plot(
    title,
    { x: 'clients', y: unit },
    series.filter(({ points }) => points.length > 0),
  );
}

/** The short of it: deliveries per second and CPU, by the number of clients. */
function readmeTable(result: Result): string[] {
  const clients = [...new Set(result.rows.map(({ params }) => Number(params['clients'])))];
  const { machine } = result;
  const cells = (system: string, params: Readonly<Record<string, string | number>>): string[] =>
    clients.map((count) => {
      const of = (figure: string): number => median(valuesOf(result, system, { ...params, clients: count }, figure));
      const rate = of('deliveriesPerSecond');
      return Number.isNaN(rate) ? '' : `${(rate / 1e6).toFixed(2)} (${of('cpuPerMillion').toFixed(2)})`;
    });
  return [
    `Million deliveries per second (CPU seconds per million), events of 300 bytes, ${machine.cores} shared cores, medians; ` +
      `Redis ${machine.versions['redis-server']} and NATS ${machine.versions['nats-server']} beside it in the same run:`,
    '',
    `| clients | ${clients.map((count) => count.toLocaleString('en')).join(' | ')} |`,
    `| --- | ${clients.map(() => '---').join(' | ')} |`,
    ...SERIES.map(({ name, system, params }) => `| ${name} | ${cells(system, params).join(' | ')} |`),
    '',
  ];
}

/** Puts text between `<!-- name -->` and `<!-- /name -->`. */
export function put(checkout: string, page: string, name: string, text: string): void {
  const file = path.join(checkout, page);
  const before = fs.readFileSync(file, 'utf8');
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = before.indexOf(start);
  const to = before.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${page} has no place for ${name}`);
  fs.writeFileSync(file, `${before.slice(0, from)}${start}\n${text.trimEnd()}\n${before.slice(to)}`);
}
