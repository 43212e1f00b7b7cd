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

/** Who listens: to Tocsin, so many with filters and without, and one that stops reading. */
interface Audience {
  readonly unfiltered: number;
  readonly filtered: number;
  readonly stopped: number;
}

const MIXED: Audience = { unfiltered: 20, filtered: 1000, stopped: 1 };
const MANY: Audience = { unfiltered: 1000, filtered: 0, stopped: 0 };

export const engine: Topology = {
  name: 'engine',
  title: 'A Docker engine with listeners',
  about:
    '`docker tag` over the API, one call after the other, each of them an event, on a real dockerd. Its clients listen to Tocsin, ' +
    'which listens to the engine or, in the row beside it, does not; then the same engine alone, without and with one reader of its ' +
    'own that stops reading. `ofDetached` is the rate as a part of that without the source, in the same round. Every client without ' +
    'a filter has got every event; those with one (a container each) none.',
  async run(context: Context): Promise<Row[]> {
    const missing = missingFor(['dockerd', 'containerd', 'runc']);
    if (missing) throw new Error(missing);
    const rows: Row[] = [];
    for (let round = 1; round <= context.rounds; round += 1) {
      const detached = await behindTocsin(context, MIXED, false);
      const mixed = await behindTocsin(context, MIXED, true);
      const detachedMany = await behindTocsin(context, MANY, false);
      const many = await behindTocsin(context, MANY, true);
      rows.push(
        row('tocsin, detached', MIXED, detached),
        row('tocsin', MIXED, { ...mixed, ofDetached: mixed.callsPerSecond / detached.callsPerSecond }),
        row('tocsin, detached', MANY, detachedMany),
        row('tocsin', MANY, { ...many, ofDetached: many.callsPerSecond / detachedMany.callsPerSecond }),
        row('engine alone', { unfiltered: 0, filtered: 0, stopped: 0 }, await alone(false)),
        row('engine alone', { unfiltered: 0, filtered: 0, stopped: 1 }, await alone(true)),
      );
      for (const { system, params, figures } of rows.slice(-6))
        context.log(`${round}/${context.rounds} ${system} ${JSON.stringify(params)}: ${JSON.stringify(figures)}`);
    }
    return rows;
  },
};

interface Figures {
  readonly callsPerSecond: number;
  /** Of Tocsin, all threads. */
  readonly cores: number | null;
}

function row(system: string, audience: Audience, figures: Row['figures'] | Figures): Row {
  return { system, params: { ...audience }, figures: { ...figures } };
}

async function behindTocsin(context: Context, audience: Audience, isAttached: boolean): Promise<Figures> {
  const docker = await startedEngine();
  try {
    const flags = isAttached ? ['--source', `docker=${docker.host}`] : [];
    const daemon = await startDaemon({ doors: ['native'], main: context.main, flags });
    try {
      const { unfiltered, filtered, stopped } = audience;
      const filter = `${encodeURIComponent(`{"container":["${'0'.repeat(52)}`)}{i}${encodeURIComponent('"]}')}`;
      const all = await connect(context, daemon.socket, unfiltered + stopped, '/v1/events', stopped);
      const few =
        filtered > 0 ? await connect(context, daemon.socket, filtered, `/v1/events?filters=${filter}`) : undefined;
      // The load of the image is the first event.
      if (isAttached) await waitFor(async () => (await headOf(daemon.admin)) > 0, 'the engine');
      const before = await headOf(daemon.admin);
      const filled = await tag(docker, FILL_CALLS, FILL_LIMIT_MS);
      const cpuBefore = cpuSeconds(daemon.pid);
      const measured = await tag(docker, Infinity, MEASURED_MS);
      const cores = (cpuSeconds(daemon.pid) - cpuBefore) / measured.seconds;
      const expected = isAttached ? filled.calls + measured.calls : 0;
      const isThere = async (): Promise<boolean> => (await headOf(daemon.admin)) - before >= expected;
      await waitFor(isThere, `${expected} events`);
      await pause(1_000);
      const sent = (await headOf(daemon.admin)) - before;
      const [got, none] = await Promise.all([all.ended(), few?.ended() ?? 0]);
      if (sent !== expected || got !== unfiltered * expected || none !== 0)
        throw new Error(`of ${expected} events ${sent} came, and clients got ${got} and ${none}`);
      return { callsPerSecond: measured.calls / measured.seconds, cores };
    } finally {
      await daemon.stop();
    }
  } finally {
    await docker.remove();
  }
}

async function alone(hasStoppedReader: boolean): Promise<Figures> {
  const docker = await startedEngine();
  try {
    if (hasStoppedReader) {
      const reading = http.get({ socketPath: docker.socketPath, path: '/events', agent: false }, (response) => {
        response.pause();
        response.on('error', () => {});
      });
      reading.on('error', () => {});
      await new Promise((resolve) => reading.once('response', resolve));
    }
    await tag(docker, FILL_CALLS, FILL_LIMIT_MS);
    const { calls, seconds } = await tag(docker, Infinity, MEASURED_MS);
    return { callsPerSecond: calls / seconds, cores: null };
  } finally {
    await docker.remove();
  }
}

async function startedEngine(): Promise<RealEngine> {
  const docker = dockerEngine();
  await docker.start();
  await docker.run('docker', ['load', '-i', `${docker.images}/image.tar`]);
  return docker;
}

/** Tags an image again and again, so many times or so long. @throws when a call fails */
async function tag(
  docker: RealEngine,
  most: number,
  limitMs: number,
): Promise<{ readonly calls: number; readonly seconds: number }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const startedMs = performance.now();
  let calls = 0;
  while (calls < most && performance.now() - startedMs < limitMs) {
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
