import type http from 'node:http';
import { parseEventLine } from '../codec/event-line.ts';
import { TocsinError } from '../event/errors.ts';
import type { NewEvent } from '../event/event.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import type { PublishOrigin } from '../runtime/publisher.ts';
import { bodyOf, replyJson } from './http-reply.ts';

/** Of one request to publish. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Of all requests to publish together. */
const MAX_BODIES_BYTES = 32 * 1024 * 1024;
const MAX_LINE_BYTES = 1024 * 1024;
/** Lines that are handed to the log together while history is imported. */
const IMPORT_BATCH_LINES = 512;
const LF = 0x0a;

/** What publishers send to the admin socket: `POST /v1/events` and `POST /v1/history`, JSON lines both. */
export class AdminPublishing {
  readonly #pipeline: Pipeline;
  #bodiesBytes = 0;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** One batch, answered when all of it is in the log. */
  async publish(request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams): Promise<void> {
    const origin = parseOrigin(query);
    const events = await this.#readBatch(request);
    replyJson(response, 200, await this.#pipeline.publishDurable(events, origin));
  }

  /** The whole past of an empty log, however long. */
  async importHistory(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { cursor, appended } = await this.#pipeline.importHistory(batchesOf(request));
    replyJson(response, 200, { cursor, appended });
  }

  async #readBatch(request: http.IncomingMessage): Promise<NewEvent[]> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of bodyOf(request)) {
        bytes += chunk.length;
        this.#bodiesBytes += chunk.length;
        if (bytes > MAX_BODY_BYTES) throw tooLarge('the request body', 'publish-body-bytes', MAX_BODY_BYTES);
        if (this.#bodiesBytes > MAX_BODIES_BYTES) {
          throw new TocsinError('ERR_PUBLISH_FULL', 'too many requests to publish are on their way', {
            detail: { limit: 'publish-bodies-bytes', maximum: MAX_BODIES_BYTES },
          });
        }
        chunks.push(chunk);
      }
      return parseLines(Buffer.concat(chunks).toString('utf8').split('\n'), 1);
    } finally {
      this.#bodiesBytes -= bytes;
    }
  }
}

async function* batchesOf(request: http.IncomingMessage): AsyncGenerator<NewEvent[]> {
  let rest: Buffer = Buffer.alloc(0);
  let lineNumber = 1;
  for await (const chunk of bodyOf(request)) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(LF) + 1;
    rest = data.subarray(end);
    if (rest.length > MAX_LINE_BYTES) throw tooLarge(`line ${lineNumber}`, 'line-bytes', MAX_LINE_BYTES);
    const lines = data.toString('utf8', 0, end).split('\n').slice(0, -1);
    for (let from = 0; from < lines.length; from += IMPORT_BATCH_LINES) {
      const events = parseLines(lines.slice(from, from + IMPORT_BATCH_LINES), lineNumber + from);
      if (events.length > 0) yield events;
    }
    lineNumber += lines.length;
  }
  // A request that was cut off ends with an error before this.
  const events = parseLines([rest.toString('utf8')], lineNumber);
  if (events.length > 0) yield events;
}

/** Empty lines are passed over. @param first number of the first line, for errors */
function parseLines(lines: readonly string[], first: number): NewEvent[] {
  const events: NewEvent[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    try {
      events.push(parseEventLine(line));
    } catch (error) {
      if (!(error instanceof TocsinError)) throw error;
      throw new TocsinError(error.code, `line ${first + index}: ${error.message}`, { cause: error });
    }
  }
  return events;
}

function parseOrigin(query: URLSearchParams): PublishOrigin | undefined {
  for (const key of query.keys()) {
    if (key !== 'publisher' && key !== 'sequence')
      throw new TocsinError(
        'ERR_PARAMETER_UNKNOWN',
        `unknown parameter ${JSON.stringify(key)}; known: publisher, sequence`,
      );
  }
  const publisher = query.get('publisher');
  const sequence = query.get('sequence');
  if (publisher === null && sequence === null) return undefined;
  if (publisher === null || sequence === null)
    throw new TocsinError('ERR_PARAMETER_INVALID', 'publisher and sequence belong together');
  if (!/^\d{1,16}$/.test(sequence))
    throw new TocsinError(
      'ERR_PARAMETER_INVALID',
      `sequence: expected a whole number, got ${JSON.stringify(sequence)}`,
    );
  return { publisher, sequence: Number(sequence) };
}

function tooLarge(what: string, limit: string, maximum: number): TocsinError {
  return new TocsinError('ERR_BODY_TOO_LARGE', `${what} is longer than ${maximum} bytes`, {
    detail: { limit, maximum },
  });
}
