import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TocsinError } from '../../event/errors.ts';
import { cpuSeconds, machineTime, residentBytes, stealPercent } from './accounting.ts';
import type { BenchPrograms } from './programs.ts';

/** A running system that is measured. */
export interface Subject {
  readonly name: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Arguments of `load` that come before the count: where events go in. Empty when it makes them itself. */
  readonly load: readonly string[];
  /** First argument of `drain`, and those that name the door; with several doors the clients are spread over them evenly. */
  readonly socket: string;
  readonly doors: readonly (readonly string[])[];
}

export interface Plan {
  readonly clients: number;
  /** Events that are measured. */
  readonly events: number;
  /** Events before those: code is compiled, caches fill. */
  readonly warmup: number;
  /** Events per second; 0 = as fast as the slowest client takes them. */
  readonly rate: number;
  /** Events at the beginning of the warm-up that come as fast as they can all the same: enough for code to be compiled. */
  readonly burst?: number;
  /** The sender stays at most this many events ahead of the slowest client. */
  readonly ahead: number;
  /** Clients besides, that read slowly or not at all. */
  readonly slow?: number;
  readonly slowBytesPerSecond?: number;
  readonly stalled?: number;
  /** Numbers that each client gets are this far apart: clients with filters get every so many events. */
  readonly step?: number;
  readonly latency?: boolean;
  /** Processes that the clients of a door are spread over evenly; one reads about 10 million events a second. 1. */
  readonly processes?: number;
  /** Further arguments. */
  readonly load?: readonly string[];
  readonly drain?: readonly string[];
  readonly timeoutS?: number;
}

/** What one run showed. Times are seconds unless they say otherwise. */
export interface Measurement {
  readonly clients: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly deliveriesPerSecond: number;
  /** Of the measured system, all threads. */
  readonly cpuSeconds: number;
  /** CPU seconds per million deliveries. */
  readonly cpuPerMillion: number;
  readonly cores: number;
  readonly rssMb: number;
  /** Per event and client: the event itself, and all bytes of the connection. */
  readonly payloadBytes: number;
  readonly wireBytes: number;
  readonly p50us: number | null;
  readonly p99us: number | null;
  readonly p999us: number | null;
  /** Of all clients together, the warm-up included. */
  readonly clientCpuSeconds: number;
  readonly stealPercent: number;
}

interface Drained {
  readonly error?: string;
  readonly clients: number;
  readonly done: number;
  readonly bad: number;
  readonly events: number;
  readonly bytes: number;
  readonly payloadBytes: number;
  readonly measuredEvents: number;
  readonly firstToLastSeconds: number;
  readonly cpu: number;
  readonly p50us?: number | null;
  readonly p99us?: number | null;
  readonly p999us?: number | null;
}

/** The number that the slowest client has reached, while it runs. */
export type OnProgress = (reached: number) => void;

const PAGE_BYTES = 4096;
const PROGRESS_MS = 250;

/**
 * One run: clients first, then events. It has figures only if every client got every event once and in order.
 * @throws ERR_BENCH_INVALID
 */
