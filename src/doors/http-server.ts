import http from 'node:http';
import type net from 'node:net';
import { TocsinError } from '../event/errors.ts';
import { isLoopback } from '../event/host-and-port.ts';

/** Without the port. */
const HOST = /^(?:\[[^\]]*\]|[^:]*)/;

/** What every server of ours has in common: limits for slow and broken clients. */
const SERVER_OPTIONS: http.ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  // Node would refuse without a body; `checkHost` says why.
  requireHostHeader: false,
};

/** Requests of one connection that may wait for their answers: nobody who means well sends more without reading. */
const MAX_UNANSWERED = 32;

/**
 * A server whose every refusal is JSON with a reason, also where Node's own would have no body.
 * @param onBroken hears of each connection that does not speak HTTP, or asks on without reading answers
 */
export function createHttpServer(
  onRequest: http.RequestListener,
  onBroken: () => void = () => {},
  options: http.ServerOptions = {},
): http.Server {
  const answers = new WeakMap<net.Socket, Set<http.ServerResponse>>();
  const take: http.RequestListener = (request, response) => {
    const ofSocket = answers.get(request.socket) ?? new Set();
    answers.set(request.socket, ofSocket.add(response));
    if (ofSocket.size > MAX_UNANSWERED) {
      if (!request.socket.destroyed) onBroken();
      return void request.socket.destroy();
    }
    response.once('close', () => ofSocket.delete(response));
    onRequest(request, response);
  };
  const server = http.createServer({ ...SERVER_OPTIONS, ...options }, take);
  // What a client expects beyond 100-continue changes nothing about the answer.
  server.on('checkExpectation', take);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: net.Socket) => {
    onBroken();
    // In the middle of an answer another one would be taken for a part of it.
    const hasBegun = [...(answers.get(socket) ?? [])].some((response) => response.headersSent);
    if (hasBegun || error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else refuseBroken(error, socket);
  });
  return server;
}

/** Connections beyond so many are ended without a word. */
export function limitConnections(server: http.Server, max: number, onRefused: () => void): void {
  server.maxConnections = max;
  server.on('drop', onRefused);
}

/** @throws ERR_BODY_INVALID: HTTP/1.1 wants a Host */
export function checkHost(request: http.IncomingMessage): void {
  if (request.httpVersion === '1.1' && request.headers.host === undefined)
    throw new TocsinError('ERR_BODY_INVALID', 'not a valid HTTP request (no Host)');
}

/** @throws ERR_ROUTE_UNKNOWN: a page in a browser may have given this machine's address to a name of its own */
export function requireLoopbackHost(request: http.IncomingMessage): void {
  const [asked = ''] = HOST.exec(request.headers.host ?? '') ?? [];
  if (asked !== '' && !isLoopback(asked)) throw new TocsinError('ERR_ROUTE_UNKNOWN', `there is no ${asked} here`);
}

/** Answers a connection that is not served at all, and ends it. */
export function refuseConnection(socket: net.Socket, { status, message, code, detail }: TocsinError): void {
  endWith(socket, status, { message, code, ...detail });
}

function refuseBroken(error: NodeJS.ErrnoException, socket: net.Socket): void {
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  endWith(socket, status, {
    message: `not a valid HTTP request (${error.code ?? error.message})`,
    code: 'ERR_BODY_INVALID',
  });
}

function endWith(socket: net.Socket, status: number, answer: unknown): void {
  const body = `${JSON.stringify(answer)}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
