import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type net from 'node:net';
import path from 'node:path';
import { parseTime } from '../../src/event/time.ts';
import { temporaryFolder, waitFor } from './daemon.ts';
import { engineLine, EngineMemory } from './engine-memory.ts';

/** Of an engine over TCP; with `tls` it wants a certificate from who asks. */
export interface FakeEngineOptions {
  readonly tls?: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
}

/**
 * An engine with Docker's `/events`, on a unix socket unless it is told otherwise: it remembers 256 events and can be stopped and
 * started.
 */
export class FakeEngine {
  readonly #folder = temporaryFolder();
  readonly socketPath = path.join(this.#folder, 'docker.sock');
  readonly #memory = new EngineMemory();
  readonly #streams = new Set<http.ServerResponse>();
  #server: http.Server | undefined;
  /** Which events were asked for, in order. */
  readonly targets: string[] = [];
  /** As `/containers/json` tells them. */
  containers: readonly unknown[] = [];
  #events = 0;
  readonly #network: FakeEngineOptions | undefined;

  /** @param network over TCP */
  constructor(network?: FakeEngineOptions) {
    this.#network = network;
  }

  async start(): Promise<void> {
    const answer: http.RequestListener = (request, response) => this.#answer(request, response);
    const { tls } = this.#network ?? {};
    const server = tls ? https.createServer({ ...tls, requestCert: true }, answer) : http.createServer(answer);
    this.#server = server;
    await new Promise<void>((resolve) =>
      this.#network ? server.listen(0, '127.0.0.1', resolve) : server.listen(this.socketPath, resolve),
    );
  }

  get port(): number {
    return (this.#server!.address() as net.AddressInfo).port;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    if (request.url === '/_ping') {
      response.end('OK');
    } else if (request.url === '/containers/json?all=1') {
      response.end(JSON.stringify(this.containers));
    } else {
      this.targets.push(request.url ?? '');
      const since = parseTime(new URL(request.url ?? '', 'http://docker').searchParams.get('since') ?? '', {
        sec: 0,
        nanos: 0,
      });
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.flushHeaders();
      for (const line of this.#memory.since(since)) response.write(line);
      this.#streams.add(response);
      response.once('close', () => this.#streams.delete(response));
    }
  }

  /** So many events happen. */
  emit(count: number): void {
    for (let index = 0; index < count; index += 1) {
      this.#events += 1;
      const line = engineLine(this.#events);
      this.#memory.add(line);
      for (const stream of this.#streams) stream.write(line);
    }
  }

  /** It ends, and forgets everything. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#memory.forget();
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    server?.closeAllConnections();
    await closed;
  }

  async listeners(count: number): Promise<void> {
    await waitFor(() => this.#streams.size === count, `${count} listeners of the engine`);
  }

  async close(): Promise<void> {
    await this.stop();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}