export async function measure(
  subject: Subject,
  plan: Plan,
  programs: BenchPrograms,
  onProgress?: OnProgress,
): Promise<Measurement> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-run-'));
  const doors = subject.doors.flatMap((door) => Array.from({ length: plan.processes ?? 1 }, () => door));
  const pages = doors.map((_, index) => path.join(folder, `progress-${index}`));
  for (const page of pages) fs.writeFileSync(page, Buffer.alloc(PAGE_BYTES));
  const children: ChildProcess[] = [];
  const timer = onProgress && setInterval(() => onProgress(Math.min(...pages.map(reached))), PROGRESS_MS);
  try {
    return await run({ ...subject, doors }, plan, programs, pages, children);
  } finally {
    clearInterval(timer);
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function run(
  subject: Subject,
  plan: Plan,
  programs: BenchPrograms,
  pages: readonly string[],
  children: ChildProcess[],
): Promise<Measurement> {
  const { clients, events, warmup, step = 1 } = plan;
  const drains = subject.doors.map((door, index) =>
    start(children, programs.drain, drainArgs(subject, door, plan, pages[index]!)),
  );
  const all = (told: (drain: Running) => Promise<void>): Promise<unknown> => Promise.all(drains.map(told));
  await all((drain) => drain.said('ready'));
  const failed =
    subject.load.length > 0 ? start(children, programs.load, loadArgs(subject, plan, pages)).failed : NEVER;
  await Promise.race([all((drain) => drain.said('warm')), failed]);
  const cpuBefore = cpuSeconds(subject.pid);
  const machineBefore = machineTime();
  await Promise.race([all((drain) => drain.ended), failed]);
  const cpu = cpuSeconds(subject.pid) - cpuBefore;
  const steal = stealPercent(machineBefore, machineTime());
  const rss = residentBytes(subject.pid);
  const results = drains.map((drain) => parse(drain.output()));
  const sum = (count: (drained: Drained) => number): number => results.reduce((total, each) => total + count(each), 0);
  const isExact =
    sum(({ done }) => done) === clients &&
    sum(({ bad }) => bad) === 0 &&
    sum((each) => each.events) === (clients * (warmup + events)) / step;
  if (!isExact) {
    const said = drains.map((drain) => drain.output().trim()).join('; ');
    throw new TocsinError('ERR_BENCH_INVALID', `not every client got exactly what was sent: ${said}`);
  }
  const seconds = Math.max(...results.map(({ firstToLastSeconds }) => firstToLastSeconds));
  const deliveries = sum(({ measuredEvents }) => measuredEvents);
  const delivered = sum((each) => each.events);
  const [{ p50us = null, p99us = null, p999us = null } = {}] = results;
  return {
    clients,
    seconds,
    eventsPerSecond: (deliveries * step) / clients / seconds,
    deliveriesPerSecond: deliveries / seconds,
    cpuSeconds: cpu,
    cpuPerMillion: (cpu / deliveries) * 1e6,
    cores: cpu / seconds,
    rssMb: rss / 1e6,
    payloadBytes: sum(({ payloadBytes }) => payloadBytes) / delivered,
    wireBytes: sum(({ bytes }) => bytes) / delivered,
    p50us,
    p99us,
    p999us,
    clientCpuSeconds: sum((each) => each.cpu),
    stealPercent: steal,
  };
}

const NEVER = new Promise<never>(() => {});

function drainArgs(subject: Subject, door: readonly string[], plan: Plan, page: string): readonly string[] {
  const { slow = 0, stalled = 0 } = plan;
  return [
    subject.socket,
    String(plan.clients / subject.doors.length + slow + stalled),
    String(plan.warmup + plan.events),
    ...door,
    '--warmup',
    String(plan.warmup),
    '--progress',
    page,
    '--timeout',
    String(plan.timeoutS ?? 120),
    '--step',
    String(plan.step ?? 1),
    ...(slow > 0 ? ['--slow', String(slow), '--slow-rate', String(plan.slowBytesPerSecond ?? 100_000)] : []),
    ...(stalled > 0 ? ['--stall', String(stalled)] : []),
    ...(plan.latency ? ['--latency'] : []),
    ...(plan.drain ?? []),
  ];
}

function loadArgs(subject: Subject, plan: Plan, pages: readonly string[]): readonly string[] {
  return [
    ...subject.load,
    String(plan.warmup + plan.events),
    ...pages.flatMap((page) => ['--progress', page]),
    '--ahead',
    String(plan.ahead),
    ...(plan.rate > 0 ? ['--rate', String(plan.rate), '--burst', String(plan.burst ?? 0)] : []),
    ...(plan.load ?? []),
  ];
}

interface Running {
  readonly output: () => string;
  /** The process has printed this word. @throws ERR_BENCH_INVALID when it ends before */
  said(word: string): Promise<void>;
  readonly ended: Promise<void>;
  /** Rejects when it ends with an error; never resolves. */
  readonly failed: Promise<never>;
}

function start(children: ChildProcess[], program: string, args: readonly string[]): Running {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  let errors = '';
  let onOutput = (): void => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onOutput();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const name = path.basename(program);
  const failure = (): TocsinError =>
    new TocsinError('ERR_BENCH_INVALID', `${name} ended with ${child.exitCode}: ${(errors || output).trim()}`);
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) => reject(new TocsinError('ERR_BENCH_INVALID', `cannot run ${name}`, { cause })));
    child.once('close', (code) => code !== 0 && reject(failure()));
  });
  failed.catch(() => {});
  return {
    output: () => output,
    ended,
    failed,
    said: (word) =>
      new Promise((resolve, reject) => {
        onOutput = () => {
          if (output.includes(`${word}\n`)) resolve();
        };
        onOutput();
        void ended.then(() => reject(failure()));
      }),
  };
}

function parse(output: string): Drained {
  const [line = ''] = output.trim().split('\n').slice(-1);
  try {
    return JSON.parse(line) as Drained;
  } catch (cause) {
    throw new TocsinError('ERR_BENCH_INVALID', `the clients said ${JSON.stringify(output)}`, { cause });
  }
}

function reached(progress: string): number {
  return Number(fs.readFileSync(progress).readBigUInt64LE());
}
