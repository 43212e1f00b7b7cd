import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cpuSeconds, residentBytes } from '../../src/cli/bench/accounting.ts';
import type { Context, Row, Topology } from '../topology.ts';

const SHAPES = [
  ['one shard on threads', ['--fanouts', '1']],
  ['two shards on threads', ['--fanouts', '2']],
  ['four shards on threads', ['--fanouts', '4']],
  ['inline', ['--threads', 'inline']],
] as const;
/** The heaps shrink to what they need first. */
const SETTLE_MS = 10_000;
const IDLE_MS = 15_000;

export const footprint: Topology = {
  name: 'footprint',
  title: 'At rest',
  about: `From the start of the process to ready; then, ${SETTLE_MS / 1000} s later, memory and CPU over ${IDLE_MS / 1000} s.`,
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const [shape, flags] of SHAPES) {
      for (let round = 1; round < context.rounds; round += 1) rows.push(row(shape, await once(context, flags, false)));
      rows.push(row(shape, await once(context, flags, true)));
      context.log(`${shape}: ${JSON.stringify(rows.at(-1)?.figures)}`);
    }
    return rows;
  },
};

function row(shape: string, figures: Row['figures']): Row {
  return { system: 'tocsin', params: { shape }, figures };
}

async function once(context: Context, flags: readonly string[], rests: boolean): Promise<Row['figures']> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-'));
  const args = [context.main, 'serve', '--root', root, ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const readyMs = await new Promise<number>((resolve) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      const ready = /ready in (\d+) ms/.exec(log);
      if (ready) resolve(Number(ready[1]));
    });
  });
  let figures: Row['figures'] = { readyMs };
  if (rests) {
    const pid = child.pid!;
    await pause(SETTLE_MS);
    const before = cpuSeconds(pid);
    await pause(IDLE_MS);
    const idleCpuPercent = ((cpuSeconds(pid) - before) / IDLE_MS) * 1e5;
    figures = { readyMs, rssMb: residentBytes(pid) / 1e6, idleCpuPercent };
  }
  child.kill('SIGTERM');
  await exited;
  fs.rmSync(root, { recursive: true, force: true });
  return figures;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
