import { setTimeout as wait } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import type { EventPacker } from '../codec/event-packer.ts';
import type { Epoch } from '../event/cursor.ts';
import { Epochs } from '../event/epochs.ts';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { ContainerInfo, ContainerSpec, NewEvent } from '../event/event.ts';
import type { Options } from '../event/options.ts';
import { ClientTable } from '../messages/client-table.ts';
import type { Recovered } from '../history/recovery.ts';
import type { HistoryNotice, KeeperNotice } from '../messages/collector.ts';
import { CommitJournal } from '../messages/commit-journal.ts';
import type { BufferControl, ClientInfo, CollectorControl, FanoutControl } from '../messages/control.ts';
import { Counters, type CounterValues, readCounters } from '../messages/counters.ts';
import { DescriptorTable, type OpenSocket } from '../messages/descriptor-table.ts';
import { LiveSettings } from '../messages/live-settings.ts';
import { LogState } from '../messages/log-state.ts';
import type { MonitoredNotice } from '../messages/monitored.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import type { PublisherNotice } from '../messages/publisher.ts';
import type { SourceNotice } from '../messages/engine-source.ts';
import type { ActorName } from './actor-init.ts';
import { type ActorParts, ActorSet } from './actor-set.ts';
import { systemClock } from './clock.ts';
import { Connections } from './connections.ts';
import type { Asks } from './control.ts';
import { Drain, type DrainOrder, INTAKE_STOP_LIMIT_MS } from './drain.ts';
import { EmbeddedClients } from './embedded-clients.ts';
import { HistoryImport } from './history-import.ts';
import { LiveOptions, type Reconfigured } from './live-options.ts';
import { LogKeeper } from './log-keeper.ts';
import type { Observation } from './observation.ts';
import { sentenceOf } from './operator-words.ts';
import { BEAT_MS } from './pulse.ts';
import { closed, type Published, Publisher, type PublishOrigin, type PublishOutcome } from './publisher.ts';
import type { PushClient, PushClientFunctions } from './push-client.ts';
import { allocateMemory, type SharedMemory } from './shared-memory.ts';
import type { StateHandlers, StateHandlerOptions } from './state-handlers.ts';
import type { Subscriber } from './subscriber.ts';
import type { SubscribeOptions } from './subscription.ts';
import { Supervisor } from './supervisor.ts';
import { within } from './within.ts';

export type PipelineState = 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

export interface PipelineStats {
  readonly state: PipelineState;
  /** Of the newest event, as the cursor has it. */
  readonly epoch: Epoch;
  /** Cursor of the newest event. */
  readonly cursor: string;
  readonly headSeq: number;
  readonly oldestSeq: number;
  readonly counters: CounterValues;
}

/** What a pipeline is made of besides its options. */
export interface PipelineParts extends ActorParts {
  readonly options: Options;
  /** What an earlier process left. */
  readonly recovered: Recovered;
  /** Hears what the operator should know: the disk failed, it works again, it is slow. */
  readonly report?: ((message: string) => void) | undefined;
  /** Closes what a shard left behind that has died: descriptors that it had been given, or had opened. */
  readonly reclaim: (life: number, listenFds: readonly number[]) => void;
  /** Takes sockets from a thread that hangs, before it is ended: it must not read them any more. */
  readonly deafen: (sockets: readonly OpenSocket[]) => void;
  /** Gives back what was opened for the pipeline; called once, when no actor runs any more. */
  readonly release: () => Promise<void>;
}

/** What is not in the log by then is lost; nothing else would wait so long. */
const HAND_OVER_LIMIT_MS = 30_000;
const SOURCES_LIMIT_MS = 5_000;

/**
 * Main: allocates the shared memory, starts the actors, and ends them; its supervisor has those that die begin anew. It looks at
 * no event unless the embedding program subscribes on this thread.
 *
 *   monitored ==ring==> collector ==segments==> buffer
 *                          |  \\==segments==> fanout 0..N  <-> buffer (pages)
 *   publish() ==ring======>|                     ^-- clients-checker
 *   sources ==ring========>|
 */
