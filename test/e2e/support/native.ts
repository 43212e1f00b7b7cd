import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { CHECKOUT } from '../../support/daemon.ts';

/** Programs of test/e2e/native, compiled on first use into build/native. */
export interface NativePrograms {
  readonly sender: string;
  readonly grpcClient: string;
}

const OUT = path.join(CHECKOUT, 'build/native');

/** @throws when there is no compiler or no libgrpc++: these tests are not to be skipped in silence */
export function buildNative(): NativePrograms {
  fs.mkdirSync(OUT, { recursive: true });
  const make = spawnSync('make', ['-s', '-C', path.join(CHECKOUT, 'test/e2e/native'), `OUT=${OUT}`, 'all'], {
    encoding: 'utf8',
  });
  if (make.status !== 0) throw new Error(`make failed: ${make.error?.message ?? make.stderr}`);
  return { sender: path.join(OUT, 'sender'), grpcClient: path.join(OUT, 'grpc_client') };
}

export interface Sent {
  readonly sent: number;
  readonly seconds: number;
  readonly eagain: number;
  readonly cpu: number;
}

/** Runs the C sender to its end. */
export async function sendRecords(
  programs: NativePrograms,
  fifo: string,
  count: number,
  extra: readonly string[] = [],
): Promise<Sent> {
  return startSender(programs, fifo, count, extra).done;
}

export function startSender(
  programs: NativePrograms,
  fifo: string,
  count: number,
  extra: readonly string[] = [],
): { readonly pid: number; readonly stop: () => void; readonly done: Promise<Sent> } {
  const child = spawn(programs.sender, [fifo, String(count), ...extra], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const done = new Promise<Sent>((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as Sent);
      else reject(new Error(`the sender ended with ${code}: ${output}`));
    });
  });
  return { pid: child.pid!, stop: () => void child.kill('SIGTERM'), done };
}
