import { randomBytes } from 'node:crypto';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { packEvent } from '../codec/event-record.ts';
import { type Epoch, formatCursor, makeEpoch } from '../event/cursor.ts';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, ContainerSpec, NewEvent } from '../event/event.ts';
import type { Options } from '../event/options.ts';
import { ClientTable } from '../messages/client-table.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import type { ClientInfo, ClientRow, CollectorControl, FanoutControl, Subscription } from '../messages/control.ts';
import { counterBytes, Counters, type CounterValues, readCounters } from '../messages/counters.ts';
import type { FanoutCommand } from '../messages/fanout.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import { LogState } from '../messages/log-state.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { ActorInit, ActorName, SharedMemory } from './actor-init.ts';
import { systemClock } from './clock.ts';
import type { Asks, ControlClient } from './control.ts';
import { type PushClient, type PushClientFunctions, runPushClient } from './push-client.ts';
import { Subscriber } from './subscriber.ts';
import { type SubscribeOptions, subscriptionOf } from './subscription.ts';
import { type RunningActor, startInline, startOnThread } from './threads.ts';

export type PipelineState = 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface PipelineStats {
  readonly state: PipelineState;
  readonly epoch: Epoch;
  /** Cursor of the newest event. */
  readonly cursor: string;
  readonly headSeq: number;
  readonly oldestSeq: number;
  readonly counters: CounterValues;
}

/** What a pipeline is made of besides its options. */
export interface PipelineParts {
  readonly options: Options;
  readonly workerUrl: URL;
  readonly host: (init: ActorInit) => void;
  /** Present when there is a FIFO to read. */
  readonly fifoFd?: number;
  /** One descriptor per shard; absent when the pipeline has no doors. */
  readonly listenFds?: readonly number[];
  /** Gives back what was opened for the pipeline; called once, when no actor runs any more. */
  readonly release: () => Promise<void>;
}

const INTAKE_STOP_LIMIT_MS = 2_000;
const CUT_LIMIT_MS = 2_000;

/**
 * The supervisor: allocates the shared memory, starts the actors, wires them, and ends them. It holds no event and sees none
 * unless the embedding program subscribes on this thread.
 *
 *   monitored ==ring==> collector ==segments==> buffer
 *                          |  \\==segments==> fanout 0..N  <-> buffer (pages)
 *   publish() ==ring======>|                     ^-- clients-checker
 */
export class Pipeline {
  readonly epoch: Epoch = makeEpoch(randomBytes(8));
  readonly #parts: PipelineParts;
  readonly #memory: SharedMemory;
  readonly #logState: LogState;
  readonly #published: PublishRing;
  readonly #clientTable: ClientTable;
  readonly #counters: Counters;
  readonly #actors = new Map<ActorName, RunningActor>();
  readonly #mainPorts = new Map<ActorName, MessagePort>();
  readonly #waiting = new Map<string, () => void>();
  readonly #clock = systemClock();
  #state: PipelineState = 'starting';
  #nextShard = 0;
  #closing: Promise<void> | undefined;
  #finishing: Promise<void> | undefined;
  #failure: TocsinError | undefined;
  #settleClosed!: { resolve(): void; reject(error: TocsinError): void };
  /** Resolves when the pipeline was closed or destroyed without an error, rejects when an actor died. */
  readonly closed: Promise<void>;

