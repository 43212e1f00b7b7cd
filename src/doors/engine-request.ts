import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type tls from 'node:tls';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import { placeOf, type SourceEndpoint } from '../event/source-address.ts';
import type { TlsFiles } from '../event/tls-files.ts';
import { readPemFiles } from './pem-files.ts';

/** The kernel notices a peer that is gone, on a connection that is otherwise silent. */
const KEEP_ALIVE_MS = 30_000;
/** What an engine says instead of an answer. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * A request to an engine that has not been sent; a connection of its own. Files of a TLS connection are read now, so that they can
 * be replaced while the daemon runs.
 * @throws ERR_SOURCE_TLS
 */
export function requestTo(engine: SourceEndpoint, path: string): http.ClientRequest {
  if ('socketPath' in engine)
    return http.request({ socketPath: engine.socketPath, path, headers: { host: 'docker' }, agent: false });
  const { host, port, tls: files } = engine;
  const request = files
    ? https.request({ host, port, path, agent: false, ...secured(host, files) })
    : http.request({ host, port, path, agent: false });
  request.once('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
  return request;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * What an engine answers, to its end.
 * @throws ERR_SOURCE_TLS, ERR_SOURCE_UNREACHABLE: there was none within this time, it was longer, or nobody waits for it any more
 */
export function answerOf(
  engine: SourceEndpoint,
  path: string,
  limits: { readonly ms: number; readonly bytes: number; readonly signal: AbortSignal },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = requestTo(engine, path);
    const finish = (): void => {
      clearTimeout(limit);
      limits.signal.removeEventListener('abort', abort);
      request.destroy();
    };
    const fail = (why: string): void => {
      finish();
      reject(unreachable(engine, why));
    };
    const abort = (): void => fail(': not asked any more');
    const limit = setTimeout(() => fail(` did not answer ${path} within ${limits.ms} ms`), limits.ms);
    limits.signal.addEventListener('abort', abort);
    // It stays: a request that is destroyed may have errors later.
    request.on('error', (error) => fail(`: ${whatWentWrong(error)}`));
    request.once('response', (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('error', (error) => fail(`: ${whatWentWrong(error)}`));
      response.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes > limits.bytes) fail(` answered ${path} with more than ${limits.bytes} bytes`);
      });
      response.once('end', () => {
        finish();
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() });
      });
    });
    request.end();
  });
}

/** What an engine says when it refuses. */
export function readRefusal(response: http.IncomingMessage, done: (what: string) => void): void {
  let text = '';
  const finish = (): void => done(refusalText({ status: response.statusCode ?? 0, body: text }));
  response.setEncoding('utf8');
  response.on('data', (part: string) => {
    text += part;
    if (text.length > MAX_ERROR_BYTES) finish();
  });
  response.once('end', finish);
}

export function refusalText({ status, body }: Answer): string {
  return `answered ${status}: ${messageIn(body)}`;
}

export function unreachable(engine: SourceEndpoint, why: string): TocsinError {
  return new TocsinError('ERR_SOURCE_UNREACHABLE', `${placeOf(engine)}${why}`);
}

/** In one line; of several addresses of a name, each with an error of its own, the code alone is there. */
export function whatWentWrong(error: NodeJS.ErrnoException): string {
  return (error.message || (error.code ?? error.name)).replace(/\s+/g, ' ').trim();
}

/** TLS 1.2 or newer, and the engine is always checked. @throws ERR_SOURCE_TLS */
export function secured(host: string, files: TlsFiles): tls.ConnectionOptions {
  try {
    return {
      ...readPemFiles(files),
      rejectUnauthorized: true,
      // An address is no name, and is looked for in the certificate all the same.
      servername: net.isIP(host) === 0 ? host : '',
    };
  } catch (error) {
    throw asTocsinError(error, 'ERR_SOURCE_TLS');
  }
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    if (typeof message === 'string') return message.slice(0, 1024);
  } catch {
    // Then it is shown as it came.
  }
  return JSON.stringify(text.slice(0, 200));
}
