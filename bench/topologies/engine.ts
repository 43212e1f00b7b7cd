import { type ChildProcess, spawn } from 'node:child_process';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuSeconds } from '../../src/cli/bench/accounting.ts';
import { startDaemon } from '../../src/cli/bench/daemon.ts';
import { dockerEngine, missingFor, type RealEngine } from '../../test/e2e/support/engines.ts';
import { call, waitFor } from '../../test/support/daemon.ts';
import type { Context, Row, Topology } from '../topology.ts';

const IMAGE = 'bb:1';
/** An engine's own reader takes no more behind so many events: 1,024 in its channel, and what its socket holds. */
const FILL_CALLS = 4_000;
const MEASURED_MS = 5_000;
/** An engine that waits for a reader does a call in 100 ms. */
const FILL_LIMIT_MS = 20_000;
const SETTLED_MS = 300;
/** Calls per second: as many as the engine does one after the other, and fewer than that. */
const LOADS = { closed: Infinity, paced: 373 } as const;

/** Who listens: to Tocsin, so many with filters and without, and one that stops reading. */
interface Audience {
  readonly unfiltered: number;
  readonly filtered: number;
  readonly stopped: number;
}

const NOBODY: Audience = { unfiltered: 0, filtered: 0, stopped: 0 };
const MIXED: Audience = { unfiltered: 20, filtered: 1000, stopped: 1 };
const MANY: Audience = { unfiltered: 1000, filtered: 0, stopped: 0 };

export const engine: Topology = {
  name: 'engine',
  title: 'A Docker engine with listeners',
  about:
    '`docker tag` over the API, one call after the other, each of them an event, on a real dockerd: as fast as it goes (`closed`), and ' +
    `${LOADS.paced} a second (\`paced\`). Its clients listen to Tocsin, ` +
    'which listens to the engine or, in the row beside it, does not; then the same engine alone, without and with one reader of its ' +
    'own that stops reading. `ofDetached` is the rate as a part of that without the source, in the same round. Every client without ' +
    'a filter has got every event; those with one (a container each) none. Engine, caller, clients and Tocsin share the cores.',
  async run(context: Context): Promise<Row[]> {
    const missing = missingFor(['dockerd', 'containerd']);
    if (missing) throw new Error(missing);
    const rows: Row[] = [];
    for (let round = 1; round <= context.rounds; round += 1) {
      const ofRound: Row[] = [];
      for (const audience of [MIXED, MANY]) ofRound.push(...(await behindTocsin(context, audience, round % 2 === 0)));
      ofRound.push(...(await alone(NOBODY)), ...(await alone({ ...NOBODY, stopped: 1 })));
      for (const { system, params, figures } of ofRound)
        context.log(`${round}/${context.rounds} ${system} ${JSON.stringify(params)}: ${JSON.stringify(figures)}`);
      rows.push(...ofRound);
    }
    return rows;
  },
};

type Load = keyof typeof LOADS;

interface Figures {
  readonly callsPerSecond: number;
  /** Of Tocsin, all threads. */
  readonly cores?: number;
}

type ByLoad = Readonly<Record<Load, Figures>>;

/** With the source and without, one after the other on the same engine. */
async function behindTocsin(context: Context, audience: Audience, isAttachedFirst: boolean): Promise<Row[]> {
  const docker = await startedEngine();
  try {
    const first = await withDaemon(context, docker, audience, isAttachedFirst);
    const second = await withDaemon(context, docker, audience, !isAttachedFirst);
    const [attached, detached] = isAttachedFirst ? [first, second] : [second, first];
    return loads().flatMap((load) => {
      const params = { ...audience, load };
      const ofDetached = attached[load].callsPerSecond / detached[load].callsPerSecond;
      return [
        { system: 'tocsin, detached', params, figures: { ...detached[load] } },
        { system: 'tocsin', params, figures: { ...attached[load], ofDetached } },
      ];
    });
  } finally {
    await docker.remove();
  }
}

async function withDaemon(
  context: Context,
  docker: RealEngine,
  { unfiltered, filtered, stopped }: Audience,
  isAttached: boolean,
): Promise<ByLoad> {
  const flags = isAttached ? ['--source', `docker=${docker.host}`] : [];
  const daemon = await startDaemon({ doors: ['native'], main: context.main, flags });
  try {
    const before = isAttached ? await headOfEngine(daemon.admin) : 0;
    const filter = `${encodeURIComponent(`{"container":["${'0'.repeat(52)}`)}{i}${encodeURIComponent('"]}')}`;
    const all = await connect(context, daemon.socket, unfiltered + stopped, '/v1/events', stopped);
    const few =
      filtered > 0 ? await connect(context, daemon.socket, filtered, `/v1/events?filters=${filter}`) : undefined;
    const { calls, figures } = await callsOn(docker, () => cpuSeconds(daemon.pid));
    const expected = isAttached ? calls : 0;
    const isThere = async (): Promise<boolean> => (await headOf(daemon.admin)) - before >= expected;
    await waitFor(isThere, `${expected} events`);
    await pause(1_000);
    const sent = (await headOf(daemon.admin)) - before;
    const [got, none] = await Promise.all([all.ended(), few?.ended() ?? 0]);
    if (sent !== expected || got !== unfiltered * expected || none !== 0)
      throw new Error(`of ${expected} events ${sent} came, and clients got ${got} and ${none}`);
    return figures;
  } finally {
    await daemon.stop();
  }
}

