import http from 'node:http';
import { TocsinError } from '../event/errors.ts';
import { type Address, addressText, type ClientTls } from './address.ts';
import { answerError, unanswered } from './answer.ts';
import type { Environment } from './environment.ts';

/** The head of an answer comes at once, whatever the stream will bring. */
const HEAD_LIMIT_MS = 10_000;
const MAX_ERROR_BYTES = 64 * 1024;

export interface ConnectionOptions {
  readonly address: Address;
  readonly path: string;
  /** A connection on which nothing comes for so long is dead; 0 = never. */
  readonly silenceMs: number;
  /** Closes the connection. */
  readonly signal: AbortSignal;
  readonly environment: Environment;
}

/** One request for a stream, and the bytes that come of it. Bytes are read when they are asked for, and not before. */
export class Connection {
  readonly #response: http.IncomingMessage;
  readonly #bytes: AsyncIterator<Buffer, undefined>;
  readonly #options: ConnectionOptions;
  readonly #close = (): void => this.close();

  private constructor(response: http.IncomingMessage, options: ConnectionOptions) {
    this.#response = response;
    this.#bytes = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
    this.#options = options;
    options.signal.addEventListener('abort', this.#close, { once: true });
  }

  /** @throws ERR_DAEMON_UNAVAILABLE, ERR_ANSWER_INVALID, and whatever the daemon answered */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { address, path, signal, environment } = options;
    const request = 'tls' in address ? await secureRequest(address.tls) : http.request;
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const sent = request({ ...address, path, agent: false });
      const abort = (): void => void sent.destroy(new Error('aborted'));
      const cancel = environment.later(HEAD_LIMIT_MS, () =>
        sent.destroy(new Error(`no answer within ${HEAD_LIMIT_MS} ms`)),
      );
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', abort);
      };
      // It stays: errors that come later belong to the response.
      sent.on('error', (cause: NodeJS.ErrnoException) => {
        done();
        reject(unanswered(addressText(address), cause));
      });
      sent.once('response', (answer) => {
        done();
        resolve(answer);
      });
      signal.addEventListener('abort', abort, { once: true });
      sent.end();
    });
    const connection = new Connection(response, options);
    // The signal may have come between the answer and now.
    if (signal.aborted) connection.close();
    await connection.#requireStream();
    return connection;
  }

  /** The next bytes; undefined at a clean end. @throws ERR_DAEMON_UNAVAILABLE at any other end, and after too long a silence */
  async read(): Promise<Buffer | undefined> {
    const { silenceMs, environment } = this.#options;
    const giveUp = (): void => {
      this.#response.destroy(new Error(`nothing came for ${silenceMs} ms`));
    };
    const cancel = silenceMs > 0 ? environment.later(silenceMs, giveUp) : undefined;
    try {
      return (await this.#bytes.next()).value;
    } catch (cause) {
      const why = cause instanceof Error && cause.message !== 'aborted' ? ` (${cause.message})` : '';
      throw new TocsinError('ERR_DAEMON_UNAVAILABLE', `the stream ended abnormally${why}`, { cause });
    } finally {
      cancel?.();
    }
  }

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#close);
    this.#response.destroy();
  }

  async #requireStream(): Promise<void> {
    const { statusCode = 0, headers } = this.#response;
    if (statusCode === 200) {
      if (headers['content-type']?.startsWith('application/x-ndjson')) return;
      this.close();
      throw new TocsinError('ERR_ANSWER_INVALID', 'not a stream of events: it is no application/x-ndjson');
    }
    const body: Buffer[] = [];
    let bytes = 0;
    try {
      for (let part = await this.read(); part && bytes < MAX_ERROR_BYTES; part = await this.read()) {
        body.push(part);
        bytes += part.length;
      }
    } finally {
      this.close();
    }
    throw answerError(statusCode, Buffer.concat(body).toString('utf8'));
  }
}

/** As `http.request`, over TLS 1.2 or newer, to whom `host` names and no other. */
async function secureRequest(tls: ClientTls = {}): Promise<typeof http.request> {
  // Most clients never need it.
  const { default: https } = await import('node:https');
  return ((options: http.RequestOptions) => {
    try {
      return https.request({ ...options, ...pemsOf(tls), minVersion: 'TLSv1.2', rejectUnauthorized: true });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new TocsinError('ERR_OPTION_INVALID', `tls: expected certificates and the key of one; ${why}`, { cause });
    }
  }) as typeof http.request;
}

function pemsOf(tls: ClientTls): { readonly [name in keyof ClientTls]?: Buffer } {
  return Object.fromEntries(Object.entries(tls).map(([name, pem]) => [name, Buffer.from(pem as string)]));
}
