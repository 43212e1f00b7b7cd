import type http from 'node:http';
import { finished } from 'node:stream/promises';
import { TocsinError } from '../event/errors.ts';
import type { AdminAddress, Right } from '../event/admin-address.ts';
import type { ContainerSpec } from '../event/event.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { AccessRule } from './access-rule.ts';
import { Acceptor, closeServer } from './acceptor.ts';
import { AdminPublishing } from './admin-publish.ts';
import { answerHealth } from './health.ts';
import { bodyOf, replyError, replyJson, requireMethod, targetOf } from './http-reply.ts';
import { localPeerOf } from './peer.ts';
import { loadPosix } from './posix.ts';
import { createHttpServer, limitConnections } from './http-server.ts';

const MAX_BODY_BYTES = 64 * 1024;
const SILENCE_LIMIT_MS = 10_000;
const HEALTH: ReadonlySet<string> = new Set(['/_ping', '/healthz', '/readyz']);
const CONTAINER_PATH = /^\/v1\/containers\/([^/]+)$/;

/** The admin socket: publishers, the container table, the clients, statistics. On the main thread. */
export interface AdminDoor {
  /** Takes no new connection. */
  stopListening(): void;
  close(): Promise<void>;
}

/**
 * @param listenFd a descriptor of the listening admin socket, which the door then owns
 * @throws ERR_OPTION_INVALID for an account that is not known
 */
export async function openAdminDoor(
  pipeline: Pipeline,
  listenFd: number,
  { rights }: AdminAddress,
  maxConnections: number,
): Promise<AdminDoor> {
  const posix = await loadPosix();
  const publishing = new AdminPublishing(pipeline);
  const rules: Readonly<Record<Right, AccessRule>> = {
    read: new AccessRule('reading', rights.read),
    publish: new AccessRule('publishing', rights.publish),
    admin: new AccessRule('changing containers and history', rights.admin),
  };
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const requireRight = (right: Right): void => rules[right].require(localPeerOf(posix, request.socket));
    answer(pipeline, publishing, request, response, requireRight).catch(async (error: unknown) => {
      // A client that is still sending would find the connection closed before it sees the refusal.
      await finished(request.resume()).catch(() => {});
      replyError(response, error);
    });
  };
  // An import takes as long as it takes; a connection that moves nothing is ended all the same.
  const server = createHttpServer(onRequest, undefined, { requestTimeout: 0 });
  server.setTimeout(SILENCE_LIMIT_MS);
  limitConnections(server, maxConnections, () => pipeline.counters.add('connectionsRefused'));
  const acceptor = new Acceptor(server, posix, listenFd, () => pipeline.counters.add('acceptPauses'));
  await acceptor.open();
  return { stopListening: () => acceptor.close(), close: () => closeServer(server, acceptor) };
}

async function answer(
  pipeline: Pipeline,
  publishing: AdminPublishing,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  requireRight: (right: Right) => void,
): Promise<void> {
  const { pathname, searchParams } = targetOf(request);
  pipeline.counters.add('adminRequests');
  const container = CONTAINER_PATH.exec(pathname)?.[1];
  if (container !== undefined) {
    requireMethod(request, 'PUT', 'DELETE');
    requireRight('admin');
    return answerContainer(pipeline, decode(container), request, response);
  }
  if (pathname === '/v1/events') {
    requireMethod(request, 'POST');
    requireRight('publish');
    return publishing.publish(request, response, searchParams);
  }
  if (pathname === '/v1/history') {
    requireMethod(request, 'POST');
    requireRight('admin');
    return publishing.importHistory(request, response);
  }
  requireMethod(request, 'GET', 'HEAD');
  // Whether it is there, and works, everybody may ask who can connect.
  if (!HEALTH.has(pathname)) requireRight('read');
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
