import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Outbox } from '../actors/actor.ts';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { Options } from '../event/options.ts';
import type { Recovered } from '../history/recovery.ts';
import { Heartbeats } from '../messages/heartbeats.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import type { Asks } from './control.ts';
import { doorbellOf, shardNames, waking } from './hosting.ts';
import { lastWords } from './links.ts';
import { Pulse, threadCpuMs } from './pulse.ts';
import { type ActorThread, type RunningActor, startInline } from './threads.ts';

/** What every actor of a pipeline is given alike. */
type CommonInit = Pick<ActorInit, 'recovered' | 'options' | 'memory' | 'shards'>;

/** What an actor that begins anew goes on with. */
export type Resumed = Pick<ActorInit, 'recovered' | 'segments'>;

export interface ActorParts {
  /** The thread of every actor; absent when all run on this one. */
  readonly threads?: ReadonlyMap<ActorName, ActorThread> | undefined;
  /** Another thread for an actor whose own has died. */
  readonly boot: (name: ActorName) => ActorThread;
  readonly host: (init: ActorInit) => void;
  /** Present when there is a FIFO to read. */
  readonly fifoFd?: number;
  /** For a shard its own descriptors of the listening sockets; none when the pipeline has no doors. */
  readonly listenFds: (shard: number) => readonly number[];
}

type Notice = { readonly type: string };

interface ActorSetEvents {
  /** An actor tells main something. */
  readonly notice: (from: ActorName, notice: Notice) => void;
  /** One ended without having been asked to. Its thread may still be on its way out. */
  readonly death: (name: ActorName, error: TocsinError) => void;
  /** One is about to be ended because it does not come back. */
  readonly hanging: (name: ActorName) => void;
}

/** One actor, whichever thread it is on. */
interface Slot {
  readonly name: ActorName;
  /** Row of the counter table, word of its heartbeats. */
  readonly writer: number;
  readonly peers: readonly ActorName[];
  life: number;
  actor: RunningActor;
  listenFds: readonly number[];
  /** Main's way to it. */
  port: MessagePort;
  threadId: number;
  pulse: Pulse;
  /** Pending while it is dead. */
  ready: Promise<void>;
  settleReady: { resolve(): void; reject(error: TocsinError): void };
  isUp: boolean;
}

/** What a thread may have of a processor without coming back. Clients can keep a shard busy for a while: that is none of their faults. */
const BUSY_MS = 1_500;
const SHARD_BUSY_MS = 5_000;

/** So many lives there have been in this process. */
let lives = 0;

/** The actors of a pipeline with these options. */
export function actorNames({ fifo, source, fanouts }: Options): readonly ActorName[] {
  return [
    ...(fifo === '' ? [] : (['monitored'] as const)),
    'collector',
    'buffer',
    'clients-checker',
    ...shardNames(fanouts),
    ...(source.length === 0 ? [] : (['sources'] as const)),
  ];
}

/**
 * All actors of one pipeline, wired, each on a thread of its own or all on this one, and main's way to each. One whose thread has
 * died begins anew on another one: its ports are replaced, the others are told, and what it holds is in memory that main owns.
 */
