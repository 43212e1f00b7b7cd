import type http from 'node:http';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import { checkHost } from './http-server.ts';

/** A JSON answer, ended. */
export function replyJson(response: http.ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

export function replyText(
  response: http.ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

/** `{"message","code"}`, and what the error says in numbers and names, with exactly `application/json`: Docker's clients compare the content type for equality. */
export function replyError(response: http.ServerResponse, thrown: unknown): void {
  const error = asTocsinError(thrown);
  replyJson(response, error.status, { message: error.message, code: error.code, ...error.detail });
}

export function requireMethod(request: http.IncomingMessage, ...methods: readonly string[]): void {
  if (methods.includes(request.method ?? '')) return;
  throw new TocsinError('ERR_METHOD_NOT_ALLOWED', `${request.method} is not allowed here; use ${methods.join(' or ')}`);
}

/** The body in pieces. Leaving the loop early leaves the connection as it is, for the answer. */
export function bodyOf(request: http.IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** The request's path and query. @throws ERR_ROUTE_UNKNOWN for what is no path, ERR_BODY_INVALID without a Host */
export function targetOf(request: http.IncomingMessage): URL {
  checkHost(request);
  const target = request.url ?? '';
  if (!target.startsWith('/') || !URL.canParse(target, 'http://tocsin')) {
    throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
  }
  return new URL(target, 'http://tocsin');
}
