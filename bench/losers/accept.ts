import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { bindListener } from '../../src/doors/listener.ts';
import { loadPosix } from '../../src/doors/posix.ts';

/*
 * How connections come to the shards. Kept: every shard listens on a duplicate of the socket, and the kernel gives a connection
 * to whoever accepts first. Lost: main accepts, and posts the descriptor to the shards in turn.
 *
 *   node build/bench/losers/accept.js [SHARDS [CONNECTIONS]]
 */

const THREAD = new URL('./accept-thread.js', import.meta.url);
const [shards = 2, connections = 1000] = process.argv.slice(2).map(Number);

interface Outcome {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly spread: readonly number[];
}

console.log(
  `${shards} shards, ${connections} connections, each answered by its shard; ${os.availableParallelism()} cores`,
);
for (const [name, run] of [
  ['every shard listens', shardsListen],
  ['main accepts', mainAccepts],
] as const) {
  for (let round = 1; round <= 5; round += 1) {
    const { seconds, cpuSeconds, spread } = await run();
    const perConnection = ((cpuSeconds / connections) * 1e6).toFixed(0);
    console.log(
      `${name}: ${(connections / seconds).toFixed(0)}/s, ${perConnection} us CPU each, spread ${spread.join(' ')}`,
    );
  }
}

async function shardsListen(): Promise<Outcome> {
  return withFolder(async (socketPath) => {
    const listener = await bindListener(socketPath, { mode: 0o600 });
    const workers = await startWorkers(() => ({ listenFd: listener.duplicate() }));
    const outcome = await connectAll(socketPath, workers);
    listener.close();
    return outcome;
  });
}

async function mainAccepts(): Promise<Outcome> {
  return withFolder(async (socketPath) => {
    const posix = await loadPosix();
    const workers = await startWorkers(() => ({}));
    let next = 0;
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
      workers[next % workers.length]?.postMessage(posix.dup(fd));
      next += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen({ path: socketPath, backlog: 1024 }, resolve));
    const outcome = await connectAll(socketPath, workers);
    server.close();
    return outcome;
  });
}

async function withFolder<T>(run: (socketPath: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-accept-'));
  try {
    return await run(path.join(folder, 'socket'));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function startWorkers(dataOf: () => { readonly listenFd?: number }): Promise<Worker[]> {
  const workers = Array.from({ length: shards }, () => new Worker(THREAD, { workerData: dataOf() }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  return workers;
}

/** One connection after the other, each until its shard has answered. */
async function connectAll(socketPath: string, workers: readonly Worker[]): Promise<Outcome> {
  const sockets: net.Socket[] = [];
  const [begunMs, cpu] = [performance.now(), process.cpuUsage()];
  for (let index = 0; index < connections; index += 1) {
    const socket = net.connect(socketPath);
    await once(socket, 'data');
    sockets.push(socket);
  }
  const seconds = (performance.now() - begunMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const spread = workers.map(async (worker) => {
    worker.postMessage('count');
    return Number((await once(worker, 'message'))[0]);
  });
  const outcome = { seconds, cpuSeconds: (user + system) / 1e6, spread: await Promise.all(spread) };
  for (const socket of sockets) socket.destroy();
  await Promise.all(workers.map((worker) => worker.terminate()));
  return outcome;
}
