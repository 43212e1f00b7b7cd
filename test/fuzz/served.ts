import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { createPipeline, type Pipeline } from '../../src/index.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { checkAnswer, readAnswers } from './http-answers.ts';
import { Stopwatch, until } from './stopwatch.ts';
import { Broken, demand, type Run, show } from './target.ts';

/** What takes longer never ends. */
export const LIMIT_MS = 10_000;
/** Turns of the event loop without a byte after which nothing more is waited for: the service runs in this process. */
export const QUIET_TURNS = 12;
const MAX_LINGERING = 8;
/** Descriptors that are opened once, when they are first needed. */
const SPARE_DESCRIPTORS = 4;
/** A request that can be answered at once: nothing announces a body, or asks for something else than an answer. */
const CLEAR_REQUEST =
  /^(?:GET|HEAD|DELETE|OPTIONS) \/[\w/.?=&%-]* HTTP\/1\.[01]\r\n(?:(?!content-length|transfer-encoding|expect|upgrade|connection)[A-Za-z-]+: [\x20-\x7e]*\r\n)*\r\n/i;

/** How an input is sent, and how its connection ends. */
export interface Exchange {
  readonly isAdmin: boolean;
  readonly pieces: readonly Buffer[];
  /** `vanish` closes, `end` says that nothing follows, `linger` stays as it is for a while. */
  readonly last: 'vanish' | 'end' | 'linger';
}

/** A whole service with both sockets, in this thread, and a subscriber that must not notice what others do. */
export class Served {
  readonly #pipeline: Pipeline;
  readonly #root: string;
  readonly #lingering: net.Socket[] = [];
  readonly #strays: unknown[] = [];
  readonly #onStray = (error: unknown): void => void this.#strays.push(error);
  #published = 0;
  #heard = 0;
  #gaps = 0;
  #connections = 0;
  #descriptors = 0;

