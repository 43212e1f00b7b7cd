import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { residentBytes } from '../../src/cli/bench/accounting.ts';
import { startDaemon } from '../../src/cli/bench/daemon.ts';
import { measure, type Subject } from '../../src/cli/bench/measure.ts';
import type { Context, Row, Topology } from '../topology.ts';

const EVENTS = 10_000_000;
const REPLAYED = 1_000_000;
/** One event in so many is of the container that is asked for. */
const CONTAINERS = 10_000;
const STOPPED_CLIENTS = 100;
const FLAGS = ['--history-bytes', '16GiB', '--history-age', '0s'];
/** Memory that is not used any more goes back to the system every ten seconds. */
const SETTLE_MS = 30_000;

export const history: Topology = {
  name: 'history',
  title: 'Ten million events on disk',
  about:
    'Start: from nothing to ready, with and without them. Replay: the first million to one client, the first time since the start and a second time. Scan: `tocsin history verify` reads ' +
    'and checks every record. Filter: a query that shows one event in 10,000. Live: p99 of 2,000 events a second to 100 clients, while eight such queries run all the time. Stopped clients: memory after ten million events, with 100 clients that stopped reading at different places and without them.',
  async run(context: Context): Promise<Row[]> {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-history-'));
    const empty = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-empty-'));
    try {
      const rows: Row[] = [];
      const rssBareMb = await fill(context, root, 0);
      const other = path.join(root, 'with-clients');
      const rssMb = await fill(context, other, STOPPED_CLIENTS);
      fs.rmSync(other, { recursive: true });
      const figures = { rssMb, rssBareMb, rssRatio: rssMb / rssBareMb };
      rows.push({ system: 'stopped clients', params: { events: EVENTS }, figures });
      context.log(`stopped clients ${JSON.stringify(figures)}`);
      for (let round = 1; round <= context.rounds; round += 1) {
        rows.push(...(await once(context, root, empty)));
        for (const row of rows.slice(-5))
          context.log(`${round}/${context.rounds} ${row.system} ${JSON.stringify(row.figures)}`);
      }
      return rows;
    } finally {
      for (const folder of [root, empty]) fs.rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Sockets {
  readonly socket: string;
  readonly admin: string;
}

/**
 * Ten million events into a new history.
 * @param stopped clients that begin at different moments, each with the oldest event, and soon take nothing more
 * @returns what the daemon then has in memory
 */
async function fill(context: Context, root: string, stopped: number): Promise<number> {
  const daemon = await startDaemon({ doors: ['native'], main: context.main, root, flags: FLAGS });
  const load = [...daemon.load, String(EVENTS), '--containers', String(CONTAINERS)];
  const sender = spawn(context.programs.load, load, { stdio: 'ignore' });
  const done = new Promise((resolve) => sender.once('close', resolve));
  const requests: http.ClientRequest[] = [];
  for (let client = 0; client < stopped; client += 1) {
    while ((await headOf(daemon.admin)) < (client * EVENTS) / stopped) await pause(5);
    const { epoch } = JSON.parse(await read(daemon.admin, '/v1/stats')) as { epoch: string };
    const after = `${epoch}-${Math.floor((client * EVENTS) / stopped / 2)}`;
    const request = http.get(
      { socketPath: daemon.socket, path: `/v1/events?after=${after}`, agent: false },
      (response) => {
        response.pause();
        response.on('error', () => {});
      },
    );
    request.on('error', () => {});
    requests.push(request);
  }
  await done;
  while ((await headOf(daemon.admin)) < EVENTS) await pause(20);
  await pause(SETTLE_MS);
  const rssMb = residentBytes(daemon.pid) / 1e6;
  for (const request of requests) request.destroy();
  await daemon.stop();
  return rssMb;
}

async function once(context: Context, root: string, empty: string): Promise<Row[]> {
  const row = (system: string, figures: Row['figures']): Row => ({ system, params: { events: EVENTS }, figures });
  const bare = await readyMs(context, empty);
  await bare.daemon.stop();
  const { daemon, ms } = await readyMs(context, root);
  try {
    const start = row('start', { readyMs: ms, emptyMs: bare.ms });
    const plan = { clients: 1, events: REPLAYED, warmup: 0, rate: 0, ahead: REPLAYED };
    const subject = { ...daemon, load: [], doors: [['--door', 'native', '--path', '/v1/events?since=0']] };
    const first = await measure(subject, plan, context.programs);
    const { eventsPerSecond, cpuSeconds } = await measure(subject, plan, context.programs);
    const replay = row('replay', {
      eventsPerSecond,
      cpuPerEventUs: (cpuSeconds / REPLAYED) * 1e6,
      firstEventsPerSecond: first.eventsPerSecond,
    });
    const filter = row('filter', await filtered(daemon));
    const quiet = await live(context, daemon);
    const beside = await besideScans(daemon, () => live(context, daemon));
    const figures = { p99us: beside, p99QuietUs: quiet, p99Ratio: beside / quiet };
    return [start, replay, filter, row('live beside 8 scans', figures), row('scan', await scanned(context, root))];
  } finally {
    await daemon.stop();
  }
}

async function readyMs(context: Context, root: string) {
  const begun = performance.now();
  const daemon = await startDaemon({ doors: ['native'], main: context.main, root, flags: FLAGS });
  return { daemon, ms: performance.now() - begun };
}

/** Every event of one container. @throws when they are not as many as there must be */
async function filtered(daemon: Sockets): Promise<Row['figures']> {
  const query = await queryFor(daemon);
  const begun = performance.now();
  const body = await read(daemon.socket, query);
  const seconds = (performance.now() - begun) / 1000;
  const found = body.split('\n').length - 1;
  if (found !== EVENTS / CONTAINERS) throw new Error(`${found} events of one container`);
  return { seconds, eventsPerSecond: EVENTS / seconds };
}

/** All of the past for a container that no other part of the benchmark has events of. */
async function queryFor({ socket, admin }: Sockets): Promise<string> {
  const { epoch } = JSON.parse(await read(admin, '/v1/stats')) as { epoch: string };
  const line = await new Promise<string>((resolve, reject) => {
    const from = `/v1/events?after=${epoch}-${CONTAINERS - 2}`;
    const request = http.get({ socketPath: socket, path: from, agent: false }, (response) => {
      response.once('data', (bytes: Buffer) => {
        resolve(bytes.toString().split('\n', 1).join(''));
        request.destroy();
      });
      response.on('error', () => {});
    });
    request.on('error', reject);
  });
  const { id } = JSON.parse(line) as { id: string };
  return `/v1/events?since=0&follow=false&filters=${encodeURIComponent(JSON.stringify({ container: [id] }))}`;
}

/** p99 in us of 2,000 events a second to 100 clients. */
async function live(context: Context, daemon: Sockets & Subject): Promise<number> {
  const plan = { clients: 100, events: 10_000, warmup: 4_000, rate: 2_000, ahead: 1e6, latency: true };
  const { p99us } = await measure(
    { ...daemon, doors: [['--door', 'native', '--path', '/v1/events']] },
    plan,
    context.programs,
  );
  return p99us ?? 0;
}

async function besideScans(daemon: Sockets, use: () => Promise<number>): Promise<number> {
  const query = await queryFor(daemon);
  let isOver = false;
  const scans = Array.from({ length: 8 }, async () => {
    while (!isOver) await read(daemon.socket, query);
  });
  try {
    return await use();
  } finally {
    isOver = true;
    await Promise.all(scans);
  }
}

async function scanned(context: Context, root: string): Promise<Row['figures']> {
  const begun = performance.now();
  const child = spawn(process.execPath, [context.main, 'history', 'verify', '--root', root], { stdio: 'ignore' });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`tocsin history verify ended with ${code}`);
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, eventsPerSecond: EVENTS / seconds };
}

async function headOf(socketPath: string): Promise<number> {
  return (JSON.parse(await read(socketPath, '/v1/stats')) as { headSeq: number }).headSeq;
}

function read(socketPath: string, requestPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath, path: requestPath, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve(body));
        response.on('error', reject);
      })
      .once('error', reject);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
