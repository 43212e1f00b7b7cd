import type { MessagePort } from 'node:worker_threads';
import type { Outbox } from '../actors/actor.ts';
import { HistoryBuffer } from '../actors/buffer.ts';
import { ClientsChecker } from '../actors/clients-checker.ts';
import { Collector } from '../actors/collector.ts';
import { Fanout } from '../actors/fanout.ts';
import { Monitored, type RecordSource } from '../actors/monitored.ts';
import { makeEncoder } from '../codec/formats.ts';
import type { Subscription } from '../messages/control.ts';
import { ClientTable } from '../messages/client-table.ts';
import { Counters } from '../messages/counters.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import { LogState } from '../messages/log-state.ts';
import { PublishRing } from '../messages/publish-ring.ts';
import { TocsinError } from '../event/errors.ts';
import type { ContainerSpec } from '../event/event.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import { systemClock } from './clock.ts';
import { serveControl } from './control.ts';
import { startPortSink } from './port-sink.ts';

/** What drives `monitored`: decides when the FIFO is worth a look. */
export interface IntakeDriver {
  /** Something may have changed: look now. */
  wake(): void;
  close(): void;
}

/** Listeners of one shard. */
export interface ShardDoors {
  /** Takes no new connection; ends those that are idle. */
  close(): Promise<void>;
}

/** What the outermost layer adds to the actors: only it knows files and sockets. */
export interface DoorHooks {
  openSource(fifoFd: number): RecordSource;
  driveIntake(monitored: Monitored, fifoFd: number): IntakeDriver;
  openDoors(fanout: Fanout, init: ActorInit, counters: Counters): Promise<ShardDoors>;
}

/** An actor that runs on this thread. */
interface Hosted {
  readonly control: Readonly<Record<string, (...args: never[]) => unknown>>;
  stop(): Promise<void> | void;
}

const TICK_MS = 250;
const RETENTION_TICK_MS = 1000;

/**
 * Brings one actor to life on the current thread, worker or main: makes its ports of the links, gives it a clock, and serves
 * its control methods. `start` answers when the actor works; `stop` when it holds nothing any more.
 */
export function hostActor(init: ActorInit, hooks: DoorHooks): void {
  let starting: Promise<Hosted> | undefined;
  const start = (): Promise<Hosted> => (starting ??= host(init, hooks));
  serveControl(async (method, args) => {
    if (method === 'start') {
      await start();
      return;
    }
    if (method === 'stop') {
      // An actor that could not start holds nothing.
      const hosted = await starting?.catch(() => undefined);
      await hosted?.stop();
      for (const port of Object.values(init.links)) port?.close();
      // The answer still has to leave through this port.
      setImmediate(() => init.control.close());
      return;
    }
    const call = (await start()).control[method];
    if (!call) throw new TocsinError('ERR_INTERNAL', `${init.name} has no control method ${method}`);
    return call(...(args as never[]));
  }, init.control);
}

async function host(init: ActorInit, hooks: DoorHooks): Promise<Hosted> {
  if (init.name === 'monitored') return hostMonitored(init, hooks);
  if (init.name === 'collector') return hostCollector(init);
  if (init.name === 'buffer') return hostBuffer(init);
  if (init.name === 'clients-checker') return hostClientsChecker(init);
  return hostFanout(init, hooks);
}

function hostMonitored(init: ActorInit, hooks: DoorHooks): Hosted {
  const fifoFd = init.fifoFd!;
  const monitored = new Monitored({
    source: hooks.openSource(fifoFd),
    ring: new IntakeRing(init.memory.intakeRing),
    collector: outbox(init, 'collector'),
    main: outbox(init, 'main'),
    counters: countersOf(init),
  });
  const driver = hooks.driveIntake(monitored, fifoFd);
  listen(init, (message) => {
    monitored.receive(message as never);
    driver.wake();
  });
  return { control: {}, stop: () => driver.close() };
}

