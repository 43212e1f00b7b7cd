import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { compareTime, parseTimeNano } from '../event/time.ts';
import type { Address } from './address.ts';
import { isPassing } from './answer.ts';
import { Backoff } from '../event/backoff.ts';
import { Connection } from './connection.ts';
import type { Environment } from './environment.ts';
import { EventsQuery, type EventsOptions } from './events-query.ts';
import { eventsIn, LineSplitter, type Piece } from './line-splitter.ts';

/**
 * A stream over as many connections as it takes: each begins exactly behind the last piece of the one before. Nothing is read
 * before it is asked for.
 */
export class ResumingStream implements AsyncIterableIterator<Piece, undefined> {
  readonly #address: Address;
  readonly #query: EventsQuery;
  readonly #options: EventsOptions;
  readonly #environment: Environment;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  readonly #pieces: AsyncGenerator<Piece, undefined>;
  /** Where the next connection begins. */
  #cursor: string | undefined;
  #name: string | undefined;
  /** This connection did not say from which time on. */
  #isResumed = false;
  /** Events before it are not for the client, and a request with a cursor cannot say so; gone with the first event. */
  #since: Timestamp | undefined;

  /** @throws ERR_OPTION_INVALID, ERR_PARAMETER_INVALID, ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_FILTER_INVALID */
  constructor(address: Address, options: EventsOptions, environment: Environment) {
    this.#address = address;
    this.#query = new EventsQuery(options, environment.now());
    this.#options = options;
    this.#environment = environment;
    this.#backoff = new Backoff(() => environment.random());
    this.#cursor = this.#query.after;
    this.#name = this.#query.name;
    this.#since = this.#query.since;
    this.#pieces = this.#run();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next piece. @throws what no other try can mend */
  next(): Promise<IteratorResult<Piece, undefined>> {
    return this.#pieces.next();
  }

  /** Closes the connection; a `next` that waits ends. */
  return(): Promise<IteratorResult<Piece, undefined>> {
    this.#stop.abort();
    return this.#pieces.return(undefined);
  }

  /** Whoever iterates has gone, or the signal came. */
  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async *#run(): AsyncGenerator<Piece, undefined> {
    const { signal, onState } = this.#options;
    const stop = (): void => this.#stop.abort();
    if (signal?.aborted) return;
    signal?.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        const error = yield* this.#connection();
        if (!error || this.isStopped) return;
        if (!this.#reconnects || !isPassing(error)) throw error;
        const delayMs = this.#backoff.nextMs();
        onState?.({ state: 'waiting', error, delayMs });
        await this.#pause(delayMs);
        if (this.isStopped) return;
      }
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** The pieces of one connection. @returns why another one is needed; undefined when the stream is complete */
  async *#connection(): AsyncGenerator<Piece, TocsinError | undefined> {
    let connection: Connection | undefined;
    try {
      connection = await this.#connect();
      const splitter = new LineSplitter();
      let heartbeats = 0;
      for (let bytes = await connection.read(); bytes; bytes = await connection.read()) {
        for (const piece of splitter.push(bytes)) {
          if (this.isStopped) return undefined;
          if (piece.bytes.length === 0) heartbeats += 1;
          // The first heartbeat comes with the head: a daemon that cuts everybody sends it as well.
          if (piece.bytes.length > 0 || heartbeats > 1) this.#backoff.reset();
          const taken = this.#take(piece);
          this.#cursor = piece.cursor;
          yield taken;
        }
      }
      if (splitter.isWithinLine)
        return new TocsinError('ERR_DAEMON_UNAVAILABLE', 'the stream ended abnormally (within a line)');
      return this.#isComplete ? undefined : new TocsinError('ERR_PIPELINE_CLOSED', 'the daemon ended the stream');
    } catch (thrown) {
      return asTocsinError(thrown);
    } finally {
      connection?.close();
    }
  }

  async #connect(): Promise<Connection> {
    const connection = await Connection.open({
      address: this.#address,
      path: this.#query.path(this.#cursor, this.#name),
      silenceMs: this.#query.silenceMs,
      signal: this.#stop.signal,
      environment: this.#environment,
    });
    this.#isResumed = this.#cursor !== undefined;
    this.#options.onState?.({ state: 'connected', ...(this.#cursor === undefined ? {} : { after: this.#cursor }) });
    return connection;
  }

  /** What of a piece is for the client. */
  #take(piece: Piece): Piece {
    const since = this.#since;
    if (!piece.last) return piece;
    // From now on it is this container, whoever is given its name.
    if (this.#name !== undefined) this.#name = piece.last.id;
    if (!since) return piece;
    const bytes = this.#isResumed ? linesNotBefore(piece.bytes, since) : piece.bytes;
    if (bytes.length === 0) return { bytes, cursor: piece.cursor };
    this.#since = undefined;
    return { ...piece, bytes };
  }

  /** Whether a clean end is the one that was asked for, and not the daemon's. */
  get #isComplete(): boolean {
    const { follow, until } = this.#query;
    return !this.#reconnects || !follow || (until !== undefined && compareTime(until, this.#environment.now()) <= 0);
  }

  get #reconnects(): boolean {
    return this.#options.reconnect ?? this.#query.follow;
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#environment.later(delayMs, done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}

/** Times grow with every event, so all lines from the first one on that is late enough. */
function linesNotBefore(lines: Buffer, since: Timestamp): Buffer {
  let at = 0;
  for (const { timeNano } of eventsIn(lines)) {
    if (compareTime(parseTimeNano(timeNano), since) >= 0) break;
    at = lines.indexOf('\n', at) + 1;
  }
  return lines.subarray(at);
}
