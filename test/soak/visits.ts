import { spawn } from 'node:child_process';
import http from 'node:http';
import { TocsinClient } from '../../src/client/tocsin-client.ts';
import { grpcClient, type GrpcEvent } from '../e2e/support/grpc.ts';

/** Where a client stands in the stream of one container, and what it does with an event. */
export interface Stand {
  readonly socket: string;
  /** The container's id: nothing else is asked for. */
  readonly container: string;
  /** Behind its last event, as this client says it: a cursor, or nanoseconds. */
  cursor: string | undefined;
  timeNano: bigint | undefined;
  take(number: number): void;
  /** Something that no client should be told. */
  fault(what: string): void;
}

/** One connection after the other, until it is left. A connection that is lost is made anew behind the last event. */
export interface Visit {
  leave(): Promise<void>;
}

const AGAIN_MS = 50;
/** Before everything. */
const FIRST_NANO = 1_000_000_000n;
const NANOS = 1_000_000_000n;

/** How clients of each kind come. */
export const VISITS = {
  library,
  'event source': (stand) => overHttp(stand, eventSourceRequest),
  'docker API': (stand) => overHttp(stand, dockerRequest),
  'docker CLI': dockerCli,
  'iSulad, grpc-js': grpcJs,
  curl,
} as const satisfies Readonly<Record<string, (stand: Stand) => Visit>>;
export type VisitKind = keyof typeof VISITS;

function library(stand: Stand): Visit {
  const abort = new AbortController();
  const done = (async () => {
    const from = stand.cursor ? { after: stand.cursor } : { since: '1' };
    const client = new TocsinClient({ host: `unix://${stand.socket}` });
    try {
      for await (const delivery of client.events({
        ...from,
        filter: [`container=${stand.container}`],
        signal: abort.signal,
      })) {
        if (delivery.type === 'gap' || !('attributes' in delivery)) stand.fault(JSON.stringify(delivery));
        else {
          stand.cursor = delivery.cursor;
          stand.take(Number.parseInt(delivery.attributes['seq'] ?? '', 10));
        }
      }
    } catch (error) {
      if (!abort.signal.aborted) stand.fault(String(error));
    }
  })();
  return {
    async leave() {
      abort.abort();
      await done;
    },
  };
}

/** The filters of both HTTP doors. */
function filtersOf({ container }: Stand): string {
  return encodeURIComponent(JSON.stringify({ container: [container] }));
}

/** One line of JSON, of the native door or Docker's. */
function takeLine(stand: Stand, line: string): void {
  if (line.startsWith('{"type":"heartbeat"')) return;
  const number = /"seq":"(\d+)/.exec(line)?.[1];
  const timeNano = /"timeNano":"?(\d+)/.exec(line)?.[1];
  if (number === undefined || timeNano === undefined) return stand.fault(line);
  stand.timeNano = BigInt(timeNano);
  stand.cursor = /"cursor":"([^"]+)"/.exec(line)?.[1];
  stand.take(Number(number));
}

/** Splits what comes into lines. */
function lines(onLine: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) if (line !== '') onLine(line);
  };
}

interface HttpRequest {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly onText: (text: string) => void;
}

function eventSourceRequest(stand: Stand): HttpRequest {
  const headers: Record<string, string> = { Accept: 'text/event-stream' };
  if (stand.cursor) headers['Last-Event-ID'] = stand.cursor;
  return {
    path: `/v1/events?since=1&filters=${filtersOf(stand)}`,
    headers,
    onText: lines((line) => {
      if (line.startsWith('event: gap')) stand.fault(line);
      if (line.startsWith('data: {"seq"')) takeLine(stand, line.slice('data: '.length));
    }),
  };
}

function dockerRequest(stand: Stand): HttpRequest {
  return {
    path: `/v1.41/events?since=${secondsBehind(stand)}&filters=${filtersOf(stand)}`,
    onText: lines((line) => takeLine(stand, line)),
  };
}

