import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';
import { describe, it } from 'node:test';
import { sendContainerEvent } from '../../src/index.ts';
import { buildPrograms } from '../../src/cli/bench/programs.ts';
import { call, type Daemon, exitOf, startDaemon, statsOf, temporaryFolder, waitFor } from '../support/daemon.ts';
import { Random } from '../support/random.ts';
import {
  commandClient,
  type CrashClient,
  dockerClient,
  eventSourceClient,
  libraryClient,
  markOf,
} from './support/crash-clients.ts';

/** TOCSIN_KILLS=100 is the whole of it. */
const KILLS = Number(process.env['TOCSIN_KILLS'] ?? 2);
const SEED = Number(process.env['TOCSIN_SEED'] ?? Math.floor(Math.random() * 1e9));
const CLIENTS_OF_EACH_KIND = 5;
const BURST_BATCHES = 20;
const BURST_BATCH = 1_000;

interface Publishing {
  readonly batch: number;
  readonly everyMs: number;
  readonly action: string;
}

/** Publishes batches under its name until it is stopped, each until it is acknowledged. */
class AcknowledgedPublisher {
  readonly name: string;
  acknowledged = 0;
  retries = 0;
  repeated = 0;
  #isStopped = false;
  readonly #admin: string;
  readonly #action: string;
  readonly #done: Promise<void>;
  #burst = 0;
  #isAbandoned = false;

  constructor(name: string, admin: string, { batch, everyMs, action }: Publishing) {
    this.name = name;
    this.#action = action;
    this.#admin = admin;
    this.#done = this.#run(batch, everyMs);
  }

