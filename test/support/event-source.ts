import http from 'node:http';

export interface ServerSentEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** Reads an event stream as a browser does (HTML standard, 9.2.6 "Interpreting an event stream"), however it is split. */
export class EventSourceParser {
  /** What a client that comes back says in `Last-Event-ID`. */
  lastEventId: string;
  #id: string;
  #type = '';
  #data = '';
  #line = '';
  /** The last line ended with CR: an LF that follows belongs to that end. */
  #isBehindReturn = false;
  /** Passes over a byte order mark at the beginning, as the standard wants it. */
  readonly #decoder = new TextDecoder();

  constructor(lastEventId = '') {
    this.lastEventId = lastEventId;
    this.#id = lastEventId;
  }

  /** @returns the events that these bytes complete */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    for (const character of this.#decoder.decode(bytes, { stream: true })) {
      const isRestOfEnd = this.#isBehindReturn && character === '\n';
      this.#isBehindReturn = character === '\r';
      if (isRestOfEnd) continue;
      if (character !== '\r' && character !== '\n') {
        this.#line += character;
        continue;
      }
      const event = this.#endLine();
      if (event) events.push(event);
    }
    return events;
  }

  #endLine(): ServerSentEvent | undefined {
    const line = this.#line;
    this.#line = '';
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    // One that begins with a colon is a comment; its field has no name.
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const [type, data] = [this.#type, this.#data];
    this.#type = '';
    this.#data = '';
    this.lastEventId = this.#id;
    if (data === '') return undefined;
    return { type: type === '' ? 'message' : type, data: data.slice(0, -1), lastEventId: this.lastEventId };
  }
}

/** As much of a browser's `EventSource` as a test needs: it comes back to the URL that it began with, and says what it got last. */
export class EventSourceClient {
  /** Of all its connections. */
  readonly events: ServerSentEvent[] = [];
  headers: http.IncomingHttpHeaders = {};
  readonly #socketPath: string;
  readonly #path: string;
  #request: http.ClientRequest | undefined;
  #lastEventId = '';

  constructor(socketPath: string, path: string) {
    this.#socketPath = socketPath;
    this.#path = path;
  }

  /** Resolves when the stream has begun. */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = {
        Accept: 'text/event-stream',
        'Cache-Control': 'no-cache',
        ...(this.#lastEventId === '' ? {} : { 'Last-Event-ID': this.#lastEventId }),
      };
      const request = http.get(
        { socketPath: this.#socketPath, path: this.#path, headers, agent: false },
        (response) => {
          if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
          this.headers = response.headers;
          const parser = new EventSourceParser(this.#lastEventId);
          response.on('error', () => {});
          response.on('data', (bytes: Buffer) => {
            if (request !== this.#request) return;
            this.events.push(...parser.push(bytes));
            this.#lastEventId = parser.lastEventId;
          });
          resolve();
        },
      );
      this.#request = request;
      request.once('error', reject);
    });
  }

  /** Loses the connection; what is still under way on it is lost as well. */
  cut(): void {
    this.#request?.destroy();
    this.#request = undefined;
  }
}
