import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { call, MAIN, temporaryFolder, waitFor } from '../support/daemon.ts';
import { SequenceCheck } from '../support/sequence.ts';
import type { EmbedderCommand, EmbedderNotice } from './support/embedder.ts';
import { attachDockerCli, attachDockerode, attachDockerPy } from './support/docker-clients.ts';
import { grpcClient, type GrpcEvent } from './support/grpc.ts';
import { buildNative, type NativePrograms, startSender } from './support/native.ts';

/** Records of the burst; a million once by hand (`TOCSIN_BURST=1000000`), fewer in every run. */
const COUNT = Number(process.env['TOCSIN_BURST'] ?? 50_000);
const LATE_OF_EACH_KIND = 9;
/** Less than a test file may take, unless it is the large form. */
const LIMIT_MS = Math.max(240_000, COUNT);
const KINDS = ['grpc++', 'grpc-js', 'curl', 'cli', 'iterable', 'push'] as const;
/** Docker's clients, in full from the first record on; the stock programs, at the rate that they take. */
const DOCKER_KINDS = ['docker', 'docker', 'docker', 'dockerode', 'docker-py'] as const;
type Kind = (typeof KINDS)[number] | (typeof DOCKER_KINDS)[number];

interface Outcome {
  readonly kind: Kind;
  readonly since: string | undefined;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly breaks: number;
}

