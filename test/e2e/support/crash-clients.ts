import { type ChildProcess, spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import zlib from 'node:zlib';
import { TocsinClient } from '../../../src/client/index.ts';
import { MAIN } from '../../support/daemon.ts';
import { EventSourceParser } from '../../support/event-source.ts';
import { textLines } from '../../support/text-lines.ts';

/** A client that goes on over every death of the daemon, and everything that it was told, in order. */
export interface CrashClient {
  readonly kind: string;
  readonly told: Told;
  stop(): Promise<void>;
}

/** What a client was told: a word per event, so that a long run fits into memory. */
export class Told {
  /** By the event's time where a client sees no number. */
  readonly times: string[] = [];
  readonly marks: number[] = [];
  readonly problems: string[] = [];
  #next = 1;

  get count(): number {
    return this.marks.length;
  }

  /** One event of the native door, as line. Numbers are dense from 1 on. */
  line(line: string): void {
    const { seq, type, timeNano, id } = JSON.parse(line) as { seq: number; type: string; timeNano: string; id: string };
    if (type === 'heartbeat') return;
    if (type === 'gap') {
      this.problems.push(line);
      return;
    }
    this.event(seq, timeNano, id);
  }

  event(seq: number, timeNano: string, id: string): void {
    if (seq !== this.#next) this.problems.push(`${seq} in place of ${this.#next}`);
    this.#next = seq + 1;
    this.marks.push(markOf(timeNano, id));
  }

  docker(line: string): void {
    const { Actor } = JSON.parse(line) as { Actor: { ID: string } };
    const timeNano = /"timeNano":(\d+)/.exec(line)![1]!;
    const last = this.times.at(-1);
    if (last && BigInt(last) >= BigInt(timeNano)) this.problems.push(`${timeNano} after ${last}`);
    this.times.push(timeNano);
    this.marks.push(markOf(timeNano, Actor.ID));
  }
}

export function markOf(timeNano: string, id: string): number {
  return zlib.crc32(`${timeNano} ${id}`);
}

export function libraryClient(socket: string): CrashClient {
  const told = new Told();
  const abort = new AbortController();
  const client = new TocsinClient({ host: `unix://${socket}` });
  const done = (async () => {
    try {
      for await (const delivery of client.events({ since: '0', signal: abort.signal })) {
        if (delivery.type === 'gap' || !('seq' in delivery)) told.problems.push(JSON.stringify(delivery));
        else told.event(delivery.seq, delivery.timeNano, delivery.id);
      }
    } catch (error) {
      if (!abort.signal.aborted) told.problems.push(String(error));
    }
  })();
  return {
    kind: 'library',
    told,
    async stop() {
      abort.abort();
      await done;
    },
  };
}

/** The command line with a cursor file; it is ended and begun anew as well, each time the daemon dies. */
export function commandClient(
  socket: string,
  folder: string,
  index: number,
): CrashClient & { restart(): Promise<void> } {
  const told = new Told();
  const file = path.join(folder, `cursor-${index}`);
  let child: ChildProcess | undefined;
  let exited: Promise<unknown> = Promise.resolve();
  const start = (): void => {
    const args = [
      'events',
      '--reconnect',
      '--format',
      'json',
      '-S',
      '0',
      '--cursor-file',
      file,
      '-H',
      `unix://${socket}`,
    ];
    const started = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    started.stdout.setEncoding('utf8').on(
      'data',
      textLines((line) => told.line(line)),
    );
    exited = new Promise((resolve) => started.once('close', resolve));
    child = started;
  };
  const end = async (): Promise<void> => {
    child?.kill('SIGTERM');
    await exited;
  };
  start();
  return {
    kind: 'command line',
    told,
    async restart() {
      await end();
      start();
    },
    stop: end,
  };
}

/** As a browser does: the last id it saw, after a moment. */
export function eventSourceClient(socket: string): CrashClient {
  const told = new Told();
  let isStopped = false;
  let request: http.ClientRequest | undefined;
  let lastEventId = '';
  const connect = (): void => {
    if (isStopped) return;
    const parser = new EventSourceParser(lastEventId);
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId) headers['Last-Event-ID'] = lastEventId;
    request = http.get({ socketPath: socket, path: '/v1/events?since=0', headers, agent: false }, (response) => {
      response.on('data', (bytes: Buffer) => {
        for (const { type, data } of parser.push(bytes)) {
          if (type === 'message') told.line(data);
          else if (type === 'gap') told.problems.push(data);
        }
        ({ lastEventId } = parser);
      });
      response.on('error', () => {});
    });
    request.once('error', () => {});
    request.once('close', () => setTimeout(connect, 50));
  };
  connect();
  return {
    kind: 'event source',
    told,
    async stop() {
      isStopped = true;
      request?.destroy();
    },
  };
}

/** The stock command line, begun again a nanosecond behind the last event that it printed. */
export function dockerClient(socket: string): CrashClient {
  const told = new Told();
  let isStopped = false;
  let child: ChildProcess | undefined;
  let exited: Promise<unknown> = Promise.resolve();
  const start = (): void => {
    if (isStopped) return;
    const next = BigInt(told.times.at(-1) ?? '-1') + 1n;
    const since = `${next / 1_000_000_000n}.${String(next % 1_000_000_000n).padStart(9, '0')}`;
    const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_API_VERSION: '1.41' };
    const started = spawn('docker', ['events', '--since', since, '--format', '{{json .}}'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    started.stdout.setEncoding('utf8').on(
      'data',
      textLines((line) => told.docker(line)),
    );
    exited = new Promise((resolve) =>
      started.once('close', () => {
        setTimeout(start, 50);
        resolve(undefined);
      }),
    );
    child = started;
  };
  start();
  return {
    kind: 'docker',
    told,
    async stop() {
      isStopped = true;
      child?.kill('SIGTERM');
      await exited;
    },
  };
}
