import type http from 'node:http';
import { finished } from 'node:stream/promises';
import { TocsinError } from '../event/errors.ts';
import type { ContainerSpec } from '../event/event.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { AdminPublishing } from './admin-publish.ts';
import { answerHealth } from './health.ts';
import { bodyOf, replyError, replyJson, requireMethod, targetOf } from './http-reply.ts';
import { createHttpServer } from './http-server.ts';

const MAX_BODY_BYTES = 64 * 1024;
const SILENCE_LIMIT_MS = 10_000;
const CONTAINER_PATH = /^\/v1\/containers\/([^/]+)$/;

/** The admin socket: publishers, the container table, the clients, statistics. On the main thread. */
export interface AdminDoor {
  close(): Promise<void>;
}

/** @param listenFd a descriptor of the listening admin socket, which the door then owns */
export async function openAdminDoor(pipeline: Pipeline, listenFd: number): Promise<AdminDoor> {
  const publishing = new AdminPublishing(pipeline);
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    answer(pipeline, publishing, request, response).catch(async (error: unknown) => {
      // A client that is still sending would find the connection closed before it sees the refusal.
      await finished(request.resume()).catch(() => {});
      replyError(response, error);
    });
  };
  // An import takes as long as it takes; a connection that moves nothing is ended all the same.
  const server = createHttpServer(onRequest, undefined, { requestTimeout: 0 });
  server.setTimeout(SILENCE_LIMIT_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd: listenFd }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  pipeline: Pipeline,
  publishing: AdminPublishing,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = targetOf(request);
  pipeline.countAdminRequest();
  const container = CONTAINER_PATH.exec(pathname)?.[1];
  if (container !== undefined) return answerContainer(pipeline, decode(container), request, response);
  if (pathname === '/v1/events') {
    requireMethod(request, 'POST');
    return publishing.publish(request, response, searchParams);
  }
  if (pathname === '/v1/history') {
    requireMethod(request, 'POST');
    return publishing.importHistory(request, response);
  }
  requireMethod(request, 'GET', 'HEAD');
  switch (pathname) {
    case '/v1/containers':
      return replyJson(response, 200, await pipeline.containers.list());
    case '/v1/clients':
      return replyJson(response, 200, await pipeline.clients());
    case '/v1/stats':
      return replyJson(response, 200, pipeline.stats());
    default:
      if (!(await answerHealth(pipeline, pathname, response)))
        throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
  }
}

async function answerContainer(
  pipeline: Pipeline,
  id: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  requireMethod(request, 'PUT', 'DELETE');
  if (request.method === 'PUT') {
    const spec = await readBody(request);
    return replyJson(response, 200, await pipeline.containers.set(id, spec));
  }
  if (await pipeline.containers.remove(id)) return replyJson(response, 200, { id, removed: true });
  throw new TocsinError('ERR_CONTAINER_UNKNOWN', `No such container: ${id}`);
}

/** The body as an object; what is in it is checked by whoever takes it. */
async function readBody(request: http.IncomingMessage): Promise<ContainerSpec> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bodyOf(request)) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) {
      throw new TocsinError('ERR_BODY_TOO_LARGE', `the request body is longer than ${MAX_BODY_BYTES} bytes`, {
        detail: { limit: 'body-bytes', maximum: MAX_BODY_BYTES },
      });
    }
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new TocsinError('ERR_BODY_INVALID', 'the request body is not JSON', { cause: error });
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new TocsinError('ERR_BODY_INVALID', 'the request body: expected an object');
  }
  return body;
}

function decode(component: string): string {
  try {
    return decodeURIComponent(component);
  } catch {
    throw new TocsinError('ERR_CONTAINER_INVALID', 'the container id is not valid percent-encoding');
  }
}
