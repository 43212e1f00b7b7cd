import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Outbox } from '../actors/actor.ts';
import { TocsinError } from '../event/errors.ts';
import type { Options } from '../event/options.ts';
import type { Recovered } from '../history/recovery.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import type { ControlClient } from './control.ts';
import { doorbellOf, shardNames, waking } from './hosting.ts';
import { type ActorThread, type RunningActor, startInline } from './threads.ts';

/** What every actor of a pipeline is given alike. */
type CommonInit = Pick<ActorInit, 'recovered' | 'options' | 'memory' | 'shards'>;

export interface ActorParts {
  /** The thread of every actor; absent when all run on this one. */
  readonly threads?: ReadonlyMap<ActorName, ActorThread> | undefined;
  readonly host: (init: ActorInit) => void;
  /** Present when there is a FIFO to read. */
  readonly fifoFd?: number;
  /** For each shard its descriptors of the listening sockets; none when the pipeline has no doors. */
  readonly listenFds: readonly (readonly number[])[];
}

type Notice = { readonly type: string };

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

/** All actors of one pipeline, wired, each on a thread of its own or all on this one, and main's way to each. */
export class ActorSet {
  readonly shardNames: readonly ActorName[];
  readonly #actors = new Map<ActorName, RunningActor>();
  readonly #ports = new Map<ActorName, MessagePort>();
  readonly #outboxes = new Map<ActorName, Outbox<unknown>>();
  readonly #waiting = new Map<string, () => void>();

  /** @param onNotice hears what actors tell main, @param onDeath that one ended without being asked to */
  constructor(
    parts: ActorParts,
    common: CommonInit,
    on: { readonly notice: (from: ActorName, notice: Notice) => void; readonly death: (error: TocsinError) => void },
  ) {
    const names = actorNames(common.options);
    this.shardNames = shardNames(common.shards);
    const links = this.#wire(names, on.notice);
    for (const [name, port] of this.#ports)
      this.#outboxes.set(name, waking(port, doorbellOf(common.memory.doorbells, name)));
    names.forEach((name, index) => {
      const shard = Math.max(0, this.shardNames.indexOf(name));
      const init: Omit<ActorInit, 'control'> = {
        ...common,
        recovered: recoveredFor(name, common.recovered),
        name,
        writer: index + 1,
        shard,
        links: links.get(name) ?? {},
        listenFds: this.shardNames.includes(name) ? (parts.listenFds[shard] ?? []) : [],
        ...(parts.fifoFd === undefined ? {} : { fifoFd: parts.fifoFd }),
      };
      const actor = parts.threads?.get(name)?.begin(init) ?? startInline(init, parts.host);
      this.#actors.set(name, actor);
      void actor.died.then(on.death);
    });
  }

  /** @throws what kept an actor from starting */
  async start(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.control.ask('start')));
  }

  /** Ends every actor and its thread. */
  async stop(): Promise<void> {
    await Promise.all([...this.#actors.values()].map((actor) => actor.stop()));
    for (const port of this.#ports.values()) port.close();
    for (const settle of this.#waiting.values()) settle();
  }

  has(name: ActorName): boolean {
    return this.#actors.has(name);
  }

  control(name: ActorName): ControlClient {
    const actor = this.#actors.get(name);
    if (!actor) throw new TocsinError('ERR_INTERNAL', `there is no actor ${name}`);
    return actor.control;
  }

  tell(name: ActorName, message: unknown): void {
    this.#outboxes.get(name)?.post(message);
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

  /** One channel per pair of actors that talk. */
  #wire(
    names: readonly ActorName[],
    onNotice: (from: ActorName, notice: Notice) => void,
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
    if (names.includes('sources')) connect('collector', 'sources');
    for (const shard of this.shardNames) {
      connect('collector', shard);
      connect('buffer', shard);
      connect('clients-checker', shard);
    }
    for (const name of names) {
      connect('main', name);
      const port = links.get('main')?.[name];
      if (!port) continue;
      port.on('message', (notice: Notice) => {
        this.#waiting.get(`${name} ${notice.type}`)?.();
        onNotice(name, notice);
      });
      this.#ports.set(name, port);
    }
    links.delete('main');
    return links;
  }
}

/** Not every thread needs a copy of all that the log knows. */
function recoveredFor(name: ActorName, recovered: Recovered): Recovered {
  if (name === 'collector') return recovered;
  const isSources = name === 'sources';
  const containers = isSources ? recovered.containers.filter(({ source, removed }) => source && !removed) : [];
  return { ...recovered, containers, publishers: [], sources: isSources ? recovered.sources : [] };
}
