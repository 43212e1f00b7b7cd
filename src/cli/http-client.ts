import http from 'node:http';
import { Readable } from 'node:stream';
import { ERROR_TABLE, type ErrorCode, TocsinError } from '../event/errors.ts';

/** The socket path in `unix:///run/x.sock`. @throws ERR_OPTION_INVALID */
export function socketPathOf(host: string): string {
  const match = /^(?:unix:\/\/)?(\/.+)$/.exec(host);
  if (!match?.[1])
    throw new TocsinError('ERR_OPTION_INVALID', `host: expected unix:///path/to.sock, got ${JSON.stringify(host)}`);
  return match[1];
}

/**
 * One request over a unix socket.
 * @returns the response once its head has arrived with status 200
 * @throws ERR_DAEMON_UNAVAILABLE, and whatever the daemon answered
 */
export async function request(
  socketPath: string,
  options: { readonly method?: string; readonly path: string; readonly body?: string | Buffer | Readable },
): Promise<http.IncomingMessage> {
  const { method = 'GET', path, body } = options;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const sent = http.request({ socketPath, method, path, headers: { Host: 'tocsin' } }, resolve);
    sent.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new TocsinError(
          'ERR_DAEMON_UNAVAILABLE',
          `no daemon answers on ${socketPath} (${cause.code ?? cause.message})`,
          { cause },
        ),
      );
    });
    if (body instanceof Readable) body.pipe(sent);
    else sent.end(body);
  });
  if (response.statusCode === 200) return response;
  throw errorOf(response.statusCode ?? 0, await textOf(response));
}

export async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(status: number, text: string): TocsinError {
  try {
    const { message, code } = JSON.parse(text) as { message?: unknown; code?: unknown };
    const known = typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code) ? (code as ErrorCode) : 'ERR_INTERNAL';
    if (typeof message === 'string') return new TocsinError(known, message);
  } catch {
    // Not ours: say what it was.
  }
  return new TocsinError('ERR_DAEMON_UNAVAILABLE', `unexpected answer with status ${status}`);
}
