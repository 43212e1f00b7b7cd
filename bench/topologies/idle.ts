import { spawn } from 'node:child_process';
import { cpuSeconds, residentBytes } from '../../src/cli/bench/accounting.ts';
import { type DoorName, startDaemon } from '../../src/cli/bench/daemon.ts';
import type { Context, Row, Topology } from '../topology.ts';

const CLIENTS = 5_000;
const SETTLE_MS = 5_000;
const IDLE_MS = 10_000;

export const idle: Topology = {
  name: 'idle',
  title: '5,000 clients that wait',
  about:
    'Memory of the daemon with 5,000 connected clients less that with ten, per client; and the CPU it takes while nothing ' +
    `happens, over ${IDLE_MS / 1000} s. In one shard.`,
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const door of ['native', 'docker', 'grpc'] as const) {
      const figures = await once(context, door);
      rows.push({ system: 'tocsin', params: { door }, figures });
      context.log(`${door}: ${JSON.stringify(figures)}`);
    }
    return rows;
  },
};

async function once(context: Context, name: DoorName): Promise<Row['figures']> {
  const daemon = await startDaemon({ doors: [name], main: context.main, flags: ['--fanouts', '1'] });
  const [door = []] = daemon.doors;
  const few = await connect(context, daemon.socket, door, 10);
  await pause(SETTLE_MS);
  const before = residentBytes(daemon.pid);
  const many = await connect(context, daemon.socket, door, CLIENTS);
  await pause(SETTLE_MS);
  const after = residentBytes(daemon.pid);
  const cpuBefore = cpuSeconds(daemon.pid);
  await pause(IDLE_MS);
  const cpu = cpuSeconds(daemon.pid) - cpuBefore;
  few();
  many();
  await daemon.stop();
  return {
    kibPerClient: (after - before) / CLIENTS / 1024,
    rssMb: after / 1e6,
    idleCpuPercent: (cpu / IDLE_MS) * 1e5,
  };
}

/** @returns what ends them */
async function connect(
  context: Context,
  socket: string,
  door: readonly string[],
  clients: number,
): Promise<() => void> {
  const args = [socket, String(clients), '1', ...door, '--timeout', '120'];
  const child = spawn(context.programs.drain, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes('ready\n')) resolve();
    });
    child.once('close', () => reject(new Error(`clients: ${output}`)));
  });
  return () => void child.kill('SIGKILL');
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
