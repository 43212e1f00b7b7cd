import http2 from 'node:http2';
import type net from 'node:net';
import type { Sink } from '../actors/client.ts';
import { decodeEventsRequest } from '../codec/isulad-grpc.ts';
import { asTocsinError, type ErrorCode, TocsinError } from '../event/errors.ts';
import type { StartPosition } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { Peer } from './peer.ts';
import type { ListenerShard } from './listener-shard.ts';

const EVENTS_PATH = '/containers.ContainerService/Events';
const MAX_REQUEST_BYTES = 64 * 1024;
const GRPC_PREFIX_BYTES = 5;
/** A connection that has asked for nothing for this long is ended. */
const SILENCE_LIMIT_MS = 10_000;
/** How long a client that is gone may go unheard, if it has broken the protocol before. */
const HEARING_MS = 2_000;
/** Per connection: one client must not take every place. */
const MAX_STREAMS = 100;
/** How long a refused client may go on sending its request. */
const REFUSED_LINGER_MS = 1_000;
/** gRPC status codes. */
const OK = 0;
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
  ERR_ACCESS_DENIED: { status: PERMISSION_DENIED },
  ERR_PIPELINE_CLOSED: { status: UNAVAILABLE },
  ERR_CLIENTS_EXHAUSTED: { status: RESOURCE_EXHAUSTED },
  ERR_REPLAYS_EXHAUSTED: { status: RESOURCE_EXHAUSTED },
  ERR_CLIENT_LAGGED: { status: RESOURCE_EXHAUSTED },
  ERR_CLIENT_GAP: { status: DATA_LOSS },
  ERR_DRAIN_TIMEOUT: { status: DATA_LOSS },
};

/** iSulad's gRPC service, as much of it as concerns events: HTTP/2 connections are handed in by the sniffer. */
export class IsuladDoor {
  readonly #shard: ListenerShard;
  readonly #counters: Counters;
  /** Newest events that a client without `since` gets first. */
  readonly #replay: () => number;
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.Http2Session>();
  readonly #peers = new WeakMap<http2.Http2Session, Peer | undefined>();
  /** Who is at the other end of the connection that is being handed in. */
  #coming: Peer | undefined;

  constructor(shard: ListenerShard, counters: Counters, replay: () => number) {
    this.#shard = shard;
    this.#counters = counters;
    this.#replay = replay;
    this.#server = http2.createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } });
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      this.#peers.set(session, this.#coming);
      session.on('error', () => {});
      const silent = setTimeout(() => {
        this.#counters.add('connectionsSilent');
        session.destroy();
      }, SILENCE_LIMIT_MS);
      session.once('stream', () => clearTimeout(silent));
      session.once('close', () => {
        clearTimeout(silent);
        this.#sessions.delete(session);
      });
    });
    this.#server.on('sessionError', () => this.#counters.add('connectionsBroken'));
    this.#server.on('stream', (stream, headers) => this.#onStream(stream, headers));
  }

  accept(socket: net.Socket): void {
    // The session begins before this returns.
    this.#coming = this.#shard.peerOf(socket);
    this.#server.emit('connection', socket);
    const hearing = setInterval(() => readOn(socket), HEARING_MS);
    socket.once('close', () => clearInterval(hearing));
  }

  /** Lets every open stream finish. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  #onStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    stream.on('error', () => {});
    this.#serve(stream, headers).catch((error: unknown) => {
      this.#counters.add('requestsRefused');
      refuse(stream, error);
    });
  }

  async #serve(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Promise<void> {
    if (headers[':method'] !== 'POST' || !String(headers['content-type']).startsWith('application/grpc')) {
      stream.respond({ ':status': 415 }, { endStream: true });
      return drop(stream);
    }
    if (headers[':path'] !== EVENTS_PATH)
      throw new TocsinError('ERR_ROUTE_UNKNOWN', `unknown method ${headers[':path']}`);
    const { since, until, id } = decodeEventsRequest(await readMessage(stream));
    const handle = await this.#shard.subscribe(
      {
        door: 'isulad',
        format: 'isulad-grpc',
        start: startPosition(headers['x-tocsin-after'], since, this.#replay()),
        ...(until ? { until } : {}),
        follow: true,
        ...(id ? { name: id } : {}),
        filter: [],
        lagLimit: 0,
        heartbeatMs: 0,
      },
      this.#peers.get(stream.session!),
    );
    if (stream.destroyed || stream.closed) return handle.left();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('drain', () => handle.drained());
    stream.once('close', () => handle.left());
    handle.start(grpcSink(stream));
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
  return { 'grpc-status': String(status), 'grpc-message': encodeURIComponent(message).replaceAll('%20', ' ') };
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
