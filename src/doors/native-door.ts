import http from 'node:http';
import type net from 'node:net';
import type { Sink } from '../actors/client.ts';
import type { Fanout } from '../actors/fanout.ts';
import { encodeNotice } from '../codec/native-json.ts';
import { TocsinError } from '../event/errors.ts';
import type { Counters } from '../messages/counters.ts';
import { systemClock } from '../runtime/clock.ts';
import { replyError, replyText, requireMethod, SERVER_LIMITS, targetOf } from './http-reply.ts';
import { parseNativeQuery } from './native-query.ts';

/** How long a client that was cut may take to read what was queued for it. */
const FLUSH_LIMIT_MS = 5_000;

/** HTTP/1.1 on the event socket: `/v1/events` and the health paths. Connections are handed in by the sniffer. */
export class NativeDoor {
  readonly #fanout: Fanout;
  readonly #counters: Counters;
  readonly #clock = systemClock();
  readonly #server: http.Server;

  constructor(fanout: Fanout, counters: Counters) {
    this.#fanout = fanout;
    this.#counters = counters;
    this.#server = http.createServer(SERVER_LIMITS, (request, response) => this.#route(request, response));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: net.Socket) => this.#onBroken(error, socket));
    // A server that never listens checks no timeouts; this makes it begin (pinned by a test).
    this.#server.emit('listening');
  }

  accept(socket: net.Socket): void {
    this.#server.emit('connection', socket);
  }

  close(): void {
    // Clears the timer that checks for timeouts; there is no handle to close.
    this.#server.close();
  }

  #route(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.#answer(request, response).catch((error: unknown) => {
      this.#counters.add('requestsRefused');
      if (response.headersSent) response.destroy();
      else replyError(response, error);
    });
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { pathname, searchParams } = targetOf(request);
    switch (pathname) {
      case '/v1/events':
        requireMethod(request, 'GET');
        return this.#events(request, response, searchParams);
      case '/_ping':
      case '/healthz':
        requireMethod(request, 'GET', 'HEAD');
        return replyText(response, 200, 'OK');
      case '/readyz':
        requireMethod(request, 'GET', 'HEAD');
        if (this.#fanout.isSealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
        return replyText(response, 200, 'OK');
      default:
        throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
    }
  }

  async #events(request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams): Promise<void> {
    // HTTP/1.0 knows no chunks: its body ends with the connection.
    const isChunked = request.httpVersionMinor > 0;
    const framing = isChunked ? 'chunked' : 'plain';
    const subscription = parseNativeQuery(query, isChunked ? 'json-chunked' : 'json-plain', this.#clock.now());
    const handle = await this.#fanout.subscribe(subscription);
    const socket = response.socket;
    // Gone while we were asking, or waiting its turn behind a stream on the same connection, which never ends.
    if (!socket || response.destroyed) {
      handle.left();
      // Node would keep every such request until the connection ends.
      request.socket.destroy();
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'application/x-ndjson',
      'Cache-Control': 'no-cache',
      ...(isChunked ? { 'Transfer-Encoding': 'chunked' } : { Connection: 'close' }),
    });
    response.flushHeaders();
    const onDrain = (): void => handle.drained();
    socket.on('drain', onDrain);
    response.once('close', () => {
      socket.off('drain', onDrain);
      handle.left();
    });
    handle.start(nativeSink(response, socket, framing));
  }

  #onBroken(error: NodeJS.ErrnoException, socket: net.Socket): void {
    this.#counters.add('connectionsBroken');
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const status = isTooLarge
      ? '431 Request Header Fields Too Large'
      : isLate
        ? '408 Request Timeout'
        : '400 Bad Request';
    const body = `${JSON.stringify({ message: `not a valid HTTP request (${error.code ?? error.message})`, code: 'ERR_BODY_INVALID' })}\n`;
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

/** Lane bytes carry their own chunk framing, so they go to the socket as they are; Node adds the head and the final chunk. */
function nativeSink(response: http.ServerResponse, socket: net.Socket, framing: 'chunked' | 'plain'): Sink {
  return {
    write: (bytes) => socket.write(bytes),
    gap(gap) {
      socket.write(encodeNotice(gap, framing));
      return true;
    },
    heartbeat(cursor) {
      socket.write(encodeNotice({ type: 'heartbeat', cursor }, framing));
    },
    end(error) {
      // Without the final chunk the client can tell a cut from an end.
      if (!error) return void response.end();
      socket.destroySoon();
      // What is queued never leaves when the client has stopped reading.
      const limit = setTimeout(() => socket.destroy(), FLUSH_LIMIT_MS);
      socket.once('close', () => clearTimeout(limit));
    },
  };
}
