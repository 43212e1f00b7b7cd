import type { AddressInfo } from 'node:net';
import { TocsinError } from '../event/errors.ts';
import type { HostAndPort } from '../event/host-and-port.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { answerHealth } from './health.ts';
import { replyError, requireMethod, targetOf } from './http-reply.ts';
import { createHttpServer, limitConnections, requireLoopbackHost } from './http-server.ts';

/** Health and metrics for programs that collect them over TCP. On the main thread. */
export interface MetricsDoor {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws ERR_SOCKET_UNUSABLE */
export async function openMetricsDoor(
  pipeline: Pipeline,
  { host, port }: HostAndPort,
  maxConnections: number,
): Promise<MetricsDoor> {
  const server = createHttpServer((request, response) => {
    const answer = async (): Promise<void> => {
      const { pathname } = targetOf(request);
      requireLoopbackHost(request);
      requireMethod(request, 'GET', 'HEAD');
      if (!(await answerHealth(pipeline, pathname, response)))
        throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
    };
    request.resume();
    answer().catch((error: unknown) => replyError(response, error));
  });
  limitConnections(server, maxConnections, () => pipeline.counters.add('connectionsRefused'));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new TocsinError('ERR_SOCKET_UNUSABLE', `cannot listen on ${host}:${port}`, { cause })),
    );
    server.listen({ host, port }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