describe('a burst of records from a C program', () => {
  let programs: NativePrograms;
  let embedder: ChildProcess;
  const root = temporaryFolder();
  const socketPath = path.join(root, 'tocsin.sock');
  const notices: EmbedderNotice[] = [];
  const seen = (type: EmbedderNotice['type']): number => notices.filter((notice) => notice.type === type).length;
  const ask = (command: EmbedderCommand): void => void embedder.send(command);

  before(async () => {
    programs = buildNative();
    const file = fileURLToPath(new URL('./support/embedder.js', import.meta.url));
    embedder = fork(file, [root, 'workers', String(2 * COUNT + 100_000), String(8 * 1024 ** 3)]);
    embedder.on('message', (notice: EmbedderNotice) => notices.push(notice));
    await waitFor(() => seen('ready') === 1, 'the embedder');
  });

  after(async () => {
    ask({ type: 'close' });
    await waitFor(() => seen('closed') === 1, 'the pipeline to close');
    fs.rmSync(root, { recursive: true, force: true });
  });

  const outcomes: Outcome[] = [];
  let attached = 0;

  function attach(kind: Kind, since: string | undefined): void {
    const finish = (check: SequenceCheck): void => void outcomes.push({ kind, since, ...check.result });
    if (kind === 'iterable' || kind === 'push')
      return ask({ type: 'attach', kind, last: COUNT, ...(since ? { since } : {}) });
    if (kind === 'grpc-js') return attachGrpcJs(since, finish);
    if (kind === 'grpc++') return attachGrpcCpp(since);
    if (kind === 'dockerode') return void attachDockerode(socketPath, COUNT).then(finish);
    if (kind === 'docker') return void attachDockerCli(socketPath, COUNT).then(finish);
    if (kind === 'docker-py') return void attachDockerPy(socketPath, COUNT).then(finish);
    return attachReader(kind, since, finish);
  }

  /** curl and our own command line: whatever they print is checked. */
  function attachReader(kind: 'curl' | 'cli', since: string | undefined, finish: (check: SequenceCheck) => void): void {
    const check = new SequenceCheck();
    const query = since === undefined ? '' : `?since=${since}`;
    const child =
      kind === 'curl'
        ? spawn('curl', ['-sN', '--unix-socket', socketPath, `http://tocsin/v1/events${query}`])
        : spawn(process.execPath, [MAIN, 'events', '-H', `unix://${socketPath}`, ...(since ? ['-S', since] : [])]);
    child.stdout.on('data', (piece: Buffer) => {
      check.push(piece);
      if (check.last === COUNT) child.kill();
    });
    child.once('close', () => finish(check));
  }

  function attachGrpcJs(since: string | undefined, finish: (check: SequenceCheck) => void): void {
    const check = new SequenceCheck();
    const client = grpcClient(socketPath);
    const [seconds = '0', nanos = '0'] = (since ?? '').split('.');
    const stream = client.Events(since ? { since: { seconds, nanos: Number(nanos) } } : {});
    stream.on('error', () => {});
    stream.on('data', (event: GrpcEvent) => {
      check.take(Number(event.annotations['seq']));
      if (check.last === COUNT) stream.cancel();
    });
    stream.once('status', () => {
      client.close();
      finish(check);
    });
    stream.once('metadata', () => (attached += 1));
  }

  function attachGrpcCpp(since: string | undefined): void {
    const bounds = since ? ['--since', since] : [];
    const child = spawn(programs.grpcClient, [`unix://${socketPath}`, ...bounds, '--last', String(COUNT)]);
    let output = '';
    child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
    child.stderr.once('data', () => (attached += 1));
    child.once('close', () => {
      const { count, first, last, bad } = JSON.parse(output) as {
        count: number;
        first: number;
        last: number;
        bad: number;
      };
      outcomes.push({ kind: 'grpc++', since, count, first, last, breaks: bad });
    });
  }

  /** From some moment between these on: replay and live meet somewhere in the middle. Events come behind all of them. */
  async function attachLate(kind: Kind, from: number, to: number): Promise<void> {
    attach(kind, (from + Math.random() * (to - from)).toFixed(9));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
  }

  it(`reaches every kind of client, early and late, exactly once and in order (${COUNT} records)`, async () => {
    const early = [...KINDS, ...DOCKER_KINDS];
    for (const kind of early) attach(kind, undefined);
    // All are in the client table before the first record is written.
    await waitFor(async () => {
      const clients = JSON.parse((await call(path.join(root, 'admin.sock'), '/v1/clients')).body) as unknown[];
      return clients.length === early.length;
    }, 'the early clients');
    const fifo = path.join(root, 'monitord_fifo');
    const begun = Date.now() / 1000;
    const firstHalf = startSender(programs, fifo, COUNT / 2);
    const late = KINDS.flatMap((kind) => Array.from({ length: LATE_OF_EACH_KIND }, () => kind));
    late.sort(() => Math.random() - 0.5);
    const half = late.length / 2;
    for (const kind of late.slice(0, half)) await attachLate(kind, begun, Date.now() / 1000);
    const before = await firstHalf.done;
    const paused = Date.now() / 1000;
    const secondHalf = startSender(programs, fifo, COUNT / 2, ['--start', String(COUNT / 2)]);
    for (const kind of late.slice(half)) await attachLate(kind, begun, paused);
    const sent = before.sent + (await secondHalf.done).sent;
    const total = early.length + late.length;
    const finishedInside = (): Outcome[] =>
      notices.flatMap((notice) => (notice.type === 'finished' ? [{ ...notice, kind: notice.kind as Kind }] : []));
    await waitFor(() => outcomes.length + finishedInside().length === total, 'all clients', LIMIT_MS).catch(
      async (error: unknown) => {
        const done = [...outcomes, ...finishedInside()].map(({ kind }) => kind);
        const missing = [...early, ...late].filter((kind) => {
          const at = done.indexOf(kind);
          if (at >= 0) done.splice(at, 1);
          return at < 0;
        });
        const { body } = await call(path.join(root, 'admin.sock'), '/v1/clients');
        throw new Error(`${String(error)}; ${missing.join(', ')} are missing; the daemon has ${body}`);
      },
    );
    const all = [...outcomes, ...finishedInside()];

    const times = await timesOfAll();
    assert.equal(times.length, sent);
    for (const outcome of all) {
      const { kind, since, count, first, last, breaks } = outcome;
      const expected = since === undefined ? 1 : times.findIndex((time) => time >= since) + 1;
      assert.deepEqual(
        { kind, since, first, last, count, breaks },
        { kind, since, first: expected, last: sent, count: sent - expected + 1, breaks: 0 },
      );
    }
    for (const notice of notices) if (notice.type === 'finished') assert.equal(notice.gaps, 0);
    const delivered = all.reduce((sum, { count }) => sum + count, 0);
    console.log(`# sent ${sent}; ${total} clients; ${delivered} deliveries, each client exact to the last record`);
    void attached;
  });

  /** The time of each event as `seconds.nanoseconds`, in the order of the log. */
  async function timesOfAll(): Promise<string[]> {
    const child = spawn('curl', ['-sN', '--unix-socket', socketPath, 'http://tocsin/v1/events?since=0&follow=false']);
    const times: string[] = [];
    let rest = '';
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      const text = rest + piece.toString('latin1');
      const lines = text.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const nano = /"timeNano":"(\d+)"/.exec(line)?.[1] ?? '';
        times.push(`${nano.slice(0, -9)}.${nano.slice(-9)}`);
      }
    }
    return times;
  }
});