/** The nanosecond behind the last event, as Docker's clients write it. */
function secondsBehind({ timeNano }: Stand): string {
  const next = timeNano === undefined ? FIRST_NANO : timeNano + 1n;
  return `${next / NANOS}.${String(next % NANOS).padStart(9, '0')}`;
}

function overHttp(stand: Stand, requestOf: (stand: Stand) => HttpRequest): Visit {
  let isLeft = false;
  let request: http.ClientRequest | undefined;
  let closed: Promise<void> = Promise.resolve();
  const connect = (): void => {
    if (isLeft) return;
    const { path, headers = {}, onText } = requestOf(stand);
    request = http.get({ socketPath: stand.socket, path, headers, agent: false }, (response) => {
      if (response.statusCode !== 200) stand.fault(`status ${response.statusCode}`);
      response.setEncoding('utf8').on('data', (text: string) => !isLeft && onText(text));
      response.on('error', () => {});
    });
    request.once('error', () => {});
    closed = new Promise((resolve) =>
      request!.once('close', () => {
        setTimeout(connect, AGAIN_MS);
        resolve();
      }),
    );
  };
  connect();
  return {
    async leave() {
      isLeft = true;
      request?.destroy();
      await closed;
    },
  };
}

/** The stock command line. */
function dockerCli(stand: Stand): Visit {
  return program(stand, () => ({
    command: 'docker',
    args: ['events', '--since', secondsBehind(stand), '--filter', `container=${stand.container}`].concat([
      '--format',
      '{{json .}}',
    ]),
    env: { DOCKER_HOST: `unix://${stand.socket}`, DOCKER_API_VERSION: '1.41' },
  }));
}

function curl(stand: Stand): Visit {
  return program(stand, () => {
    const from = stand.cursor ? `after=${encodeURIComponent(stand.cursor)}` : 'since=1';
    return {
      command: 'curl',
      args: ['-sN', '--unix-socket', stand.socket, `http://tocsin/v1/events?${from}&filters=${filtersOf(stand)}`],
      env: {},
    };
  });
}

function program(
  stand: Stand,
  commandOf: () => {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Visit {
  let isLeft = false;
  let end: () => void = () => {};
  let closed: Promise<void> = Promise.resolve();
  const start = (): void => {
    if (isLeft) return;
    const { command, args, env } = commandOf();
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
    child.once('error', (error) => stand.fault(String(error)));
    const onText = lines((line) => takeLine(stand, line));
    child.stdout.setEncoding('utf8').on('data', (text: string) => !isLeft && onText(text));
    end = () => child.kill('SIGTERM');
    closed = new Promise((resolve) =>
      child.once('close', () => {
        setTimeout(start, AGAIN_MS);
        resolve();
      }),
    );
  };
  start();
  return {
    async leave() {
      isLeft = true;
      end();
      await closed;
    },
  };
}

function grpcJs(stand: Stand): Visit {
  const client = grpcClient(stand.socket);
  let isLeft = false;
  let cancel: () => void = () => {};
  let closed: Promise<void> = Promise.resolve();
  const call = (): void => {
    if (isLeft) return;
    const next = stand.timeNano === undefined ? FIRST_NANO : stand.timeNano + 1n;
    const since = { seconds: String(next / NANOS), nanos: Number(next % NANOS) };
    const stream = client.Events({ since, id: stand.container });
    stream.on('data', ({ timestamp, annotations }: GrpcEvent) => {
      if (isLeft) return;
      stand.timeNano = BigInt(timestamp.seconds) * NANOS + BigInt(timestamp.nanos);
      stand.take(Number.parseInt(annotations['seq'] ?? '', 10));
    });
    stream.on('error', () => {});
    cancel = () => stream.cancel();
    closed = new Promise((resolve) =>
      stream.once('status', () => {
        setTimeout(call, AGAIN_MS);
        resolve();
      }),
    );
  };
  call();
  return {
    async leave() {
      isLeft = true;
      cancel();
      await closed;
      client.close();
    },
  };
}
