import type http from 'node:http';
import { encodeNotice } from '../codec/native-json.ts';
import { encodeSseNotice } from '../codec/native-sse.ts';
import { TocsinError } from '../event/errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { JSON_LINES_TYPE, prefersSse, SSE_TYPE } from './accept-header.ts';
import { framingOf, streamEvents } from './event-stream.ts';
import { replyText, requireMethod } from './http-reply.ts';
import type { ListenerShard } from './listener-shard.ts';
import { parseNativeQuery } from './native-query.ts';
import type { SocketWriter } from './socket-writer.ts';

const JSON_LINES = {
  headers: { 'Content-Type': JSON_LINES_TYPE, 'Cache-Control': 'no-cache' },
  encode: encodeNotice,
} as const;
const SSE = { headers: { 'Content-Type': SSE_TYPE, 'Cache-Control': 'no-store' }, encode: encodeSseNotice } as const;
/** Proxies close a connection on which nothing is sent, many of them after 30 s or a minute. */
const SSE_HEARTBEAT_SEC = 15;

/** The native dialect: `/v1/events` as JSON lines or server-sent events, and the health paths. */
export class NativeDoor {
  readonly #shard: ListenerShard;
  readonly #writer: SocketWriter;
  readonly #clock = systemClock();

  constructor(shard: ListenerShard, writer: SocketWriter) {
    this.#shard = shard;
    this.#writer = writer;
  }

  async answer(request: http.IncomingMessage, response: http.ServerResponse, target: URL): Promise<void> {
    switch (target.pathname) {
      case '/v1/events':
        requireMethod(request, 'GET');
        return this.#events(request, response, target.searchParams);
      case '/healthz':
        requireMethod(request, 'GET', 'HEAD');
        return replyText(response, 200, 'OK');
      case '/readyz':
        requireMethod(request, 'GET', 'HEAD');
        if (this.#shard.isSealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
        if (!this.#shard.isHistoryWritable)
          throw new TocsinError('ERR_HISTORY_UNWRITABLE', 'the history cannot be written');
        return replyText(response, 200, 'OK');
      default:
        throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
    }
  }

  async #events(request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams): Promise<void> {
    const framing = framingOf(request);
    const { accept, 'last-event-id': lastEventId } = request.headers;
    const isSse = prefersSse(accept);
    const subscription = parseNativeQuery(query, {
      format: isSse ? `sse-${framing}` : `json-${framing}`,
      now: this.#clock.now(),
      redact: this.#shard.redacts,
      heartbeatSec: isSse ? SSE_HEARTBEAT_SEC : 0,
      lastEventId: isSse ? lastEventId?.toString() : undefined,
    });
    const handle = await this.#shard.subscribe(subscription, this.#shard.peerOf(request.socket));
    const { headers, encode } = isSse ? SSE : JSON_LINES;
    streamEvents(request, response, handle, this.#writer, headers, (notice) => encode(notice, framing));
  }
}
