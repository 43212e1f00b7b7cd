import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Subject } from '../../src/cli/bench/measure.ts';
import type { BenchPrograms } from '../../src/cli/bench/programs.ts';

const NODE_LIMIT = fileURLToPath(new URL('node-limit.js', import.meta.url));
const RAW = ['--door', 'raw'];

/** What this kernel can do: a C program that writes the same 64 KiB into every socket. */
export function startKernelLimit(programs: BenchPrograms, clients: number, events: number): Promise<Subject> {
  return startLimit('kernel limit', programs.limit, (socket) => [socket, String(clients), String(events)]);
}

/** The same without copies: every socket is given the pages of one file in memory. */
export function startPagesLimit(programs: BenchPrograms, clients: number, events: number): Promise<Subject> {
  const argsOf = (socket: string): readonly string[] => [socket, String(clients), String(events), '--pages'];
  return startLimit('kernel limit, pages', programs.limit, argsOf);
}

/** What Node can do: `socket.write` of one shared Buffer of 64 KiB, and nothing else. */
export function startNodeLimit(_: BenchPrograms, clients: number, events: number): Promise<Subject> {
  return startLimit('Node limit', process.execPath, (socket) => [NODE_LIMIT, socket, String(clients), String(events)]);
}

async function startLimit(
  name: string,
  program: string,
  argsOf: (socket: string) => readonly string[],
): Promise<Subject> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-limit-'));
  const socket = path.join(folder, 'limit.sock');
  const child = spawn(program, argsOf(socket), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.stdout.resume();
  return {
    name,
    pid: child.pid!,
    // Nobody sends: the server writes as soon as every client is there.
    load: [],
    socket,
    doors: [RAW],
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
