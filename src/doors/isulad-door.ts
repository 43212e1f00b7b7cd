import http2 from 'node:http2';
import type net from 'node:net';
import type { Sink } from '../actors/client.ts';
import { decodeEventsRequest } from '../codec/isulad-grpc.ts';
import { asTocsinError, type ErrorCode, TocsinError } from '../event/errors.ts';
import type { StartPosition } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import { FLUSH_LIMIT_MS } from './event-stream.ts';
import type { Peer } from './peer.ts';
import type { ListenerShard } from './listener-shard.ts';

/** What asking for events is called where iSulad asks who may. */
const ACTION = 'docker_events';
const EVENTS_PATH = '/containers.ContainerService/Events';
const MAX_REQUEST_BYTES = 64 * 1024;
const GRPC_PREFIX_BYTES = 5;
/** A connection that has asked for nothing for this long is ended. */
const SILENCE_LIMIT_MS = 10_000;
/** How long a client that is gone may go unheard, if it has broken the protocol before. */
const HEARING_MS = 2_000;
/** How long a refused client may go on sending its request. */
const REFUSED_LINGER_MS = 1_000;
/** gRPC status codes. */
const OK = 0;
const UNKNOWN = 2;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;

/** What iSulad answers to everything that its events callback refuses; the cause stays in the daemon's log. */
const CALLBACK_FAILED = { status: INTERNAL, message: 'Failed to execute events callback' };

const STATUS_OF: Readonly<Partial<Record<ErrorCode, { readonly status: number; readonly message?: string }>>> = {
  ERR_BODY_INVALID: { status: INTERNAL, message: 'Failed to transform grpc request' },
  ERR_BODY_TOO_LARGE: { status: RESOURCE_EXHAUSTED },
  ERR_ROUTE_UNKNOWN: { status: UNIMPLEMENTED },
  ERR_USERNAME_MISSING: { status: UNKNOWN },
  ERR_ACCESS_DENIED: { status: PERMISSION_DENIED },
  ERR_PIPELINE_CLOSED: { status: UNAVAILABLE },
  ERR_CLIENTS_EXHAUSTED: { status: RESOURCE_EXHAUSTED },
  ERR_CONNECTIONS_EXHAUSTED: { status: RESOURCE_EXHAUSTED },
  ERR_REPLAYS_EXHAUSTED: { status: RESOURCE_EXHAUSTED },
  ERR_CLIENT_LAGGED: { status: RESOURCE_EXHAUSTED },
  ERR_CLIENT_GAP: { status: DATA_LOSS },
  ERR_DRAIN_TIMEOUT: { status: DATA_LOSS },
};

/** Who is at the other end of a connection. */
interface Caller {
  readonly peer: Peer | undefined;
  /** Present: every call is refused with this. */
  readonly refusal: TocsinError | undefined;
  calls: number;
  /** Of these, since the thread did something else. */
  atOnce: number;
}

export interface IsuladDoorEnv {
  readonly counters: Counters;
  /** Newest events that a client without `since` gets first. */
  readonly replay: () => number;
  /** Over one connection: at a time, and before it is ended. */
  readonly maxStreams: number;
  readonly maxRequests: number;
}

/** iSulad's gRPC service, as much of it as concerns events: HTTP/2 connections are handed in by the sniffer. */
export class IsuladDoor {
  readonly #shard: ListenerShard;
  readonly #env: IsuladDoorEnv;
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.Http2Session>();
  /** Who is at the other end of the connection that is being handed in. */
  #coming: Caller | undefined;

  constructor(shard: ListenerShard, env: IsuladDoorEnv) {
    this.#shard = shard;
    this.#env = env;
    const { counters, maxStreams, maxRequests } = env;
    this.#server = http2.createServer({ settings: { maxConcurrentStreams: maxStreams } });
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      const caller = this.#coming!;
      session.on('error', () => {});
      const silent = setTimeout(() => {
        counters.add('connectionsSilent');
        session.destroy();
      }, SILENCE_LIMIT_MS);
      session.once('stream', () => clearTimeout(silent));
      session.on('stream', (stream, headers) => {
        // Also of a session that is over already: an error that nobody hears ends the thread.
        stream.on('error', () => {});
        if (session.destroyed) return;
        if (this.#isFlood(caller)) {
          counters.add('connectionsBroken');
          return session.destroy();
        }
        caller.calls += 1;
        if (caller.calls === maxRequests) {
          counters.add('connectionsSpent');
          // Those that run go on to their ends.
          session.close();
        }
        this.#onStream(stream, headers, caller);
      });
      session.once('close', () => {
        clearTimeout(silent);
        this.#sessions.delete(session);
      });
    });
    this.#server.on('unknownProtocol', (socket: net.Socket) => {
      counters.add('connectionsBroken');
      socket.destroy();
    });
    this.#server.on('sessionError', () => counters.add('connectionsBroken'));
  }

  /** @param refusal present: the connection was one too many, which each of its calls is told */
  accept(socket: net.Socket, refusal?: TocsinError): void {
    // The session begins before this returns.
    this.#coming = { peer: this.#shard.peerOf(socket), refusal, calls: 0, atOnce: 0 };
    this.#server.emit('connection', socket);
    const hearing = setInterval(() => readOn(socket), HEARING_MS);
    socket.once('close', () => clearInterval(hearing));
  }

  /** Lets every open stream finish. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  /** More calls at once than there may be streams: they were reset before anybody could look at them. */
  #isFlood(caller: Caller): boolean {
    if (caller.atOnce === 0) setImmediate(() => (caller.atOnce = 0));
    caller.atOnce += 1;
    return caller.atOnce > this.#env.maxStreams;
  }

  #onStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, caller: Caller): void {
    this.#serve(stream, headers, caller).catch((error: unknown) => {
      this.#env.counters.add('requestsRefused');
      refuse(stream, error);
    });
  }

  async #serve(
    stream: http2.ServerHttp2Stream,
    headers: http2.IncomingHttpHeaders,
    { peer, refusal }: Caller,
  ): Promise<void> {
    if (refusal) throw refusal;
    if (headers[':method'] !== 'POST' || !String(headers['content-type']).startsWith('application/grpc')) {
      stream.respond({ ':status': 415 }, { endStream: true });
      return drop(stream);
    }
    if (headers[':path'] !== EVENTS_PATH)
      throw new TocsinError('ERR_ROUTE_UNKNOWN', `unknown method ${headers[':path']}`);
    this.#checkUsername(headers);
    const { since, until, id } = decodeEventsRequest(await readMessage(stream));
    const handle = await this.#shard.subscribe(
      {
        door: 'isulad',
        format: 'isulad-grpc',
        start: startPosition(headers['x-tocsin-after'], since, this.#env.replay()),
        ...(until ? { until } : {}),
        follow: true,
        ...(id ? { name: id } : {}),
        filter: [],
        lagLimit: 0,
        heartbeatMs: 0,
      },
      peer,
      ACTION,
    );
    if (stream.destroyed || stream.closed) return handle.left();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('drain', () => handle.drained());
    stream.once('close', () => handle.left());
    handle.start(grpcSink(stream));
  }

  /**
   * A client over TLS says the name in its certificate (`username`), and that it is such a client (`tls_mode` 1), and iSulad answers so
   * where it asks who comes and is not told. Who may read goes by the certificate itself.
   */
  #checkUsername({ tls_mode: mode, username }: http2.IncomingHttpHeaders): void {
    if (mode === '1' && username === undefined && this.#shard.asksWho)
      throw new TocsinError('ERR_USERNAME_MISSING', 'unknown error');
  }
}

