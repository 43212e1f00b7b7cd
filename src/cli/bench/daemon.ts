import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TocsinError } from '../../event/errors.ts';
import type { Subject } from './measure.ts';

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));
const READY_LIMIT_MS = 30_000;

/** How `drain` is told of a door, and how many bytes of padding make its events 300 bytes long. */
export const DOORS = {
  native: { drain: ['--door', 'native', '--path', '/v1/events'], pad: 6, nameBytes: 64 },
  docker: { drain: ['--door', 'docker'], pad: 62, nameBytes: 64 },
  'docker-legacy': { drain: ['--door', 'docker', '--path', '/v1.41/events'], pad: 0, nameBytes: 50 },
  grpc: { drain: ['--door', 'grpc'], pad: 160, nameBytes: 64 },
} as const;
/** A published event is so much longer than the same from the FIFO. */
const HTTP_EXCESS_BYTES = 17;
export type DoorName = keyof typeof DOORS;

export interface DaemonOptions {
  readonly doors: readonly DoorName[];
  /** Where events come in: the monitor FIFO, or batches of JSON lines over HTTP. */
  readonly intake?: 'fifo' | 'http';
  /** Of `tocsin serve`. */
  readonly flags?: readonly string[];
  /** Arguments of `drain` in place of the door's own. */
  readonly drain?: readonly string[];
  /** Another build than this one. */
  readonly main?: string;
  /** A folder that is there already, and stays. */
  readonly root?: string;
}

/** A daemon of its own, in a folder of its own. @throws ERR_BENCH_INVALID */
export async function startDaemon(options: DaemonOptions): Promise<Subject & { readonly admin: string }> {
  const root = options.root ?? fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-'));
  const args = [options.main ?? MAIN, 'serve', '--root', root, ...(options.flags ?? [])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let log = '';
    const fail = (): void => reject(new TocsinError('ERR_BENCH_INVALID', `the daemon did not start: ${log.trim()}`));
    const limit = setTimeout(fail, READY_LIMIT_MS);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (!log.includes('ready in')) return;
      clearTimeout(limit);
      resolve();
    });
    void exited.then(fail);
  });
  const doors = options.doors.map((door) => DOORS[door]);
  const [door = DOORS.native] = doors;
  const admin = path.join(root, 'admin.sock');
  const isHttp = options.intake === 'http';
  const nameBytes = door.nameBytes - (isHttp ? HTTP_EXCESS_BYTES : 0);
  const shape = ['--pad', String(door.pad), '--name-bytes', String(nameBytes)];
  return {
    name: 'tocsin',
    pid: child.pid!,
    load: isHttp ? ['http', admin, '--payload', '0', ...shape] : ['fifo', path.join(root, 'monitord_fifo'), ...shape],
    socket: path.join(root, 'tocsin.sock'),
    doors: options.drain ? [options.drain] : doors.map(({ drain }) => drain),
    admin,
    async stop() {
      child.kill('SIGTERM');
      await exited;
      if (options.root === undefined) fs.rmSync(root, { recursive: true, force: true });
    },
  };
}