  private constructor(pipeline: Pipeline, root: string) {
    this.#pipeline = pipeline;
    this.#root = root;
    process.on('uncaughtException', this.#onStray);
  }

  /** A run of a target whose inputs are text, a byte a character. */
  static async run(check: (served: Served, input: string) => Promise<void>): Promise<Run> {
    const served = await Served.open();
    return {
      check: (input) => check(served, Buffer.from(input).toString('latin1')),
      rest: () => served.rest(),
      close: () => served.close(),
    };
  }

  static async open(): Promise<Served> {
    const root = temporaryFolder();
    const pipeline = await createPipeline({
      threads: 'inline',
      listen: path.join(root, 'tocsin.sock'),
      admin: path.join(root, 'admin.sock'),
      durability: 'memory',
      memoryBytes: 1024 * 1024,
    });
    const served = new Served(pipeline, root);
    await served.#listen();
    return served;
  }

  /** Number of the newest event of the healthy source, whose containers have numbers for names. */
  get published(): number {
    return this.#published;
  }

  async #listen(): Promise<void> {
    const subscriber = await this.#pipeline.subscribe();
    void (async () => {
      for await (const delivery of subscriber) {
        if ('missed' in delivery) this.#gaps += 1;
        else if ('id' in delivery && delivery.source === 'healthy') {
          demand(delivery.id === String(this.#heard + 1), 'gives the healthy subscriber another event');
          this.#heard += 1;
        }
      }
    })().catch(this.#onStray);
  }

  /** @throws Broken when what comes back is wrong */
  async exchange({ isAdmin, pieces, last }: Exchange): Promise<void> {
    const socket = this.connect(isAdmin);
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    for (const piece of pieces) {
      if (socket.writable) socket.write(piece);
      await turn();
    }
    const said = Buffer.concat(pieces).toString('latin1');
    if (CLEAR_REQUEST.test(said) && pieces.length > 0)
      await until(
        () => text !== '' || socket.destroyed,
        LIMIT_MS,
        () => new Broken('does not answer', show(said)),
      );
    for (let turns = 0, length = 0; turns < QUIET_TURNS && !socket.destroyed; turns += 1) {
      await turn();
      if (text.length !== length) turns = 0;
      length = text.length;
    }
    // HTTP/2 is another matter: here it must only hurt nobody.
    const isHttp2 = !isAdmin && said.startsWith('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    if (last === 'linger') this.#lingering.push(socket);
    else if (last === 'vanish' || isHttp2) socket.destroy();
    else await this.#end(socket, said);
    if (this.#lingering.length > MAX_LINGERING) this.#lingering.shift()?.destroy();
    const mayBeHead = said.includes('HEAD');
    if (!isHttp2) for (const answer of readAnswers(text, mayBeHead)) checkAnswer(answer, isAdmin, mayBeHead);
    this.checkStrays();
  }

  async #end(socket: net.Socket, said: string): Promise<void> {
    socket.end();
    await until(
      () => socket.destroyed,
      LIMIT_MS,
      () => new Broken('keeps a connection whose client has said that nothing follows', show(said)),
    );
  }

  /** Everybody leaves; then all is as it was, and the healthy subscriber has heard everything. */
  async rest(): Promise<void> {
    for (const socket of this.#lingering.splice(0)) socket.destroy();
    await this.exchange({
      isAdmin: false,
      pieces: [Buffer.from('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')],
      last: 'end',
    });
    this.#published += 1;
    const id = String(this.#published);
    const outcome = this.#pipeline.publish({ type: 'container', action: 'start', id, source: 'healthy' });
    demand(outcome === 'accepted', 'takes no more events', () => show(outcome));
    await until(
      () => this.#heard === this.#published,
      LIMIT_MS,
      () => new Broken('keeps an event from the healthy subscriber', `${this.#heard} of ${this.#published}`),
    );
    demand(this.#gaps === 0, 'tells the healthy subscriber of a gap');
    await this.#emptied();
    for (const { id: container } of await this.#pipeline.containers.list())
      await this.#pipeline.containers.remove(container);
    await this.#pipeline.containers.set('c1', { name: 'web', image: 'bb:1', pid: 7, labels: { tier: 'front' } });
    const { state, counters } = this.#pipeline.stats();
    demand(state === 'running', 'does not run any more', () => state);
    demand(counters.connections === this.#connections, 'counts other connections than there were', () =>
      show([counters.connections, this.#connections]),
    );
    this.checkStrays();
  }

  /** Waits until nothing of the clients that left is there. */
  async #emptied(): Promise<void> {
    let clients = 0;
    let descriptors = 0;
    const isEmpty = (): boolean => {
      descriptors = fs.readdirSync('/proc/self/fd').length;
      return this.#descriptors === 0 || descriptors <= this.#descriptors + SPARE_DESCRIPTORS;
    };
    const watch = new Stopwatch();
    for (; watch.ms < LIMIT_MS; await turn()) {
      clients = (await this.#pipeline.clients()).length;
      if (clients === 1) break;
    }
    demand(clients === 1, 'keeps clients that have gone', () => `${clients - 1}`);
    await until(
      isEmpty,
      LIMIT_MS,
      () => new Broken('keeps descriptors of clients that have gone', `${descriptors}, once ${this.#descriptors}`),
    );
    if (this.#descriptors === 0) this.#descriptors = descriptors;
  }

  /** @throws what the service has thrown where nobody catches it */
  checkStrays(): void {
    const stray = this.#strays.pop();
    if (stray !== undefined) throw stray;
  }

  /** Whoever connects closes, too. */
  connect(isAdmin: boolean): net.Socket {
    const socket = net.connect(path.join(this.#root, isAdmin ? 'admin.sock' : 'tocsin.sock'));
    if (!isAdmin) this.#connections += 1;
    socket.on('error', () => {});
    return socket;
  }

  async close(): Promise<void> {
    for (const socket of this.#lingering) socket.destroy();
    await this.#pipeline.close();
    process.off('uncaughtException', this.#onStray);
    fs.rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
