import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { parseTime } from '../../src/event/time.ts';
import { temporaryFolder, waitFor } from './daemon.ts';
import { engineLine, EngineMemory } from './engine-memory.ts';

/** An engine with Docker's `/events` on a unix socket: it remembers 256 events and can be stopped and started. */
export class FakeEngine {
  readonly #folder = temporaryFolder();
  readonly socketPath = path.join(this.#folder, 'docker.sock');
  readonly #memory = new EngineMemory();
  readonly #streams = new Set<http.ServerResponse>();
  #server: http.Server | undefined;
  /** What was asked for, in order. */
  readonly targets: string[] = [];
  #events = 0;

  async start(): Promise<void> {
    const server = http.createServer((request, response) => {
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
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.socketPath, resolve));
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