  burst(): void {
    this.#burst += BURST_BATCHES;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  /** Whatever waits for an answer is given up. */
  abandon(): void {
    this.#isStopped = true;
    this.#isAbandoned = true;
  }

  async #run(batch: number, everyMs: number): Promise<void> {
    while (!this.#isStopped || this.#burst > 0) {
      const isBurst = this.#burst > 0;
      if (isBurst) this.#burst -= 1;
      await this.#publish(isBurst ? BURST_BATCH : batch);
      if (!isBurst) await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  async #publish(count: number): Promise<void> {
    const first = this.acknowledged + 1;
    const body = Array.from({ length: count }, (_, index) => {
      const n = first + index;
      return JSON.stringify({
        type: 'container',
        action: this.#action,
        id: `${this.name}-${n}`,
        attributes: { n: String(n) },
      });
    }).join('\n');
    while (!this.#isAbandoned) {
      const answer = await call(this.#admin, `/v1/events?publisher=${this.name}&sequence=${first}`, {
        method: 'POST',
        body,
      }).catch(() => undefined);
      if (answer?.status === 200 && answer.complete) {
        const { appended, repeated } = JSON.parse(answer.body) as { appended: number; repeated: number };
        assert.equal(appended + repeated, count);
        this.repeated += repeated;
        this.acknowledged += count;
        return;
      }
      if (answer) assert.ok([429, 503].includes(answer.status), answer.body);
      this.retries += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Writes records into the FIFO; nobody says what became of them. */
class FifoSender {
  sent = 0;
  failed = 0;
  readonly #timer: NodeJS.Timeout;
  #isBusy = false;

  constructor(fifo: string, batch: number, everyMs: number) {
    this.#timer = setInterval(() => {
      if (this.#isBusy) return;
      this.#isBusy = true;
      void this.#send(fifo, batch).finally(() => (this.#isBusy = false));
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #send(fifo: string, batch: number): Promise<void> {
    for (let index = 0; index < batch; index += 1) {
      try {
        await sendContainerEvent(fifo, { id: `f-${this.sent + this.failed + 1}`, state: 'START' });
        this.sent += 1;
      } catch {
        this.failed += 1;
      }
    }
  }
}

describe(`SIGKILL at random moments (seed ${SEED}, TOCSIN_KILLS=${KILLS})`, () => {
  for (const durability of ['sync', 'async'] as const) {
    it(`loses nothing that was acknowledged or seen, and repeats nothing, with --durability ${durability}`, {
      timeout: 900_000,
    }, async (t) => {
      const root = temporaryFolder();
      const random = new Random(SEED);
      const start = (): Promise<Daemon> => startDaemon(['--durability', durability], root);
      let daemon = await start();
      const { events, admin, fifo } = daemon;
      const range = Array.from({ length: CLIENTS_OF_EACH_KIND }, (_, index) => index);
      const commands = range.map((index) => commandClient(events, root, index));
      const clients: CrashClient[] = [
        ...commands,
        ...range.map(() => libraryClient(events)),
        ...range.map(() => eventSourceClient(events)),
        ...range.map(() => dockerClient(events)),
      ];
      const publishers = ['a', 'b', 'c'].map(
        (name) => new AcknowledgedPublisher(name, admin, { batch: 30, everyMs: 60, action: 'start' }),
      );
      const sender = new FifoSender(fifo, 25, 50);
      try {
        // Who has got nothing yet has no place to come back to.
        await waitFor(() => clients.every(({ told }) => told.count > 0), 'every client to get something');
        for (let kill = 0; kill < KILLS; kill += 1) {
          if (kill % 5 === 2) publishers[0]!.burst();
          await new Promise((resolve) => setTimeout(resolve, 50 + random.below(1_500)));
          process.kill(daemon.pid, 'SIGKILL');
          await daemon.exited;
          await commands[kill % commands.length]!.restart();
          daemon = await start();
        }
        for (const publisher of publishers) await publisher.stop();
        sender.stop();
        const { headSeq } = await statsOf(daemon);
        await waitFor(
          () => clients.every(({ told }) => told.count >= headSeq),
          'every client to get everything',
          120_000,
        ).catch((error: unknown) => {
          throw new Error(
            `${String(error)}: ${headSeq} events, ${clients.map(({ kind, told }) => `${kind} ${told.count} ${told.problems.slice(0, 3).join('; ')}`).join(', ')}`,
          );
        });
        const log = await logOf(daemon);
        for (const { kind, told } of clients) {
          assert.deepEqual(told.problems, [], kind);
          assert.deepEqual(told.marks.slice(0, log.marks.length), log.marks, `${kind} agrees with the log`);
        }
        for (const { name, acknowledged } of publishers) {
          const published = log.ids.filter((id) => id.startsWith(`${name}-`));
          assert.deepEqual(
            published,
            Array.from({ length: acknowledged }, (_, index) => `${name}-${index + 1}`),
          );
        }
        const fifoNumbers = log.ids.filter((id) => id.startsWith('f-')).map((id) => Number(id.slice(2)));
        assert.ok(
          fifoNumbers.every((n, index) => index === 0 || n > fifoNumbers[index - 1]!),
          'the FIFO keeps its order',
        );
        const sum = (of: (publisher: AcknowledgedPublisher) => number): number =>
          publishers.reduce((total, one) => total + of(one), 0);
        t.diagnostic(
          `${KILLS} kills, ${log.ids.length} events: ${sum((one) => one.acknowledged)} acknowledged, ${sum((one) => one.retries)} tries again, ` +
            `${sum((one) => one.repeated)} events recognised; FIFO ${sender.sent} sent, ${fifoNumbers.length} in the log; ` +
            `${clients.length} clients, ${clients.reduce((total, { told }) => total + told.count, 0)} deliveries, ` +
            `${(await lives(daemon)).length} epoch(s)`,
        );
      } finally {
        for (const publisher of publishers) publisher.abandon();
        sender.stop();
        await Promise.all(clients.map((client) => client.stop()));
        process.kill(daemon.pid, 'SIGKILL');
        await daemon.exited;
        fs.rmSync(root, { recursive: true, force: true });
      }
    });
  }
});

const FULL_RATE_KILLS = Number(process.env['TOCSIN_KILLS'] ?? 1);
/** FIFO records of the life before, at most: their numbers grow from life to life. */
const LIFE = 40_000_000;
const DRAINS = 20;
const LAST_RECORDS = 1_000;

describe(`SIGKILL at random moments at full rate (seed ${SEED}, TOCSIN_KILLS=${FULL_RATE_KILLS})`, () => {
  for (const durability of ['sync', 'async'] as const) {
    it(`loses and repeats nothing, with --durability ${durability}`, { timeout: 1_800_000 }, async (t) => {
      const { load, drain } = buildPrograms();
      const root = temporaryFolder();
      const random = new Random(SEED);
      const start = (): Promise<Daemon> => startDaemon(['--durability', durability, '--history-bytes', '200GiB'], root);
      let daemon = await start();
      const { events, admin, fifo } = daemon;
      const send = (life: number, records: number): ChildProcess =>
        spawn(load, ['fifo', fifo, String(records), '--start', String(life * LIFE)], { stdio: 'ignore' });
      const clients = spawn(
        drain,
        [events, String(DRAINS), String(FULL_RATE_KILLS * LIFE + LAST_RECORDS), '--door', 'native', '--resume'].concat(
          ['--path', '/v1/events?follow=true'],
          ['--timeout', '1800'],
        ),
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let said = '';
      clients.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      const drained = exitOf(clients);
      await waitFor(() => said.includes('ready') || clients.exitCode !== null, 'the clients to be accepted');
      const publishers = ['a', 'b'].map(
        (name) => new AcknowledgedPublisher(name, admin, { batch: BURST_BATCH, everyMs: 0, action: 'create' }),
      );
      let sender: ChildProcess | undefined;
      try {
        for (let kill = 0; kill < FULL_RATE_KILLS; kill += 1) {
          sender = send(kill, LIFE - 1);
          const ended = exitOf(sender);
          if (kill === 0) await waitFor(() => hasBegun(daemon), 'every client to get something');
          await new Promise((resolve) => setTimeout(resolve, 50 + random.below(1_500)));
          process.kill(daemon.pid, 'SIGKILL');
          await daemon.exited;
          sender.kill('SIGKILL');
          await ended;
          daemon = await start();
        }
        for (const publisher of publishers) await publisher.stop();
        assert.equal(await exitOf((sender = send(FULL_RATE_KILLS, LAST_RECORDS))), 0);
        assert.equal(await drained, 0, said);
        const report = JSON.parse(said.slice(said.indexOf('{'))) as DrainReport;
        const { headSeq } = await statsOf(daemon);
        assert.deepEqual([report.done, report.bad, report.minEvents], [DRAINS, 0, report.maxEvents]);
        assert.equal(report.events + report.other, DRAINS * headSeq, 'every client had every event, once');
        assert.ok(report.resumed >= FULL_RATE_KILLS * DRAINS, `${report.resumed}`);
        for (const { name, acknowledged } of publishers)
          assert.equal(await countInOrder(events, name), acknowledged, `what was acknowledged to ${name}, each once`);
        const sum = (of: (publisher: AcknowledgedPublisher) => number): number =>
          publishers.reduce((total, one) => total + of(one), 0);
        t.diagnostic(
          `${FULL_RATE_KILLS} kills, ${headSeq} events: ${report.maxEvents} records of the FIFO, ${sum((one) => one.acknowledged)} acknowledged, ` +
            `${sum((one) => one.retries)} tries again, ${sum((one) => one.repeated)} events recognised; ${DRAINS} clients, ` +
            `${report.events + report.other} deliveries, ${report.resumed} times resumed, ${report.bad} discontinuities`,
        );
      } finally {
        for (const publisher of publishers) publisher.abandon();
        sender?.kill('SIGKILL');
        clients.kill('SIGKILL');
        process.kill(daemon.pid, 'SIGKILL');
        await daemon.exited;
        fs.rmSync(root, { recursive: true, force: true });
      }
    });
  }
});

/** Whether every client has got an event: then it has a place to come back to. */
async function hasBegun({ admin }: Daemon): Promise<boolean> {
  const clients = JSON.parse((await call(admin, '/v1/clients')).body) as readonly { readonly delivered: number }[];
  return clients.length === DRAINS && clients.every(({ delivered }) => delivered > 0);
}

interface DrainReport {
  readonly done: number;
  readonly bad: number;
  /** With a number of the sender: those of the FIFO. */
  readonly events: number;
  readonly other: number;
  readonly minEvents: number;
  readonly maxEvents: number;
  readonly resumed: number;
}

/** How many events of this publisher are in the log; they are numbered from 1 on, each once. */
async function countInOrder(socketPath: string, name: string): Promise<number> {
  const path = `/v1/events?since=0&follow=false&filters=${encodeURIComponent('{"event":["create"]}')}`;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
    http.get({ socketPath, path, agent: false }, resolve).once('error', reject),
  );
  let count = 0;
  for await (const line of readline.createInterface({ input: response })) {
    const { id } = JSON.parse(line) as { id: string };
    if (!id.startsWith(`${name}-`)) continue;
    count += 1;
    assert.equal(id, `${name}-${count}`);
  }
  assert.ok(response.complete);
  return count;
}

interface Log {
  readonly marks: number[];
  readonly ids: string[];
}

/** The whole log, as the daemon has it now. */
async function logOf(daemon: Daemon): Promise<Log> {
  const { body, complete } = await call(daemon.events, '/v1/events?since=0&follow=false');
  assert.ok(complete);
  const marks: number[] = [];
  const ids: string[] = [];
  for (const line of body.trimEnd().split('\n')) {
    const { seq, timeNano, id } = JSON.parse(line) as { seq: number; timeNano: string; id: string };
    assert.equal(seq, marks.length + 1);
    marks.push(markOf(timeNano, id));
    ids.push(id);
  }
  return { marks, ids };
}

async function lives(daemon: Daemon): Promise<string[]> {
  const { body } = await call(daemon.events, '/v1/events?since=0&follow=false');
  return [...new Set(Array.from(body.matchAll(/"cursor":"([a-z2-7]{8})-/g), (match) => match[1]!))];
}