  private constructor(parts: PipelineParts) {
    this.#parts = parts;
    const shards = parts.options.fanouts;
    this.#memory = {
      intakeRing: IntakeRing.allocate(),
      publishRing: PublishRing.allocate(),
      logState: LogState.allocate(),
      clients: ClientTable.allocate(shards),
      counters: new SharedArrayBuffer(counterBytes(shards + 5)),
    };
    this.#logState = new LogState(this.#memory.logState);
    this.#published = new PublishRing(this.#memory.publishRing);
    this.#clientTable = new ClientTable(this.#memory.clients);
    this.#counters = new Counters(this.#memory.counters, 0);
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = { resolve, reject };
    });
    this.closed.catch(() => {});
  }

  /** Starts all actors. @throws ERR_ACTOR_START with the cause; then nothing is left running */
  static async start(parts: PipelineParts): Promise<Pipeline> {
    const pipeline = new Pipeline(parts);
    try {
      pipeline.#startActors();
      await Promise.all([...pipeline.#actors.values()].map((actor) => actor.control.ask('start')));
      pipeline.#state = 'running';
      return pipeline;
    } catch (error) {
      await pipeline.#stopActors();
      pipeline.#state = 'failed';
      const cause = asTocsinError(error);
      throw new TocsinError('ERR_ACTOR_START', `the pipeline cannot start: ${cause.message}`, { cause });
    }
  }

  get state(): PipelineState {
    return this.#state;
  }

  /**
   * Hands an event to the log without waiting. Its cursor is not known yet; it is lost if the process dies before the
   * collector has taken it.
   * @returns `full` when the collector is behind: try again later
   * @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE
   */
  publish(event: NewEvent): 'accepted' | 'full' | 'closed' {
    const record = packEvent(event);
    if (this.#state !== 'running') return 'closed';
    const outcome = this.#published.offer(record);
    if (outcome === 'full') {
      this.#counters.add('publishFull');
      return 'full';
    }
    if (outcome === 'wake') this.#tell('collector', { type: 'records-available' } satisfies CollectorCommand);
    return 'accepted';
  }

  /**
   * Events as an async iterable, from `after` or `since` on or live. Gaps are delivered in their place. Breaking out of the
   * loop or aborting `signal` ends the subscription.
   * @throws ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_CURSOR_*, ERR_FILTER_INVALID, ERR_CONTAINER_*, ERR_PIPELINE_CLOSED
   */
  async subscribe(options: SubscribeOptions = {}): Promise<Subscriber> {
    const { subscriber } = await this.#attach(subscriptionOf('subscribe', options, this.#clock.now()));
    if (options.signal) subscriber.cancelOn(options.signal);
    return subscriber;
  }

  /** A client whose `write` is called for each event, as iSulad's stream functions are. @throws as subscribe */
  async addClient(client: PushClientFunctions & SubscribeOptions): Promise<PushClient> {
    const { subscriber, row, generation } = await this.#attach(subscriptionOf('push', client, this.#clock.now()));
    if (client.signal) subscriber.cancelOn(client.signal);
    return runPushClient(client, subscriber, () => this.#clientTable.cancel(row, generation));
  }

  /** What the engine knows about its containers; events are enriched with it. Applied when the promise resolves. */
  readonly containers = {
    set: (id: string, spec: ContainerSpec): Promise<ContainerInfo> => this.#collector().ask('putContainer', [id, spec]),
    remove: (id: string): Promise<boolean> => this.#collector().ask('removeContainer', [id]),
    list: (): Promise<readonly ContainerInfo[]> => this.#collector().ask('containers', []),
  };

  async clients(): Promise<readonly ClientInfo[]> {
    const lists = await Promise.all(this.#shardNames().map((name) => this.#shard(name).ask('clients', [])));
    return lists.flat();
  }

  stats(): PipelineStats {
    const { headSeq, oldestSeq } = this.#logState;
    return {
      state: this.#state,
      epoch: this.epoch,
      cursor: formatCursor(this.epoch, headSeq),
      headSeq,
      oldestSeq,
      counters: readCounters(this.#memory.counters),
    };
  }

  countAdminRequest(): void {
    this.#counters.add('adminRequests');
  }

  /** Finishes what was accepted: intake stops, every client gets the rest of the log within the drain timeout, threads end. */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** Stops now. What was accepted but not delivered is dropped; open subscriptions fail. */
  destroy(error?: TocsinError): Promise<void> {
    const finished = this.#finish(error ? 'failed' : 'stopped', error);
    this.#closing ??= finished;
    return finished;
  }

  async #drain(): Promise<void> {
    if (this.#state !== 'running') return this.#finish('stopped');
    this.#state = 'draining';
    if (this.#actors.has('monitored')) {
      const stopped = this.#told('monitored', 'intake-stopped', INTAKE_STOP_LIMIT_MS);
      this.#tell('monitored', { type: 'stop-intake' } satisfies MonitoredCommand);
      await stopped;
    }
    const drained = this.#shardNames().map((name) => this.#told(name, 'drained', this.#parts.options.drainTimeout));
    this.#tell('collector', { type: 'seal' } satisfies CollectorCommand);
    const outcomes = await Promise.all(drained);
    await Promise.all(
      this.#shardNames().map(async (name, shard) => {
        if (outcomes[shard]) return;
        const cut = this.#told(name, 'drained', CUT_LIMIT_MS);
        this.#tell(name, { type: 'cut-clients' } satisfies FanoutCommand);
        await cut;
      }),
    );
    await this.#finish('stopped');
    // An actor died meanwhile: not everything was delivered.
    if (this.#failure) throw this.#failure;
  }

  #finish(state: 'stopped' | 'failed', error?: TocsinError): Promise<void> {
    this.#finishing ??= this.#stop(state, error);
    return this.#finishing;
  }

  async #stop(state: 'stopped' | 'failed', error?: TocsinError): Promise<void> {
    this.#failure = error;
    this.#state = state;
    await this.#stopActors();
    await this.#parts.release();
    if (error) this.#settleClosed.reject(error);
    else this.#settleClosed.resolve();
  }

  async #stopActors(): Promise<void> {
    await Promise.all(
      [...this.#actors.values()].map(async (actor) => {
        await actor.control.ask('stop').catch(() => {});
        await actor.terminate();
      }),
    );
    for (const port of this.#mainPorts.values()) port.close();
    for (const settle of this.#waiting.values()) settle();
  }

  #startActors(): void {
    const { options, fifoFd, listenFds, host, workerUrl } = this.#parts;
    const shardNames = this.#shardNames();
    const names: ActorName[] = ['collector', 'buffer', 'clients-checker', ...shardNames];
    if (fifoFd !== undefined) names.unshift('monitored');
    const links = this.#wire(names, shardNames);
    names.forEach((name, index) => {
      const shard = Math.max(0, shardNames.indexOf(name));
      const listenFd = shardNames.includes(name) ? listenFds?.[shard] : undefined;
      const init: Omit<ActorInit, 'control'> = {
        name,
        writer: index + 1,
        shard,
        shards: shardNames.length,
        epoch: this.epoch,
        options,
        memory: this.#memory,
        links: links.get(name) ?? {},
        ...(fifoFd === undefined ? {} : { fifoFd }),
        ...(listenFd === undefined ? {} : { listenFd }),
      };
      const actor = options.threads === 'workers' ? startOnThread(init, workerUrl) : startInline(init, host);
      this.#actors.set(name, actor);
      void actor.died.then((error) => this.#onDeath(error));
    });
  }

  /** One channel per pair of actors that talk. */
  #wire(
    names: readonly ActorName[],
    shards: readonly ActorName[],
  ): Map<ActorName, Partial<Record<ActorName, MessagePort>>> {
    const links = new Map<ActorName, Partial<Record<ActorName, MessagePort>>>();
    const connect = (left: ActorName, right: ActorName): void => {
      const { port1, port2 } = new MessageChannel();
      links.set(left, { ...links.get(left), [right]: port1 });
      links.set(right, { ...links.get(right), [left]: port2 });
    };
    connect('collector', 'buffer');
    connect('collector', 'clients-checker');
    if (names.includes('monitored')) connect('collector', 'monitored');
    for (const shard of shards) {
      connect('collector', shard);
      connect('buffer', shard);
      connect('clients-checker', shard);
    }
    for (const name of names) {
      connect('main', name);
      const port = links.get('main')?.[name];
      if (!port) continue;
      port.on('message', (notice: { readonly type: string }) => this.#waiting.get(`${name} ${notice.type}`)?.());
      this.#mainPorts.set(name, port);
    }
    links.delete('main');
    return links;
  }

  #onDeath(error: TocsinError): void {
    if (this.#state === 'starting') return;
    void this.destroy(error);
  }

  #tell(name: ActorName, message: CollectorCommand | MonitoredCommand | FanoutCommand): void {
    this.#mainPorts.get(name)?.postMessage(message);
  }

  /** @returns false when the notice did not come within the limit */
  #told(name: ActorName, type: string, limitMs: number): Promise<boolean> {
    const key = `${name} ${type}`;
    return new Promise((resolve) => {
      const settle = (told: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(told);
      };
      const timer = setTimeout(() => settle(false), limitMs);
      this.#waiting.set(key, () => settle(true));
    });
  }

  async #attach(subscription: Subscription): Promise<{ readonly subscriber: Subscriber } & ClientRow> {
    if (this.#state !== 'running') throw new TocsinError('ERR_PIPELINE_CLOSED', `the pipeline is ${this.#state}`);
    const names = this.#shardNames();
    const name = names[this.#nextShard % names.length]!;
    this.#nextShard += 1;
    const { port1, port2 } = new MessageChannel();
    const subscriber = new Subscriber(port1, this.epoch);
    try {
      const at = await this.#shard(name).ask('addClient', [subscription, port2], [port2]);
      return { subscriber, ...at };
    } catch (error) {
      subscriber.cancel();
      throw error;
    }
  }

  #shardNames(): ActorName[] {
    return Array.from({ length: this.#parts.options.fanouts }, (_, shard): ActorName => `fanout-${shard}`);
  }

  #collector(): Asks<CollectorControl> {
    return this.#control('collector').as();
  }

  #shard(name: ActorName): Asks<FanoutControl<MessagePort>> {
    return this.#control(name).as();
  }

  #control(name: ActorName): ControlClient {
    const actor = this.#actors.get(name);
    if (!actor || (this.#state !== 'running' && this.#state !== 'draining')) {
      throw new TocsinError('ERR_PIPELINE_CLOSED', `the pipeline is ${this.#state}`);
    }
    return actor.control;
  }
}
