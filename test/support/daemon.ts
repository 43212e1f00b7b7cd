import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout: tests run from build/, the daemon from dist/. */
export const CHECKOUT = findCheckout(path.dirname(fileURLToPath(import.meta.url)));
export const MAIN = path.join(CHECKOUT, 'dist/main.js');

function findCheckout(from: string): string {
  return fs.existsSync(path.join(from, 'package.json')) ? from : findCheckout(path.dirname(from));
}

export interface Daemon {
  readonly root: string;
  readonly pid: number;
  readonly events: string;
  readonly admin: string;
  readonly fifo: string;
  readonly log: () => string;
  /** SIGTERM, then the exit code. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

/** A folder of one's own, removed by the caller. Short: a unix socket's path has 107 bytes. */
export function temporaryFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-'));
}

/**
 * Starts `tocsin serve` in a folder of its own and waits until it says that it is ready.
 * @param prefix a program, with arguments, that becomes the daemon, @param main the daemon's code
 */
export async function startDaemon(
  args: readonly string[] = [],
  root = temporaryFolder(),
  { prefix = [], main = MAIN }: { readonly prefix?: readonly string[]; readonly main?: string } = {},
): Promise<Daemon> {
  const [program = '', ...rest] = [...prefix, process.execPath, main, 'serve', '--root', root, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    log += text;
  });
  const exited = exitOf(child);
  await waitFor(() => log.includes('ready in') || child.exitCode !== null, 'the daemon to be ready');
  if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}: ${log}`);
  return {
    root,
    pid: child.pid!,
    events: path.join(root, 'tocsin.sock'),
    admin: path.join(root, 'admin.sock'),
    fifo: path.join(root, 'monitord_fifo'),
    log: () => log,
    exited,
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      fs.rmSync(root, { recursive: true, force: true });
      return code;
    },
  };
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

/** Waits for a condition, at most `limitMs`. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** False when the connection ended before the body did. */
  readonly complete: boolean;
}

/** One request over a unix socket, with the whole answer. */
export function call(
  socketPath: string,
  requestPath: string,
  options: { method?: string; body?: string | Buffer; headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const { method = 'GET', body, headers } = options;
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path: requestPath, method, agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => {});
      response.once('close', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
          complete: response.complete,
        });
      });
    });
    request.once('error', reject);
    request.end(body);
  });
}

export interface Stats {
  readonly headSeq: number;
  readonly oldestSeq: number;
  readonly counters: Readonly<Record<string, number>>;
}

export async function statsOf(daemon: Pick<Daemon, 'admin'>): Promise<Stats> {
  return JSON.parse((await call(daemon.admin, '/v1/stats')).body) as Stats;
}

/** Runs the command line; resolves with everything it said. */
export async function tocsin(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}
