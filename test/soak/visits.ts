import { spawn } from 'node:child_process';
import http from 'node:http';
import { TocsinClient } from '../../src/client/tocsin-client.ts';
import { grpcClient, type GrpcEvent } from '../e2e/support/grpc.ts';
import { textLines } from '../support/text-lines.ts';

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
    onText: textLines((line) => {
      if (line.startsWith('event: gap')) stand.fault(line);
      if (line.startsWith('data: {"seq"')) takeLine(stand, line.slice('data: '.length));
    }),
  };
}

function dockerRequest(stand: Stand): HttpRequest {
  return {
    path: `/v1.41/events?since=${secondsBehind(stand)}&filters=${filtersOf(stand)}`,
    onText: textLines((line) => takeLine(stand, line)),
  };
}

/** The nanosecond behind the last event, as Docker's clients write it. */
function secondsBehind({ timeNano }: Stand): string {
  const next = timeNano === undefined ? FIRST_NANO : timeNano + 1n;
  return `${next / NANOS}.${String(next % NANOS).padStart(9, '0')}`;
}

/** One connection of a visit. */
interface Connection {
  close(): void;
  readonly closed: Promise<unknown>;
}

/** @param connect what comes over the connection counts as long as `isThere` says so */
function visiting(connect: (isThere: () => boolean) => Connection): Visit {
  let isLeft = false;
  let connection: Connection;
  const come = (): void => {
    if (isLeft) return;
    connection = connect(() => !isLeft);
    void connection.closed.then(() => setTimeout(come, AGAIN_MS));
  };
  come();
  return {
    async leave() {
      isLeft = true;
      connection.close();
      await connection.closed;
    },
  };
}

function overHttp(stand: Stand, requestOf: (stand: Stand) => HttpRequest): Visit {
  return visiting((isThere) => {
    const { path, headers = {}, onText } = requestOf(stand);
    const request = http.get({ socketPath: stand.socket, path, headers, agent: false }, (response) => {
      if (response.statusCode !== 200) stand.fault(`status ${response.statusCode}`);
      response.setEncoding('utf8').on('data', (text: string) => isThere() && onText(text));
      response.on('error', () => {});
    });
    request.once('error', () => {});
    return { close: () => request.destroy(), closed: new Promise((resolve) => request.once('close', resolve)) };
  });
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
  return visiting((isThere) => {
    const { command, args, env } = commandOf();
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
    child.once('error', (error) => stand.fault(String(error)));
    const onText = textLines((line) => takeLine(stand, line));
    child.stdout.setEncoding('utf8').on('data', (text: string) => isThere() && onText(text));
    return {
      close: () => child.kill('SIGTERM'),
      closed: new Promise((resolve) => child.once('close', resolve)),
    };
  });
}

function grpcJs(stand: Stand): Visit {
  const client = grpcClient(stand.socket);
  const visit = visiting((isThere) => {
    const next = stand.timeNano === undefined ? FIRST_NANO : stand.timeNano + 1n;
    const since = { seconds: String(next / NANOS), nanos: Number(next % NANOS) };
    const stream = client.Events({ since, id: stand.container });
    stream.on('data', ({ timestamp, annotations }: GrpcEvent) => {
      if (!isThere()) return;
      stand.timeNano = BigInt(timestamp.seconds) * NANOS + BigInt(timestamp.nanos);
      stand.take(Number.parseInt(annotations['seq'] ?? '', 10));
    });
    stream.on('error', () => {});
    return { close: () => stream.cancel(), closed: new Promise((resolve) => stream.once('status', resolve)) };
  });
  return {
    async leave() {
      await visit.leave();
      client.close();
    },
  };
}
