import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { cpuSeconds, machineTime, residentBytes, stealPercent } from '../../src/cli/bench/accounting.ts';
import { startDaemon } from '../../src/cli/bench/daemon.ts';
import type { Context, Row, Topology } from '../topology.ts';

const EVENTS = 1_500_000;
const WARMUP = 1_000_000;
/** Six records are what a pipe takes whole. With one, as iSulad's engine does it, the sender's system calls are the limit. */
const INTAKES = [
  ['memory', 6],
  ['async', 6],
  ['sync', 6],
  ['async', 1],
] as const;
/** As the history writes them. */
const CHUNK = Buffer.alloc(256 * 1024, 0x61);
const DISK_WRITES = 2_000;
const SYNCED_WRITES = 100;
/** Of an event of 300 bytes of JSON, as it stands in the log. */
const RECORD_BYTES = 240;

export const ingest: Topology = {
  name: 'ingest',
  title: 'FIFO to log, no client',
  about:
    'From one C sender, which writes six records at a time, or one: read, checked, formatted, numbered, appended. Time runs until the last event is in the log. Reading is ' +
    'the thread of `monitored`, formatting that of the collector.',
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (let round = 1; round <= context.rounds; round += 1) {
      for (const [durability, recordsPerWrite] of INTAKES) {
        rows.push(await once(context, durability, recordsPerWrite));
        context.log(`${round}/${context.rounds} ${durability} ${JSON.stringify(rows.at(-1)?.figures)}`);
      }
      rows.push({ system: 'disk', params: {}, figures: diskLimit() });
      context.log(`${round}/${context.rounds} disk ${JSON.stringify(rows.at(-1)?.figures)}`);
    }
    return rows;
  },
};

async function once(context: Context, durability: string, recordsPerWrite: number): Promise<Row> {
  const flags = ['--durability', durability];
  const daemon = await startDaemon({ doors: ['native'], main: context.main, flags });
  try {
    const load = [...daemon.load, '--batch', String(recordsPerWrite)];
    await send(context, load, 0, WARMUP);
    await reached(daemon.admin, WARMUP);
    const cpuBefore = cpuSeconds(daemon.pid);
    const threadsBefore = threadSeconds(daemon.pid);
    const machineBefore = machineTime();
    const begun = performance.now();
    await send(context, load, WARMUP, EVENTS);
    await reached(daemon.admin, WARMUP + EVENTS);
    const seconds = (performance.now() - begun) / 1000;
    const micros = (cpu: number): number => (cpu / EVENTS) * 1e6;
    const threads = threadSeconds(daemon.pid).map((cpu, index) => micros(cpu - (threadsBefore[index] ?? 0)));
    const [collecting = 0, reading = 0] = threads.sort((a, b) => b - a);
    return {
      system: 'tocsin',
      params: { durability, recordsPerWrite },
      figures: {
        eventsPerSecond: EVENTS / seconds,
        cpuPerEventUs: micros(cpuSeconds(daemon.pid) - cpuBefore),
        collectorUs: collecting,
        readingUs: reading,
        rssMb: residentBytes(daemon.pid) / 1e6,
        stealPercent: stealPercent(machineBefore, machineTime()),
      },
    };
  } finally {
    await daemon.stop();
  }
}

/** What the folder's disk takes from one thread that has nothing else to do. */
function diskLimit(): Row['figures'] {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-disk-'));
  const fd = fs.openSync(path.join(folder, 'file'), 'a');
  const write = (writes: number, sync: boolean): number => {
    const begun = performance.now();
    for (let done = 0; done < writes; done += 1) {
      fs.writeSync(fd, CHUNK);
      if (sync) fs.fdatasyncSync(fd);
    }
    return (performance.now() - begun) / 1000;
  };
  try {
    const events = (writes: number): number => (writes * CHUNK.length) / RECORD_BYTES;
    const eventsPerSecond = events(DISK_WRITES) / write(DISK_WRITES, false);
    fs.fdatasyncSync(fd);
    const syncedPerSecond = events(SYNCED_WRITES) / write(SYNCED_WRITES, true);
    return { eventsPerSecond, syncedPerSecond };
  } finally {
    fs.closeSync(fd);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function send(context: Context, load: readonly string[], from: number, count: number): Promise<void> {
  const child = spawn(context.programs.load, [...load, String(count), '--start', String(from)], { stdio: 'ignore' });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the sender ended with ${code}`);
}

/** Waits until the log has so many events. @throws when it has more */
async function reached(admin: string, events: number): Promise<void> {
  for (;;) {
    const head = await headOf(admin);
    if (head === events) return;
    if (head > events) throw new Error(`${head} events, ${events} were sent`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function headOf(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath, path: '/v1/stats' }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve((JSON.parse(body) as { headSeq: number }).headSeq));
      })
      .once('error', reject);
  });
}

/** CPU seconds of each thread, in the order in which they began. */
function threadSeconds(pid: number): number[] {
  return fs
    .readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .sort((a, b) => a - b)
    .map((thread) => {
      const fields = fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    });
}
