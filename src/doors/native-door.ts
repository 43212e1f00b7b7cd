import type http from 'node:http';
import type { Fanout } from '../actors/fanout.ts';
import { encodeNotice } from '../codec/native-json.ts';
import { TocsinError } from '../event/errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { framingOf, streamEvents } from './event-stream.ts';
import { replyText, requireMethod } from './http-reply.ts';
import { parseNativeQuery } from './native-query.ts';
import type { SocketWriter } from './socket-writer.ts';

/** The native dialect: `/v1/events` as JSON lines, and the health paths. */
export class NativeDoor {
  readonly #fanout: Fanout;
  readonly #writer: SocketWriter;
  readonly #clock = systemClock();

  constructor(fanout: Fanout, writer: SocketWriter) {
    this.#fanout = fanout;
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
        if (this.#fanout.isSealed) throw new TocsinError('ERR_PIPELINE_CLOSED', 'the service is shutting down');
        if (!this.#fanout.isHistoryWritable)
          throw new TocsinError('ERR_HISTORY_UNWRITABLE', 'the history cannot be written');
        return replyText(response, 200, 'OK');
      default:
        throw new TocsinError('ERR_ROUTE_UNKNOWN', 'page not found');
    }
  }

  async #events(request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams): Promise<void> {
    const framing = framingOf(request);
    const handle = await this.#fanout.subscribe(parseNativeQuery(query, `json-${framing}`, this.#clock.now()));
    const headers = { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-cache' };
    streamEvents(request, response, handle, this.#writer, headers, (notice) => encodeNotice(notice, framing));
  }
}
