import type http from 'node:http';
import { isBlankLine } from '../codec/event-line.ts';
import { EventPacker } from '../codec/event-packer.ts';
import { TocsinError } from '../event/errors.ts';
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
    replyJson(response, 200, await this.#pipeline.publishPacked(events, origin));
  }

  /** The whole past of an empty log, however long. */
  async importHistory(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { cursor, appended } = await this.#pipeline.importPacked(batchesOf(request));
    replyJson(response, 200, { cursor, appended });
  }

  async #readBatch(request: http.IncomingMessage): Promise<EventPacker> {
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
      const events = new EventPacker();
      packLines(events, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), { at: 0, number: 1 });
      return events;
    } finally {
      this.#bodiesBytes -= bytes;
    }
  }
}

/** Each batch is the same packer: it is used before the next one is asked for. */
async function* batchesOf(request: http.IncomingMessage): AsyncGenerator<EventPacker> {
  const events = new EventPacker();
  let rest: Buffer = Buffer.alloc(0);
  let lineNumber = 1;
  for await (const chunk of bodyOf(request)) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = data.lastIndexOf(LF) + 1;
    rest = data.subarray(end);
    if (rest.length > MAX_LINE_BYTES) throw tooLarge(`line ${lineNumber}`, 'line-bytes', MAX_LINE_BYTES);
    lineNumber = yield* batchesIn(data.subarray(0, end), lineNumber, events);
  }
  // A request that was cut off ends with an error before this.
  yield* batchesIn(rest, lineNumber, events);
}

/** @param first number of the first line. @returns the number of the line behind the last one */
function* batchesIn(lines: Buffer, first: number, events: EventPacker): Generator<EventPacker, number> {
  const next = { at: 0, number: first };
  while (next.at < lines.length) {
    events.clear();
    packLines(events, lines, next, IMPORT_BATCH_LINES);
    if (events.count > 0) yield events;
  }
  return next.number;
}

/**
 * Adds the events of at most `limit` lines; empty ones are passed over.
 * @param next where the next line begins, and its number for errors; moved on
 */
function packLines(events: EventPacker, lines: Buffer, next: { at: number; number: number }, limit = Infinity): void {
  for (let count = 0; count < limit && next.at < lines.length; count += 1) {
    const end = lines.indexOf(LF, next.at);
    const to = end < 0 ? lines.length : end;
    if (!isBlankLine(lines, next.at, to)) addLine(events, lines, next.at, to, next.number);
    next.at = to + 1;
    next.number += 1;
  }
}

function addLine(events: EventPacker, lines: Buffer, from: number, to: number, number: number): void {
  try {
    events.addLine(lines, from, to);
  } catch (error) {
    if (!(error instanceof TocsinError)) throw error;
    throw new TocsinError(error.code, `line ${number}: ${error.message}`, { cause: error });
  }
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
