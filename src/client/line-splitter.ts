import { TocsinError } from '../event/errors.ts';
import type { Heartbeat, Lagged, TocsinEvent } from '../event/event.ts';

const LF = 0x0a;
const MAX_LINE_BYTES = 1024 * 1024;
/** How the lines begin that are no events (docs/protocol.md); within a line there is no LF. */
const NOTICE = Buffer.from('{"type":');
const NEXT_NOTICE = Buffer.from('\n{"type":');

/** A part of a stream. */
export interface Piece {
  /** Whole lines of events as they came, or the line of a gap; nothing when only the position has changed. */
  readonly bytes: Buffer;
  /** The position behind this part: `after=cursor` goes on there. */
  readonly cursor: string;
  readonly gap?: Lagged;
  /** The last event of the lines. */
  readonly last?: TocsinEvent;
}

/** Makes pieces of the bytes of a stream, however they are cut. It keeps the beginning of one line, at most 1 MiB. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The next bytes. What is returned refers to them. @throws ERR_ANSWER_INVALID */
  push(chunk: Buffer): Piece[] {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = data.lastIndexOf(LF) + 1;
    this.#rest = data.subarray(end);
    if (this.#rest.length > MAX_LINE_BYTES) throw invalid(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    const pieces: Piece[] = [];
    for (let at = 0; at < end; ) {
      const isNotice = data.compare(NOTICE, 0, NOTICE.length, at, Math.min(end, at + NOTICE.length)) === 0;
      const next = data.indexOf(isNotice ? LF : NEXT_NOTICE, at);
      const to = next < 0 || next >= end ? end : next + 1;
      const piece = isNotice ? noticePiece(data.subarray(at, to)) : eventsPiece(data.subarray(at, to));
      if (piece) pieces.push(piece);
      at = to;
    }
    return pieces;
  }

  /** Whether a line has begun and not ended. */
  get isWithinLine(): boolean {
    return this.#rest.length > 0;
  }
}

/** The events in whole lines. @throws ERR_ANSWER_INVALID */
export function* eventsIn(lines: Buffer): Generator<TocsinEvent, undefined> {
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(LF, at);
    yield parseEvent(lines, at, end);
    at = end + 1;
  }
}

function eventsPiece(bytes: Buffer): Piece {
  const lastAt = bytes.lastIndexOf(LF, -2) + 1;
  const last = parseEvent(bytes, lastAt, bytes.length - 1);
  return { bytes, cursor: last.cursor, last };
}

function noticePiece(bytes: Buffer): Piece | undefined {
  const notice = parseLine(bytes, 0, bytes.length - 1) as Lagged | Heartbeat;
  if (notice.type === 'gap' && typeof notice.oldest === 'string') return { bytes, cursor: notice.oldest, gap: notice };
  if (notice.type === 'heartbeat' && typeof notice.cursor === 'string')
    return { bytes: bytes.subarray(0, 0), cursor: notice.cursor };
  if (notice.type === 'gap' || notice.type === 'heartbeat') throw invalid('a notice without its cursor');
  // A word of a later daemon, which was not asked for.
  return undefined;
}

function parseEvent(bytes: Buffer, from: number, to: number): TocsinEvent {
  const event = parseLine(bytes, from, to) as TocsinEvent;
  if (typeof event.cursor !== 'string' || typeof event.seq !== 'number') throw invalid('a line is no event');
  return event;
}

function parseLine(bytes: Buffer, from: number, to: number): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8', from, to));
  } catch (cause) {
    throw invalid('a line is no JSON', cause);
  }
  if (typeof parsed !== 'object' || parsed === null) throw invalid('a line is no object');
  return parsed;
}

function invalid(what: string, cause?: unknown): TocsinError {
  return new TocsinError('ERR_ANSWER_INVALID', `not a stream of events: ${what}`, { cause });
}
