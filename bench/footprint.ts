import { startDaemon } from '../test/support/daemon.ts';
import { cpuSeconds, pause, residentMb, spread } from './process.ts';
import { machine, report } from './report.ts';

/** What an idle daemon costs: time to ready, resident memory, CPU over 30 s. `node build/bench/footprint.js [--write]` */
const SHAPES: readonly (readonly [string, readonly string[]])[] = [
  ['1 shard on threads', []],
  ['2 shards on threads', ['--fanouts', '2']],
  ['4 shards on threads', ['--fanouts', '4']],
  ['inline', ['--threads', 'inline']],
];
/** The heaps shrink to what they need first. */
const SETTLE_MS = 20_000;
const IDLE_MS = 30_000;

const lines = [
  `${machine()}. Time from the start of the process to ready: 5 starts, median (min-max). At rest: from 20 s after that on, for 30 s.`,
  '',
  '| shape | ready ms | idle RSS MB | idle CPU % over 30 s |',
  '| --- | --- | --- | --- |',
];
for (const [shape, args] of SHAPES) {
  const ready: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const daemon = await startDaemon(args);
    ready.push(Number(/ready in (\d+) ms/.exec(daemon.log())?.[1]));
    await daemon.stop();
  }
  const daemon = await startDaemon(args);
  await pause(SETTLE_MS);
  const before = cpuSeconds(daemon.pid);
  await pause(IDLE_MS);
  const cpu = ((cpuSeconds(daemon.pid) - before) / IDLE_MS) * 1e5;
  lines.push(`| ${shape} | ${spread(ready, 0)} | ${residentMb(daemon.pid).toFixed(0)} | ${cpu.toFixed(2)} |`);
  await daemon.stop();
}
report('footprint', lines);
