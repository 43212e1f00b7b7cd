import type http from 'node:http';
import { isBlankLine } from '../codec/event-line.ts';
import { EventPacker } from '../codec/event-packer.ts';
import { LineCutter } from '../codec/line-cutter.ts';
import { located, TocsinError } from '../event/errors.ts';
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
const MAX_IDLE = 8;

/** What publishers send to the admin socket: `POST /v1/events` and `POST /v1/history`, JSON lines both. */
export class AdminPublishing {
  readonly #pipeline: Pipeline;
  /** Packers whose memory is used again. */
  readonly #idle: LinePacker[] = [];
  #bodiesBytes = 0;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** One batch, answered when all of it is in the log. */
  async publish(request: http.IncomingMessage, response: http.ServerResponse, query: URLSearchParams): Promise<void> {
    const origin = parseOrigin(query);
    const lines = await this.#readBatch(request);
    const published = this.#pipeline.publishPacked(lines.events, origin);
    lines.clear();
    if (this.#idle.length < MAX_IDLE) this.#idle.push(lines);
    replyJson(response, 200, await published);
  }

  /** The whole past of an empty log, however long. */
  async importHistory(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { cursor, appended } = await this.#pipeline.importPacked(batchesOf(request));
    replyJson(response, 200, { cursor, appended });
  }

  async #readBatch(request: http.IncomingMessage): Promise<LinePacker> {
    const lines = this.#idle.pop() ?? new LinePacker();
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
        lines.take(chunk);
      }
      lines.end();
      return lines;
    } finally {
      this.#bodiesBytes -= bytes;
    }
  }
}

/** Each batch is the same packer: it is used before the next one is asked for. */
async function* batchesOf(request: http.IncomingMessage): AsyncGenerator<EventPacker> {
  const lines = new LinePacker();
  for await (const chunk of bodyOf(request)) {
    for (let at = 0; at < chunk.length; ) {
      at = lines.take(chunk, at, IMPORT_BATCH_LINES);
      if (lines.events.count === 0) continue;
      yield lines.events;
      lines.events.clear();
    }
  }
  // A request that was cut off ends with an error before this.
  lines.end();
  if (lines.events.count > 0) yield lines.events;
}

/** Packs the event of each line that comes in; empty ones are passed over. */
class LinePacker {
  readonly events = new EventPacker();
  readonly #lines = new LineCutter();
  /** Of the line that ends next, for errors. */
  #number = 1;

  /**
   * @param limit of lines
   * @returns how far it came
   * @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE with the number of the line, ERR_BODY_TOO_LARGE
   */
  take(chunk: Buffer, from = 0, limit = Infinity): number {
    let at = from;
    const lines = this.#lines;
    for (let count = 0; count < limit && at < chunk.length; count += 1) {
      at = lines.next(chunk, at);
      if (at < 0) {
        if (lines.restBytes > MAX_LINE_BYTES) throw tooLarge(`line ${this.#number}`, 'line-bytes', MAX_LINE_BYTES);
        return chunk.length;
      }
      this.#add();
    }
    return at;
  }

  /** Nothing follows: the last line needs no end. */
  end(): void {
    this.#lines.end();
    this.#add();
  }

  clear(): void {
    this.events.clear();
    this.#lines.clear();
    this.#number = 1;
  }

  #add(): void {
    const { bytes, from, to } = this.#lines;
    try {
      if (!isBlankLine(bytes, from, to)) this.events.addLine(bytes, from, to);
      this.#number += 1;
    } catch (error) {
      throw located(error, `line ${this.#number}`);
    }
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