export class Pipeline {
  readonly #epochs: Epochs;
  readonly #parts: PipelineParts;
  readonly #memory: SharedMemory;
  readonly #logState: LogState;
  readonly #publisher: Publisher;
  readonly #counters: Counters;
  readonly #settings: LiveSettings;
  readonly #options: LiveOptions;
  readonly #actors: ActorSet;
  readonly #keeper: LogKeeper;
  readonly #supervisor: Supervisor;
  readonly #connections: Connections;
  readonly #embedded: EmbeddedClients;
  readonly #import: HistoryImport;
  readonly #end: Drain;
  #state: PipelineState = 'starting';
  #closing: Promise<void> | undefined;
  #finishing: Promise<void> | undefined;
  #failure: TocsinError | undefined;
  #settleClosed!: { resolve(): void; reject(error: TocsinError): void };
  /** Resolves when the pipeline was closed or destroyed without an error, rejects when an actor died. */
  readonly closed: Promise<void>;

  private constructor(parts: PipelineParts) {
    this.#parts = parts;
    const { options, recovered } = parts;
    this.#epochs = new Epochs(recovered.epochs);
    this.#memory = allocateMemory(options, recovered);
    this.#logState = new LogState(this.#memory.logState);
    const clients = new ClientTable(this.#memory.clients);
    this.#counters = new Counters(this.#memory.counters, 0);
    this.#settings = new LiveSettings(this.#memory.settings);
    this.#options = new LiveOptions(options, this.#settings);
    this.#keeper = new LogKeeper(new CommitJournal(this.#memory.commits), this.#logState, recovered);
    this.#publisher = new Publisher(new PublishRing(this.#memory.publishRing), this.#epochs, (command) =>
      this.#actors.tell('collector', command),
    );
    this.#import = new HistoryImport({
      start: () => this.#epochs.cursor(0),
      begin: () => this.#collector().ask('beginImport', []),
      end: async () => {
        // A pipeline that has ended meanwhile has no import to end.
        if (this.#state === 'running' || this.#state === 'draining') await this.#collector().ask('endImport', []);
      },
      requireRunning: () => this.#require('running'),
    });
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = { resolve, reject };
    });
    this.closed.catch(() => {});
    this.#actors = new ActorSet(
      parts,
      { recovered, options, memory: this.#memory, shards: options.fanouts },
      {
        notice: (from, notice) => {
          // What the others tell is waited for where it is wanted.
          if (from === 'collector') this.#onCollector(notice as PublisherNotice | HistoryNotice | KeeperNotice);
          if (from === 'monitored' || from === 'sources') this.#report(notice as MonitoredNotice | SourceNotice);
        },
        death: (name, error) => this.#onDeath(name, error),
        hanging: (name) => this.#deafen(name),
      },
    );
    this.#connections = new Connections({
      epochs: this.#epochs,
      doorbells: this.#memory.doorbells,
      collector: () => this.#collector(),
      shard: (name) => this.#shard(name),
      nextShard: () => this.#actors.nextShard(),
    });
    this.#embedded = new EmbeddedClients({
      epochs: this.#epochs,
      clients,
      counters: this.#counters,
      clock: systemClock(),
      nextShard: () => this.#nextShard(),
      head: () => this.stats().cursor,
    });
    this.#end = new Drain({
      actors: this.#actors,
      publisher: this.#publisher,
      timeoutMs: () => this.#settings.get('drainTimeout'),
    });
    this.#supervisor = new Supervisor({
      actors: this.#actors,
      keeper: this.#keeper,
      logState: this.#logState,
      clients,
      descriptors: this.#memory.descriptors,
      counters: this.#counters,
      maxRestarts: () => this.#settings.get('maxRestarts'),
      recovered: () => ({ ...recovered, epochs: this.#epochs.spans }),
      sourcesSettled: () => this.#sourcesSettled(),
      shardGone: parts.reclaim,
      begunAnew: (name) => this.#begunAnew(name),
      report: parts.report,
      giveUp: (error) => void this.destroy(error),
    });
  }

  #deafen(name: ActorName): void {
    const shard = this.#actors.shardNames.indexOf(name);
    if (shard < 0) return;
    this.#parts.deafen(new DescriptorTable(this.#memory.descriptors, shard).all);
  }

  #onDeath(name: ActorName, error: TocsinError): void {
    if (this.#state !== 'running' && this.#state !== 'draining') return;
    if (!this.#end.needs(name)) return;
    if (name === 'collector') this.#import.abort(error);
    this.#supervisor.died(name, error);
  }

  async #begunAnew(name: ActorName): Promise<void> {
    if (name === 'collector') this.#publisher.wakeCollector();
    await this.#connections.begunAnew(name);
    this.#end.begunAnew(name);
  }

  /** Until the collector has taken, and committed, what the sources have handed over. */
  async #sourcesSettled(): Promise<void> {
    const ring = new PublishRing(this.#memory.sourceRing!);
    const endMs = performance.now() + SOURCES_LIMIT_MS;
    while (!ring.isEmpty && performance.now() < endMs) await wait(BEAT_MS);
  }

  /** Starts all actors. @throws ERR_ACTOR_START with the cause; then nothing is left running */
  static async start(parts: PipelineParts): Promise<Pipeline> {
    const pipeline = new Pipeline(parts);
    try {
      await pipeline.#actors.start();
      pipeline.#state = 'running';
      return pipeline;
    } catch (error) {
      await pipeline.#actors.stop();
      pipeline.#state = 'failed';
      const cause = asTocsinError(error);
      throw new TocsinError('ERR_ACTOR_START', `the pipeline cannot start: ${cause.message}`, { cause });
    }
  }

  /** Of the events that come now. */
  get epoch(): Epoch {
    return this.#epochs.current;
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
  publish(event: NewEvent): PublishOutcome {
    if (this.#state !== 'running') return 'closed';
    const outcome = this.#import.isRunning ? 'full' : this.#publisher.publish(event);
    if (outcome === 'full') this.#counters.add('publishFull');
    return outcome;
  }

  /**
   * Hands a batch to the log and resolves when all of it is there. With an `origin`, a batch that is sent again is recognised
   * and not appended twice.
   * @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE (nothing was appended), ERR_OPTION_INVALID, ERR_PUBLISH_FULL,
   * ERR_PUBLISHER_SEQUENCE, ERR_IMPORT_RUNNING, ERR_PIPELINE_CLOSED
   */
  async publishDurable(events: readonly NewEvent[], origin?: PublishOrigin): Promise<Published> {
    this.#requirePublishing();
    return this.#publisher.publishDurable(events, origin);
  }

  /** As publishDurable, for the doors. The packer may be used again when this returns. @throws as publishDurable */
  async publishPacked(events: EventPacker, origin?: PublishOrigin): Promise<Published> {
    this.#requirePublishing();
    return this.#publisher.publishPacked(events, origin);
  }

  /**
   * Fills an empty log with events of the past, which keep their times as far as these increase; all other intake waits.
   * @throws ERR_LOG_NOT_EMPTY, ERR_IMPORT_RUNNING, what `events` throws, and as publishDurable
   */
  importHistory(events: AsyncIterable<readonly NewEvent[]> | Iterable<readonly NewEvent[]>): Promise<Published> {
    return this.#import.run(events, (batch) => this.#publisher.publishDurable(batch));
  }

  /** As importHistory, for the doors. A batch's packer may be used again when the next batch is asked for. @throws as importHistory */
  importPacked(batches: AsyncIterable<EventPacker>): Promise<Published> {
    return this.#import.run(batches, (batch) => this.#publisher.publishPacked(batch));
  }

  #onCollector(notice: PublisherNotice | HistoryNotice | KeeperNotice): void {
    switch (notice.type) {
      case 'segment-opened':
      case 'state-log-opened':
        return this.#keeper.keep(notice);
      case 'history-failed':
      case 'history-recovered':
      case 'history-slow':
        return this.#report(notice);
      default:
        return this.#publisher.receive(notice);
    }
  }

  #report(notice: HistoryNotice | MonitoredNotice | SourceNotice): void {
    const sentence = sentenceOf(notice);
    if (sentence) this.#parts.report?.(sentence);
  }

  /** The history can be written, if there is one. */
  get isHistoryWritable(): boolean {
    return !this.#logState.isHistoryFailed;
  }

  #requirePublishing(): void {
    this.#import.requireNone();
    this.#require('running');
  }

  /**
   * A way into the pipeline for another thread: send the port there and `openConnection(port)`. This thread then has no part
   * in what passes.
   * @throws ERR_PIPELINE_CLOSED, ERR_CLIENTS_EXHAUSTED
   */
  connect(): Promise<MessagePort> {
    return this.#connections.connect();
  }

  /**
   * Calls a function for each STOPPED and OOM of a container: in order per container, several containers at a time. The stream
   * never waits for it.
   * @throws ERR_OPTION_INVALID, and as subscribe
   */
  handleStates(options: StateHandlerOptions): Promise<StateHandlers> {
    return this.#embedded.handleStates(options);
  }

  /**
   * Events as an async iterable, from `after` or `since` on or live. Gaps are delivered in their place. Breaking out of the
   * loop or aborting `signal` ends the subscription.
   * @throws ERR_TIME_INVALID, ERR_SINCE_AFTER_UNTIL, ERR_CURSOR_*, ERR_FILTER_INVALID, ERR_CONTAINER_*, ERR_PIPELINE_CLOSED
   */
  subscribe(options: SubscribeOptions = {}): Promise<Subscriber> {
    return this.#embedded.subscribe(options);
  }

  /** A client whose `write` is called for each event, as iSulad's stream functions are. @throws as subscribe */
  addClient(client: PushClientFunctions & SubscribeOptions): Promise<PushClient> {
    return this.#embedded.addClient(client);
  }

  /** What the engine knows about its containers; events are enriched with it. Applied when the promise resolves. */
  readonly containers = {
    set: (id: string, spec: ContainerSpec): Promise<ContainerInfo> => this.#collector().ask('putContainer', [id, spec]),
    remove: (id: string): Promise<boolean> => this.#collector().ask('removeContainer', [id]),
    list: (): Promise<readonly ContainerInfo[]> => this.#collector().ask('containers', []),
  };

  async clients(): Promise<readonly ClientInfo[]> {
    const lists = await Promise.all(this.#actors.shardNames.map((name) => this.#shard(name).ask('clients', [])));
    return lists.flat();
  }

  stats(): PipelineStats {
    const { headSeq, oldestSeq } = this.#logState;
    return {
      state: this.#state,
      epoch: this.#epochs.current,
      cursor: this.#epochs.cursor(headSeq),
      headSeq,
      oldestSeq,
      counters: readCounters(this.#memory.counters),
    };
  }

  /**
   * Takes what can be changed while it runs from these options, the same ones as for `createPipeline`; what they leave out is as by default.
   * @throws ERR_OPTION_INVALID; then nothing has changed
   */
  reconfigure(given: Readonly<Record<string, unknown>>): Reconfigured {
    return this.#options.reconfigure(given);
  }

  /** What there is to see just now, for metrics. @throws ERR_PIPELINE_CLOSED, ERR_ACTOR_DIED, ERR_ASK_TIMEOUT */
  async observe(): Promise<Observation> {
    const { shardNames } = this.#actors;
    const [intake, held, clients, ...latencies] = await Promise.all([
      this.#collector().ask('intake', []),
      this.#actors.control<BufferControl>('buffer').ask('held', []),
      this.clients(),
      ...shardNames.map((name) => this.#shard(name).ask('latencies', [])),
    ]);
    return { stats: this.stats(), isHistoryWritable: this.isHistoryWritable, intake, held, clients, latencies };
  }

  /** Opens the path of the event log anew, after a rotation. @returns false when the pipeline writes none */
  reopenEventLog(): Promise<boolean> {
    return this.#shard(this.#actors.shardNames[0]!).ask('reopenEventLog', []);
  }

  /** Sockets with TLS take their files as they are now, for connections that come from now on. @throws ERR_LISTENER_TLS, ERR_PIPELINE_CLOSED */
  async reloadCertificates(): Promise<void> {
    await Promise.all(this.#actors.shardNames.map((name) => this.#shard(name).ask('reloadCertificates', [])));
  }

  /**
   * Event sockets take no new connection: whoever connects waits for another process that has them.
   * @param flushLimitMs how long connections get, when the pipeline ends, to send what is queued for them
   */
  async stopListening(flushLimitMs: number): Promise<void> {
    // One that is beginning anew serves whom it has accepted.
    await Promise.allSettled(
      this.#actors.shardNames.map((name) => this.#shard(name).ask('stopListening', [flushLimitMs])),
    );
  }

  /** For main's doors. */
  get counters(): Counters {
    return this.#counters;
  }

  /** Finishes what was accepted: intake stops, every client gets the rest of the log within the drain timeout, threads end. */
  close(): Promise<void> {
    this.#closing ??= this.#drain({ leavesRest: false, limitMs: INTAKE_STOP_LIMIT_MS });
    return this.#closing;
  }

  /**
   * As `close`, for another process that goes on with the log: what is in the FIFO stays there for it, and everything that was
   * read is in the log before this ends, as long as that may take within half a minute.
   * @param drainLimitMs a shorter drain timeout, for somebody waits
   */
  handOver(drainLimitMs: number): Promise<void> {
    this.#settings.set('drainTimeout', Math.min(drainLimitMs, this.#settings.get('drainTimeout')));
    this.#closing ??= this.#drain({ leavesRest: true, limitMs: HAND_OVER_LIMIT_MS });
    return this.#closing;
  }

  /** Stops now. What was accepted but not delivered is dropped; open subscriptions fail. */
  destroy(error?: TocsinError): Promise<void> {
    const finished = this.#finish(error ? 'failed' : 'stopped', error);
    this.#closing ??= finished;
    return finished;
  }

  async #drain(order: DrainOrder): Promise<void> {
    if (this.#state !== 'running') return this.#finish('stopped');
    // Whoever is on the way to begin anew has something to hand over.
    await within(this.#supervisor.settled(), INTAKE_STOP_LIMIT_MS);
    if (this.#state !== 'running') return this.#finish('stopped');
    this.#state = 'draining';
    await this.#end.run(order);
    await this.#embedded.finished(this.#settings.get('drainTimeout'));
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
    this.#supervisor.stop();
    this.#connections.close();
    this.#publisher.close(error ?? closed());
    await this.#actors.stop();
    await this.#embedded.close();
    await this.#parts.release();
    if (error) this.#settleClosed.reject(error);
    else this.#settleClosed.resolve();
  }

  #nextShard(): Asks<FanoutControl<MessagePort>> {
    this.#require('running');
    return this.#shard(this.#actors.nextShard());
  }

  #collector(): Asks<CollectorControl<MessagePort>> {
    this.#require('running', 'draining');
    return this.#actors.control('collector');
  }

  #shard(name: ActorName): Asks<FanoutControl<MessagePort>> {
    this.#require('running', 'draining');
    return this.#actors.control(name);
  }

  #require(...states: readonly PipelineState[]): void {
    if (!states.includes(this.#state)) throw new TocsinError('ERR_PIPELINE_CLOSED', `the pipeline is ${this.#state}`);
  }
}