export class ActorSet {
  readonly shardNames: readonly ActorName[];
  readonly #parts: ActorParts;
  readonly #common: CommonInit;
  readonly #on: ActorSetEvents;
  readonly #heartbeats: Heartbeats;
  readonly #slots = new Map<ActorName, Slot>();
  readonly #waiting = new Map<string, () => void>();
  #turn = 0;
  /** One at a time: whoever begins anew is linked to those who have. */
  #restarting: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(parts: ActorParts, common: CommonInit, on: ActorSetEvents) {
    this.#parts = parts;
    this.#common = common;
    this.#on = on;
    this.#heartbeats = new Heartbeats(common.memory.heartbeats);
    this.shardNames = shardNames(common.shards);
    const names = actorNames(common.options);
    const links = new Map<ActorName, Partial<Record<ActorName, MessagePort>>>(names.map((name) => [name, {}]));
    const ports = new Map<ActorName, MessagePort>();
    for (const [left, right] of this.#pairs(names)) {
      const { port1, port2 } = new MessageChannel();
      links.get(left)![right] = port1;
      links.get(right)![left] = port2;
    }
    for (const name of names) {
      const { port1, port2 } = new MessageChannel();
      ports.set(name, port1);
      links.get(name)!.main = port2;
    }
    names.forEach((name, index) => {
      const peers = Object.keys(links.get(name)!).filter((peer) => peer !== 'main') as ActorName[];
      this.#begin(name, index + 1, peers, links.get(name)!, ports.get(name)!);
    });
  }

  /** @throws what kept an actor from starting */
  async start(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((slot) => this.#start(slot)));
  }

  /**
   * Begins a dead actor anew, on another thread.
   * @param resume what it goes on with; asked for when nothing changes any more that it depends on
   * @throws what kept it from starting
   */
  restart(name: ActorName, resume: () => Resumed | Promise<Resumed>): Promise<void> {
    const restarted = this.#restarting.then(() => this.#restart(name, resume));
    this.#restarting = restarted.catch(() => {});
    return restarted;
  }

  async #restart(name: ActorName, resume: () => Resumed | Promise<Resumed>): Promise<void> {
    const dead = this.#slots.get(name)!;
    await dead.actor.exited;
    if (this.#isStopping) return;
    for (const notice of lastWords(dead.port)) this.#hear(name, notice as Notice);
    dead.port.close();
    const thread = this.#parts.boot(name);
    try {
      await this.#beginAnew(dead, thread, resume);
    } catch (error) {
      await thread.end();
      throw error;
    }
  }

  async #beginAnew(dead: Slot, thread: ActorThread, resume: () => Resumed | Promise<Resumed>): Promise<void> {
    const { name } = dead;
    const links: Partial<Record<ActorName, MessagePort>> = {};
    const { port1, port2 } = new MessageChannel();
    links.main = port2;
    await Promise.all(
      dead.peers.map(async (peer) => {
        const channel = new MessageChannel();
        links[peer] = channel.port1;
        const { isUp, actor } = this.#slots.get(peer)!;
        // One that is dead as well is given another port when it begins anew.
        if (isUp) await actor.control.ask('relink', [name, channel.port2], [channel.port2]).catch(() => {});
      }),
    );
    for (const { port, name: peer } of this.#slots.values())
      for (const notice of lastWords(port)) this.#hear(peer, notice as Notice);
    const resumed = await resume();
    if (this.#isStopping) return thread.end();
    const slot = this.#begin(name, dead.writer, dead.peers, links, port1, { thread, resumed });
    slot.ready = dead.ready;
    slot.settleReady = dead.settleReady;
    try {
      await this.#start(slot);
    } catch (error) {
      slot.actor.kill(asTocsinError(error));
      throw error;
    }
  }

  /** Ends every actor and its thread. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#slots.values()].map(({ actor }) => actor.stop()));
    for (const { port, settleReady } of this.#slots.values()) {
      port.close();
      settleReady.reject(new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline was stopped'));
    }
    for (const settle of this.#waiting.values()) settle();
  }

  /** To be called every 100 ms: ends threads that do not come back. */
  look(): void {
    // On the thread of everybody nobody can be ended, and nobody beats.
    if (!this.#parts.threads) return;
    for (const { name, isUp, actor, writer, pulse, threadId } of this.#slots.values()) {
      if (!isUp) continue;
      const why = pulse.look(this.#heartbeats.of(writer), () => threadCpuMs(threadId));
      if (!why) continue;
      this.#on.hanging(name);
      actor.kill(new TocsinError('ERR_ACTOR_DIED', `${name}: ${why}`));
    }
  }

  has(name: ActorName): boolean {
    return this.#slots.has(name);
  }

  /** Shards take turns: one of those that take clients at the moment, or of all when none does. */
  nextShard(): ActorName {
    const up = this.shardNames.filter((name) => this.#slots.get(name)!.isUp);
    const shards = up.length > 0 ? up : this.shardNames;
    this.#turn += 1;
    return shards[this.#turn % shards.length]!;
  }

  /** Of a shard's life: no other actor has it, nor has had. */
  life(name: ActorName): number {
    return this.#slots.get(name)!.life;
  }

  listenFds(name: ActorName): readonly number[] {
    return this.#slots.get(name)!.listenFds;
  }

  /** What is asked of an actor that is dead waits for its next life; what it was asked before fails with ERR_ACTOR_DIED. */
  control<Methods>(name: ActorName): Asks<Methods> {
    const slot = (): Slot => this.#slots.get(name)!;
    return {
      async ask(method, args, transfer) {
        await slot().ready;
        return slot().actor.control.as<Methods>().ask(method, args, transfer);
      },
    };
  }

  tell(name: ActorName, message: unknown): void {
    this.#outbox(name)?.post(message);
  }

  /** Waits until an actor tells this. @returns false when it did not within the limit */
  told(name: ActorName, type: string, limitMs: number): Promise<boolean> {
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

  #outbox(name: ActorName): Outbox<unknown> | undefined {
    const slot = this.#slots.get(name);
    return slot && waking(() => slot.port, doorbellOf(this.#common.memory.doorbells, name));
  }

  #begin(
    name: ActorName,
    writer: number,
    peers: readonly ActorName[],
    links: ActorInit['links'],
    port: MessagePort,
    anew?: { readonly thread: ActorThread; readonly resumed: Resumed },
  ): Slot {
    const { options, memory, shards, recovered } = this.#common;
    const shard = Math.max(0, this.shardNames.indexOf(name));
    lives += 1;
    const init: Omit<ActorInit, 'control'> = {
      options,
      memory,
      shards,
      recovered: recoveredFor(name, anew?.resumed.recovered ?? recovered),
      segments: anew?.resumed.segments ?? [],
      name,
      life: lives,
      isAnew: anew !== undefined,
      writer,
      shard,
      links,
      listenFds: this.shardNames.includes(name) ? this.#parts.listenFds(shard) : [],
      ...(this.#parts.fifoFd === undefined ? {} : { fifoFd: this.#parts.fifoFd }),
    };
    const thread = anew?.thread ?? this.#parts.threads?.get(name);
    const slot: Slot = {
      name,
      writer,
      peers,
      life: lives,
      actor: thread ? thread.begin(init) : startInline(init, this.#parts.host),
      listenFds: init.listenFds,
      port,
      threadId: 0,
      pulse: new Pulse(this.shardNames.includes(name) ? SHARD_BUSY_MS : BUSY_MS),
      isUp: false,
      ...pending(),
    };
    this.#slots.set(name, slot);
    port.on('message', (notice: Notice) => this.#hear(name, notice));
    void slot.actor.died.then((error) => {
      if (slot.isUp) Object.assign(slot, pending());
      slot.isUp = false;
      this.#on.death(name, error);
    });
    return slot;
  }

  async #start(slot: Slot): Promise<void> {
    slot.threadId = (await slot.actor.control.ask('start')) as number;
    slot.isUp = true;
    slot.settleReady.resolve();
  }

  #hear(from: ActorName, notice: Notice): void {
    this.#waiting.get(`${from} ${notice.type}`)?.();
    this.#on.notice(from, notice);
  }

  /** Actors that talk to each other. */
  *#pairs(names: readonly ActorName[]): Generator<readonly [ActorName, ActorName]> {
    yield ['collector', 'buffer'];
    yield ['collector', 'clients-checker'];
    if (names.includes('monitored')) yield ['collector', 'monitored'];
    if (names.includes('sources')) yield ['collector', 'sources'];
    for (const shard of this.shardNames) {
      yield ['collector', shard];
      yield ['buffer', shard];
      yield ['clients-checker', shard];
    }
  }
}

function pending(): Pick<Slot, 'ready' | 'settleReady'> {
  let settleReady: Slot['settleReady'] | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    settleReady = { resolve, reject };
  });
  ready.catch(() => {});
  return { ready, settleReady: settleReady! };
}

/** Not every thread needs a copy of all that the log knows. */
function recoveredFor(name: ActorName, recovered: Recovered): Recovered {
  if (name === 'collector') return recovered;
  const isSources = name === 'sources';
  const containers = isSources ? recovered.containers.filter(({ source, removed }) => source && !removed) : [];
  return { ...recovered, containers, publishers: [], sources: isSources ? recovered.sources : [] };
}
