import { setTimeout as wait } from 'node:timers/promises';
import { TocsinError } from '../event/errors.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { Counters } from '../messages/counters.ts';
import { DescriptorTable } from '../messages/descriptor-table.ts';
import type { LogState } from '../messages/log-state.ts';
import type { ActorName } from './actor-init.ts';
import type { ActorSet, Resumed } from './actor-set.ts';
import type { LogKeeper } from './log-keeper.ts';
import { BEAT_MS } from './pulse.ts';
import { Restarts } from './restarts.ts';

export interface SupervisorEnv {
  readonly actors: ActorSet;
  readonly keeper: LogKeeper;
  readonly logState: LogState;
  readonly clients: ClientTable;
  /** Of a DescriptorTable. */
  readonly descriptors: SharedArrayBuffer;
  readonly counters: Counters;
  readonly maxRestarts: () => number;
  /** What an actor that begins now is given of the log's past, beside what the keeper knows. */
  readonly recovered: () => Resumed['recovered'];
  /** Resolves when everything that the sources have handed over is in the log. */
  readonly sourcesSettled: () => Promise<void>;
  /** Gives back descriptors that the dead shard had been given, or had opened. */
  readonly shardGone: (life: number, listenFds: readonly number[]) => void;
  readonly begunAnew: (name: ActorName) => Promise<void>;
  readonly report: ((message: string) => void) | undefined;
  /** No more of it: the pipeline ends with this error. */
  readonly giveUp: (error: TocsinError) => void;
}

const TIDY_MS = 1_000;
/** Deaths of all actors are counted within this time. */
const DEATHS_WINDOW_MS = 60_000;
const LIVED_MS = 1_000;

/**
 * Watches the actors' threads, ends those that do not come back, and has actors that died begin anew. What each of them needs for
 * that is in memory that main owns; what is done here is to put that in order once the dead thread can touch it no more.
 */
export class Supervisor {
  readonly #env: SupervisorEnv;
  readonly #restarts: Restarts;
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #pending = new Set<Promise<void>>();
  readonly #stopped = new AbortController();

  constructor(env: SupervisorEnv) {
    this.#env = env;
    this.#restarts = new Restarts({ max: env.maxRestarts, windowMs: DEATHS_WINDOW_MS, livedMs: LIVED_MS });
    this.#timers = [setInterval(() => env.actors.look(), BEAT_MS), setInterval(() => env.keeper.tidy(), TIDY_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  /** An actor has died while the pipeline was running. */
  died(name: ActorName, error: TocsinError): void {
    const { maxRestarts, giveUp } = this.#env;
    const delayMs = this.#restarts.delayMs(name, performance.now());
    if (delayMs === undefined) {
      const max = maxRestarts();
      if (max === 0) return giveUp(error);
      return giveUp(
        new TocsinError(
          'ERR_RESTARTS_EXHAUSTED',
          `more than ${max} actors died within a minute, at last ${error.message}`,
          {
            cause: error,
            detail: { limit: 'max-restarts', maximum: max },
          },
        ),
      );
    }
    const restart = this.#restart(name, delayMs, error).finally(() => this.#pending.delete(restart));
    this.#pending.add(restart);
  }

  /** Resolves when nobody is on the way to begin anew. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopped.abort();
  }

  async #restart(name: ActorName, delayMs: number, error: TocsinError): Promise<void> {
    const { actors, counters, report, begunAnew } = this.#env;
    const { signal } = this.#stopped;
    const diedMs = performance.now();
    try {
      if (delayMs > 0) await wait(delayMs, undefined, { signal, ref: false });
      const [life, listenFds] = [actors.life(name), actors.listenFds(name)];
      await actors.restart(name, () => this.#resume(name, life, listenFds));
      if (signal.aborted) return;
      await begunAnew(name);
      this.#restarts.begun(name, performance.now());
      counters.add('actorRestarts');
      report?.(`${error.message}; begun anew after ${Math.round(performance.now() - diedMs)} ms`);
    } catch {
      // It died again, and that is heard of by itself; or the pipeline has ended.
    }
  }

  async #resume(name: ActorName, life: number, listenFds: readonly number[]): Promise<Resumed> {
    const { keeper, logState, clients, descriptors, counters, recovered, sourcesSettled, shardGone } = this.#env;
    const { segments } = keeper;
    const shard = name.startsWith('fanout-') ? Number(name.slice('fanout-'.length)) : undefined;
    if (shard !== undefined) {
      counters.add('clientsCut', clients.clear(shard));
      logState.clients.clear(shard);
      logState.replays.clear(shard);
      logState.connections.clear(shard);
      logState.connectionsOf.clear(shard);
      new DescriptorTable(descriptors, shard).clear();
      shardGone(life, listenFds);
      return { recovered: { ...recovered(), headSeq: keeper.newestFirstSeq - 1 }, segments: segments.slice(-1) };
    }
    switch (name) {
      case 'collector':
        keeper.finishCommit();
        return { recovered: { ...recovered(), ...keeper.known() }, segments: segments.slice(-1) };
      case 'buffer':
        return { recovered: { ...recovered(), headSeq: keeper.oldestFirstSeq - 1 }, segments };
      case 'sources':
        await sourcesSettled();
        return { recovered: { ...recovered(), ...keeper.known() }, segments: [] };
      default:
        return { recovered: recovered(), segments: [] };
    }
  }
}
