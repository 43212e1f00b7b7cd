import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createPipeline, type Pipeline, type PipelineOptions } from '../../src/index.ts';
import { call, temporaryFolder, waitFor } from '../support/daemon.ts';

export type Threads = 'workers' | 'inline';

export interface Event {
  readonly seq: number;
  readonly type: string;
  readonly action: string;
  readonly args?: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly pid?: number;
  readonly exitCode?: number;
}

/** A pipeline with every door open in a folder of its own. */
export class Fixture {
  readonly root = temporaryFolder();
  readonly fifo = path.join(this.root, 'monitord_fifo');
  readonly events = path.join(this.root, 'tocsin.sock');
  readonly admin = path.join(this.root, 'admin.sock');
  readonly threads: Threads;
  #pipeline: Pipeline | undefined;

  constructor(threads: Threads) {
    this.threads = threads;
  }

  get pipeline(): Pipeline {
    if (!this.#pipeline) throw new Error('not open');
    return this.#pipeline;
  }

  async open(options: PipelineOptions = {}): Promise<void> {
    const { threads, fifo, events: listen, admin } = this;
    this.#pipeline = await createPipeline({ threads, fifo, listen, admin, ...options });
  }

  async close(): Promise<void> {
    await this.#pipeline?.close();
    fs.rmSync(this.root, { recursive: true, force: true });
  }

  /** Writes bytes to the FIFO as one sender would, in writes of at most `size` bytes. */
  write(bytes: Uint8Array, size = 4096): void {
    const fd = fs.openSync(this.fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    try {
      for (let at = 0; at < bytes.length; at += size) fs.writeSync(fd, bytes, at, Math.min(size, bytes.length - at));
    } finally {
      fs.closeSync(fd);
    }
  }

  async head(seq: number): Promise<void> {
    await waitFor(() => this.pipeline.stats().headSeq >= seq, `event ${seq}`);
  }

  async counter(id: string, value: number): Promise<void> {
    const read = (): number => (this.pipeline.stats().counters as Readonly<Record<string, number>>)[id] ?? -1;
    await waitFor(() => read() >= value, `counter ${id} to reach ${value}`).catch((error: unknown) => {
      throw new Error(`${String(error)}; it is ${read()}`);
    });
  }

  /** The whole log, over the native door. */
  async log(query = 'since=0&follow=false'): Promise<Event[]> {
    const answer = await call(this.events, `/v1/events?${query}`);
    if (answer.status !== 200 || !answer.complete) throw new Error(`status ${answer.status}: ${answer.body}`);
    return answer.body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Event);
  }

  /** Sends bytes over a socket, that of the events unless told otherwise, and returns all that comes back until the other side ends. */
  raw(bytes: string | Uint8Array, options: { readonly socket?: string } = {}): Promise<string> {
    const limitMs = 15_000;
    return new Promise((resolve, reject) => {
      const socket = net.connect(options.socket ?? this.events);
      let text = '';
      socket.setTimeout(limitMs, () => {
        socket.destroy();
        reject(new Error(`nothing ended the connection within ${limitMs} ms; got ${JSON.stringify(text)}`));
      });
      socket.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
      socket.once('error', () => {});
      socket.once('close', () => resolve(text));
      if (bytes.length > 0) socket.write(bytes);
    });
  }
}