function hostCollector(init: ActorInit): Hosted {
  const { options, memory } = init;
  const collector = new Collector({
    ring: new IntakeRing(memory.intakeRing),
    published: new PublishRing(memory.publishRing),
    logState: new LogState(memory.logState),
    readers: [outbox(init, 'buffer'), ...shardNames(init).map((name) => outbox<never>(init, name))],
    monitored: outbox(init, 'monitored'),
    counters: countersOf(init),
    clock: systemClock(),
    defer,
    segmentBytes: segmentBytesFor(options.historyBytes),
    unknownContainers: options.unknownContainers,
  });
  listen(init, (message, from) => {
    if (isRequest(message, 'resolve-container')) outbox(init, from).post(collector.answer(message as never));
    else collector.receive(message as never);
  });
  return {
    control: {
      putContainer: (id: string, spec: ContainerSpec) => collector.putContainer(id, spec),
      removeContainer: (id: string) => collector.removeContainer(id),
      containers: () => collector.containers(),
    },
    stop() {},
  };
}

function hostBuffer(init: ActorInit): Hosted {
  const { historyEvents, historyBytes, historyAge } = init.options;
  const buffer = new HistoryBuffer({
    logState: new LogState(init.memory.logState),
    limits: { events: historyEvents, bytes: historyBytes, ageMs: historyAge },
    clock: systemClock(),
    counters: countersOf(init),
  });
  listen(init, (message, from) => {
    if (from === 'collector') buffer.receive(message as never);
    else buffer.answer(message as never, outbox(init, from));
  });
  const timer = setInterval(() => buffer.tick(), RETENTION_TICK_MS);
  return { control: {}, stop: () => clearInterval(timer) };
}

async function hostFanout(init: ActorInit, hooks: DoorHooks): Promise<Hosted> {
  const { epoch, shard, memory } = init;
  const counters = countersOf(init);
  const fanout = new Fanout({
    shard,
    epoch,
    logState: new LogState(memory.logState),
    clients: new ClientTable(memory.clients),
    counters,
    clock: systemClock(),
    defer,
    makeEncoder: (format) => makeEncoder(format, epoch),
    // Embedding programs get the lane's memory itself, so it must be shareable; sockets are better off with plain memory.
    allocate: (format) => (format === 'packed' ? allocateShared : Buffer.allocUnsafeSlow),
    collector: outbox(init, 'collector'),
    buffer: outbox(init, 'buffer'),
    main: outbox(init, 'main'),
  });
  listen(init, (message) => fanout.receive(message as never));
  const doors = await hooks.openDoors(fanout, init, counters);
  const timer = setInterval(() => fanout.tick(), TICK_MS);
  return {
    control: {
      clients: () => fanout.clients(),
      async addClient(subscription: Subscription, port: MessagePort) {
        const handle = await fanout.subscribe(subscription);
        startPortSink(handle, port);
        return { row: handle.row, generation: handle.generation };
      },
    },
    async stop() {
      clearInterval(timer);
      await doors.close();
    },
  };
}

function hostClientsChecker(init: ActorInit): Hosted {
  const checker = new ClientsChecker({
    clients: new ClientTable(init.memory.clients),
    logState: new LogState(init.memory.logState),
    clock: systemClock(),
    counters: countersOf(init),
    collector: outbox(init, 'collector'),
    shards: shardNames(init).map((name) => outbox(init, name)),
  });
  listen(init, (message) => checker.receive(message as never));
  const timer = setInterval(() => checker.tick(), TICK_MS);
  return { control: {}, stop: () => clearInterval(timer) };
}

function shardNames(init: ActorInit): ActorName[] {
  return Array.from({ length: init.shards }, (_, shard): ActorName => `fanout-${shard}`);
}

function countersOf(init: ActorInit): Counters {
  return new Counters(init.memory.counters, init.writer);
}

/** The way to one other actor. What is posted to an actor that is not linked is a fault of the wiring, not of the message. */
function outbox<Message>(init: ActorInit, name: ActorName): Outbox<Message> {
  const port = init.links[name];
  if (!port) return { post: () => {} };
  return { post: (message) => port.postMessage(message) };
}

function listen(init: ActorInit, handle: (message: unknown, from: ActorName) => void): void {
  for (const [from, port] of Object.entries(init.links) as [ActorName, MessagePort][]) {
    port.on('message', (message: unknown) => handle(message, from));
  }
}

function isRequest(message: unknown, type: string): boolean {
  return (message as { readonly type?: unknown }).type === type;
}

function defer(task: () => void): void {
  setImmediate(task);
}

function allocateShared(byteLength: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(byteLength));
}

/** Small histories need small segments: memory is given back a segment at a time. */
function segmentBytesFor(historyBytes: number): number {
  return Math.max(128 * 1024, Math.min(1024 * 1024, 2 ** Math.floor(Math.log2(historyBytes / 16))));
}
