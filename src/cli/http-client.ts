import http from 'node:http';
import { Readable } from 'node:stream';
import { answerError, unanswered } from '../client/answer.ts';

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
    sent.once('error', (cause) => reject(unanswered(socketPath, cause)));
    if (body instanceof Readable) body.pipe(sent);
    else sent.end(body);
  });
  if (response.statusCode === 200) return response;
  throw answerError(response.statusCode ?? 0, await textOf(response));
}

export async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
