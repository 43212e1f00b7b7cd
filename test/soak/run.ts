import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { put } from '../../bench/pages.ts';
import { describeMachine } from '../../bench/results.ts';
import { median } from '../../bench/statistics.ts';
import { CHECKOUT } from '../support/daemon.ts';
import type { Figures } from '../support/process-figures.ts';
import { type Sample, type Soak, soak } from './soak.ts';

/**
 * A long time under load, with clients that come and go and threads that die: `npm run soak -- [--minutes 30] [--write]`.
 * --write: keep the figures in test/soak/results.json and put them into docs/reliability.md
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '10000' },
    'kill-every': { type: 'string', default: '60' },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.minutes) * 60;
const options = {
  seconds,
  rate: Number(values.rate),
  readers: 100,
  visitors: 100,
  killEverySeconds: Number(values['kill-every']),
  sampleSeconds: 5,
};
const result = await soak(options, ({ second, rssKb, descriptors, sockets, threads }, deaths) =>
  console.log(
    `${second} s: RSS ${megabytes(rssKb)} MB, ${descriptors} descriptors, ${sockets} of them sockets, ${threads} threads, ${deaths} deaths`,
  ),
);
const { sent, accepted, resumed, kinds, faults, deaths, before, samples, after } = result;
// Caches and pools fill up at first.
const settled = samples.filter(({ second }) => second > seconds / 3);
const rss = line(settled.map(({ second, rssKb }) => [second / 3600, rssKb / 1024] as const));
const files = line(settled.map(({ second, descriptors, sockets }) => [second / 3600, descriptors - sockets] as const));
const times = deaths.map(({ recoveryMs }) => recoveryMs);
console.log(JSON.stringify({ sent, accepted, resumed, kinds, deaths: deaths.length, before, after }, undefined, 2));
console.log(
  `RSS ${rss.slope.toFixed(1)} MB an hour (standard error ${rss.error.toFixed(1)}), files ${files.slope.toFixed(1)} an hour; again at work after ${median(times)} ms, at most ${Math.max(...times)}`,
);
if (faults.length > 0) console.log(faults.join('\n'));
// Only what is there once everybody has gone can have leaked.
const isExact = faults.length === 0 && accepted === sent && after.sockets <= before.sockets;
if (!isExact) process.exitCode = 1;
if (values.write) write(result);

function megabytes(kb: number): number {
  return Math.round(kb / 1024);
}

/** A straight line through these points, by least squares. */
function line(points: readonly (readonly [x: number, y: number])[]): {
  readonly slope: number;
  readonly error: number;
} {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const squares = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / squares;
  const rest = points.reduce((sum, point) => sum + (point[1] - y - slope * (point[0] - x)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / Math.max(1, points.length - 2) / squares) };
}

function write(of: Soak): void {
  const machine = describeMachine(CHECKOUT);
  fs.writeFileSync(
    path.join(CHECKOUT, 'test/soak/results.json'),
    `${JSON.stringify({ machine, options, ...of }, undefined, 1)}\n`,
  );
  const count = (value: number): string => value.toLocaleString('en');
  const span = (figure: (sample: Sample) => number): string => {
    const all = settled.map(figure);
    return `${Math.min(...all)}-${Math.max(...all)}`;
  };
  const course = (figure: (figures: Figures) => number): string => `${figure(of.before)} → ${figure(of.after)}`;
  const visits = Object.values(of.kinds).reduce((sum, kind) => sum + kind.visits, 0);
  const rows = [
    ['lasted', `${count(seconds / 60)} minutes`],
    ['records sent, events in the log', `${count(of.sent)}, ${count(of.accepted)}`],
    ['lost, repeated, out of order', String(of.faults.length)],
    ['clients that read everything', `${of.readers}, cut off and back ${count(of.resumed)} times`],
    [
      `clients that come and go, ${count(visits)} visits`,
      Object.entries(of.kinds)
        .map(([kind, each]) => `${each.clients} ${kind}`)
        .join(', '),
    ],
    [
      'deaths of threads; again at work after',
      `${of.deaths.length}; median ${median(times)} ms, at most ${Math.max(...times)}`,
    ],
    [
      'RSS in the last two thirds',
      `${span(({ rssKb }) => megabytes(rssKb))} MB, ${rss.slope.toFixed(1)} MB an hour (standard error ${rss.error.toFixed(1)})`,
    ],
    [
      'descriptors besides sockets',
      `${span(({ descriptors, sockets }) => descriptors - sockets)}, ${files.slope.toFixed(1)} an hour`,
    ],
    ['sockets, before and after all clients', course(({ sockets }) => sockets)],
    ['threads, before and after', course(({ threads }) => threads)],
  ];
  put(
    CHECKOUT,
    'docs/reliability.md',
    'soak',
    [
      `${machine.date}, ${machine.cores} cores (${machine.cpu}), Linux ${machine.linux}, Node ${machine.node}, commit ${machine.commit}.`,
      '',
      '| | |',
      '| --- | --- |',
      ...rows.map(([what, is]) => `| ${what} | ${is} |`),
    ].join('\n'),
  );
}