/** Node reads no more of a client that has broken the protocol: not even that it is gone, and its streams would stay for ever. */
function readOn(socket: net.Socket): void {
  (socket as unknown as { readonly _handle: { readStart(): void } | null })._handle?.readStart();
}

/** Lane bytes are whole gRPC messages; only the trailers are made per client. */
function grpcSink(stream: http2.ServerHttp2Stream): Sink {
  let trailers: Record<string, string> = { 'grpc-status': String(OK) };
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  return {
    write: (bytes) => stream.write(bytes),
    // `containers.Event` has no room for a gap: the stream ends with DATA_LOSS instead.
    gap: () => false,
    heartbeat() {},
    end(error) {
      if (error) trailers = statusHeaders(error);
      stream.end();
      if (!error) return;
      // What is queued never leaves when the client has stopped reading.
      const limit = setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), FLUSH_LIMIT_MS);
      stream.once('close', () => clearTimeout(limit));
    },
  };
}

function startPosition(
  after: string | readonly string[] | undefined,
  since: { readonly sec: number; readonly nanos: number } | undefined,
  replay: number,
): StartPosition {
  if (typeof after === 'string') return { from: 'cursor', cursor: after };
  if (since) return { from: 'time', time: since };
  return { from: 'recent', count: replay };
}

function readMessage(stream: http2.ServerHttp2Stream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      // What is too long is read on but not kept, until the refusal has been sent.
      if (length <= MAX_REQUEST_BYTES + GRPC_PREFIX_BYTES) chunks.push(chunk);
      else
        reject(
          new TocsinError(
            'ERR_BODY_TOO_LARGE',
            `Received message larger than max (${length} vs. ${MAX_REQUEST_BYTES})`,
          ),
        );
    });
    const late = setTimeout(() => {
      reject(new TocsinError('ERR_BODY_INVALID', `no whole request within ${SILENCE_LIMIT_MS} ms`));
    }, SILENCE_LIMIT_MS);
    stream.once('close', () => {
      clearTimeout(late);
      reject(new TocsinError('ERR_BODY_INVALID', 'the stream ended before its message'));
    });
    stream.once('end', () => {
      clearTimeout(late);
      const body = Buffer.concat(chunks);
      const isWhole = body.length >= GRPC_PREFIX_BYTES && body.readUInt32BE(1) === body.length - GRPC_PREFIX_BYTES;
      if (isWhole && body[0] === 0) resolve(body.subarray(GRPC_PREFIX_BYTES));
      else reject(new TocsinError('ERR_BODY_INVALID', 'not one uncompressed gRPC message'));
    });
  });
}

function statusHeaders(thrown: unknown): Record<string, string> {
  const error = asTocsinError(thrown);
  const { status, message = error.message } = STATUS_OF[error.code] ?? CALLBACK_FAILED;
  // As the protocol has it: not every client decodes more than has to be encoded.
  const encoded = message.replaceAll(/[^ -$&-~]+/g, encodeURIComponent);
  return { 'grpc-status': String(status), 'grpc-message': encoded };
}

function refuse(stream: http2.ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.headersSent) {
    stream.destroy();
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...statusHeaders(error) }, { endStream: true });
  drop(stream);
}

/** What the client still sends is read and dropped: a reset that overtakes the status would hide it from the client. */
function drop(stream: http2.ServerHttp2Stream): void {
  stream.resume();
  const limit = setTimeout(() => stream.close(http2.constants.NGHTTP2_NO_ERROR), REFUSED_LINGER_MS);
  stream.once('close', () => clearTimeout(limit));
}
