import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Subject } from '../../src/cli/bench/measure.ts';

const WAIT_MS = 10_000;

/** Redis with nothing but pub/sub: no snapshots, and no limit that would cut a subscriber off. */
export async function startRedis(): Promise<Subject | undefined> {
  if (!isInstalled('redis-server')) return undefined;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-redis-'));
  const socket = path.join(folder, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder];
  const limits = ['--client-output-buffer-limit', 'pubsub 0 0 0', '--maxclients', '10000'];
  const stop = start('redis-server', [...args, ...limits, '--daemonize', 'no'], folder);
  await answers({ path: socket });
  return {
    name: 'redis',
    pid: stop.pid,
    load: ['redis', socket],
    socket,
    doors: [['--door', 'redis']],
    stop: stop.stop,
  };
}

/** nats-server, core publish and subscribe, on the loopback interface: it has no unix socket. */
export async function startNats(): Promise<Subject | undefined> {
  if (!isInstalled('nats-server')) return undefined;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-nats-'));
  const port = await freePort();
  const config = path.join(folder, 'nats.conf');
  // Nobody is to be cut off for being slow: the load waits for the slowest client anyway.
  fs.writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\nmax_pending: 1GB\nwrite_deadline: "30s"\nmax_connections: 10000\n`,
  );
  const stop = start('nats-server', ['-c', config], folder);
  await answers({ port, host: '127.0.0.1' });
  return {
    name: 'nats',
    pid: stop.pid,
    load: ['nats', String(port)],
    socket: `tcp:${port}`,
    doors: [['--door', 'nats']],
    stop: stop.stop,
  };
}

/** What is installed, with its version; undefined when it is not. */
export function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? /\d+\.\d+\.\d+/.exec(stdout)?.[0] : undefined;
}

function isInstalled(program: string): boolean {
  return versionOf(program) !== undefined;
}

export function start(
  program: string,
  args: readonly string[],
  folder: string,
): { readonly pid: number; readonly stop: () => Promise<void> } {
  const child = spawn(program, args, { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid!,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function answers(address: net.NetConnectOpts): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = net.connect(address);
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => socket.destroy());
      setTimeout(() => socket.destroy(), 100);
    });
    if (isUp) return;
    if (performance.now() > deadline) throw new Error(`nobody answers on ${JSON.stringify(address)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