async function alone(audience: Audience): Promise<Row[]> {
  const docker = await startedEngine();
  try {
    if (audience.stopped > 0) {
      const reading = http.get({ socketPath: docker.socketPath, path: '/events', agent: false }, (response) => {
        response.pause();
        response.on('error', () => {});
      });
      reading.on('error', () => {});
      await new Promise((resolve) => reading.once('response', resolve));
    }
    const { figures } = await callsOn(docker);
    return loads().map((load) => {
      const { callsPerSecond } = figures[load];
      return { system: 'engine alone', params: { ...audience, load }, figures: { callsPerSecond } };
    });
  } finally {
    await docker.remove();
  }
}

/** Calls until a reader that has stopped would be felt, and then under each load. @param cpu seconds so far, of Tocsin */
async function callsOn(
  docker: RealEngine,
  cpu = (): number => 0,
): Promise<{ readonly calls: number; readonly figures: ByLoad }> {
  let { calls } = await tag(docker, Infinity, FILL_CALLS, FILL_LIMIT_MS);
  const entries: [Load, Figures][] = [];
  for (const load of loads()) {
    const before = cpu();
    const made = await tag(docker, LOADS[load], Infinity, MEASURED_MS);
    calls += made.calls;
    const figures = { callsPerSecond: made.calls / made.seconds, cores: (cpu() - before) / made.seconds };
    entries.push([load, figures]);
  }
  return { calls, figures: Object.fromEntries(entries) as unknown as ByLoad };
}

function loads(): Load[] {
  return Object.keys(LOADS) as Load[];
}

async function startedEngine(): Promise<RealEngine> {
  const docker = dockerEngine();
  await docker.start();
  await docker.run('docker', ['load', '-i', `${docker.images}/image.tar`]);
  return docker;
}

/** Tags an image again and again, so often a second, so many times or so long. @throws when a call fails */
async function tag(
  docker: RealEngine,
  perSecond: number,
  most: number,
  limitMs: number,
): Promise<{ readonly calls: number; readonly seconds: number }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const startedMs = performance.now();
  let calls = 0;
  while (calls < most && performance.now() - startedMs < limitMs) {
    const earlyMs = startedMs + (calls / perSecond) * 1000 - performance.now();
    if (earlyMs > 0) await pause(earlyMs);
    const status = await request(docker.socketPath, agent, `/images/${IMAGE}/tag?repo=bench&tag=t${calls % 100}`);
    if (status !== 201) throw new Error(`the engine answers ${status}`);
    calls += 1;
  }
  agent.destroy();
  return { calls, seconds: (performance.now() - startedMs) / 1000 };
}

function request(socketPath: string, agent: http.Agent, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = http.request({ socketPath, agent, path, method: 'POST' }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    asked.once('error', reject).end();
  });
}

/** Clients that count what they get; nobody sends the number that would be their last. */
async function connect(
  context: Context,
  socket: string,
  clients: number,
  path: string,
  stopped = 0,
): Promise<{ ended(): Promise<number> }> {
  const args = [socket, String(clients), '1000000000', '--door', 'native', '--path', path, '--timeout', '600'];
  const child: ChildProcess = spawn(
    context.programs.drain,
    [...args, ...(stopped > 0 ? ['--stall', String(stopped)] : [])],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('ready\n')) resolve();
    });
    void closed.then(() => reject(new Error(`clients: ${output}`)));
  });
  return {
    async ended() {
      child.kill('SIGTERM');
      await closed;
      const said = JSON.parse(output.trim().split('\n').at(-1)!) as { readonly bad: number; readonly other: number };
      if (said.bad > 0) throw new Error(`clients: ${output}`);
      return said.other;
    },
  };
}

async function headOf(admin: string): Promise<number> {
  return (JSON.parse((await call(admin, '/v1/stats')).body) as { readonly headSeq: number }).headSeq;
}

/** The log's end when everything that the engine remembered is in it: at least that its image was loaded. */
async function headOfEngine(admin: string): Promise<number> {
  let head = 0;
  await waitFor(async () => {
    const before = head;
    await pause(SETTLED_MS);
    head = await headOf(admin);
    return head > 0 && head === before;
  }, 'the engine');
  return head;
}
