import { availableParallelism } from 'node:os';
import { doorHooks } from './doors/door-hooks.ts';
import { type AdminDoor, openAdminDoor } from './doors/admin-door.ts';
import { openFifo } from './doors/fifo.ts';
import { lockFolder } from './doors/folder-lock.ts';
import { Inherited } from './doors/inherited.ts';
import type { Heritage, OpenPipeline } from './doors/open-pipeline.ts';
import { openMetricsDoor } from './doors/metrics-door.ts';
import { deafenSockets, reclaimDescriptors } from './doors/reclaim.ts';
import type { Listener } from './doors/listener.ts';
import { openListener } from './doors/open-listener.ts';
import { loadPosix } from './doors/posix.ts';
import { TocsinError } from './event/errors.ts';
import { type AdminAddress, parseAdmins } from './event/admin-address.ts';
import { type ListenerAddress, parseListeners } from './event/listener-address.ts';
import { parseLoopback } from './event/host-and-port.ts';
import { isDurable, makeOptions, type Options } from './event/options.ts';
import { hostActor } from './runtime/actor-host.ts';
import type { ActorName } from './runtime/actor-init.ts';
import { actorNames } from './runtime/actor-set.ts';
import { recover } from './runtime/open-history.ts';
import { Pipeline } from './runtime/pipeline.ts';
import { ActorThread } from './runtime/threads.ts';

/** Options of an embedded pipeline: those of the daemon (docs/options.md) in camel case, numbers in bytes and milliseconds. */
export interface PipelineOptions extends Partial<Omit<Options, 'root'>> {
  /** Where the code of the actor threads is, `tocsin/worker`, when a bundler has moved it away from this module. */
  readonly workerUrl?: URL | string;
  /** Hears what an operator should know: bytes that were cut off, a disk that fails, is slow, or works again. */
  readonly report?: (message: string) => void;
}

/** More than these nobody has measured. */
const MAX_SHARDS = 8;
/** What is left for a process that has said that it lets go of the history, or has died, to do so. */
const LET_GO_LIMIT_MS = 10_000;

/**
 * Starts a pipeline: all actors, and whichever of FIFO, event sockets and admin socket have a path. Resolves when every actor
 * is ready. It touches nothing of the process: no signals, no exit, no global handlers.
 * @throws ERR_OPTION_INVALID, ERR_FIFO_*, ERR_HISTORY_UNUSABLE, ERR_SOCKET_UNUSABLE, ERR_LISTENER_TLS, ERR_POSIX_UNAVAILABLE, ERR_ACTOR_START; nothing is left behind
 */
export async function createPipeline(given: PipelineOptions = {}): Promise<Pipeline> {
  return (await openPipeline(given)).pipeline;
}

/** As `createPipeline`, for the daemon. @throws as createPipeline, and what `booted` throws */
export async function openPipeline(given: PipelineOptions, heritage?: Heritage): Promise<OpenPipeline> {
  const { workerUrl = new URL('./worker.js', import.meta.url), report, ...rest } = given;
  const asked = makeOptions(rest);
  const options = { ...asked, fanouts: asked.fanouts || shardsFor(asked) };
  const closers: (() => void | Promise<void>)[] = [];
  const release = async (): Promise<void> => {
    for (const close of closers.reverse()) await close();
    closers.length = 0;
  };
  const { inherited = Inherited.none(), booted } = heritage ?? {};
  let pipeline: Pipeline | undefined;
  try {
    // The FIFO first: its lock decides which of two daemons may touch the sockets.
    const fifo = options.fifo ? await openFifo(options.fifo, inherited.takeFifo(options.fifo)) : undefined;
    if (fifo) closers.push(() => fifo.close());
    let lock: { close(): void } | undefined;
    closers.push(() => lock?.close());
    const lockHistory = async (patienceMs: number): Promise<void> => {
      if (isDurable(options)) lock = await lockFolder(options.history, patienceMs);
    };
    if (!inherited.hasPredecessor) await lockHistory(0);
    const threads = options.threads === 'workers' ? bootThreads(options, urlOf(workerUrl)) : undefined;
    closers.push(async () => {
      for (const thread of threads?.values() ?? []) await thread.end();
    });
    const open = async (address: ListenerAddress | AdminAddress): Promise<Listener> => {
      const bound = await openListener(address, inherited);
      closers.push(() => bound.close());
      return bound;
    };
    const listeners: Listener[] = [];
    const admins: { readonly address: AdminAddress; readonly listener: Listener }[] = [];
    const openSockets = async (): Promise<void> => {
      for (const address of parseListeners(options.listen)) listeners.push(await open(address));
      for (const address of parseAdmins(options.admin)) admins.push({ address, listener: await open(address) });
    };
    if (inherited.hasPredecessor) {
      // What cannot be opened has to be known while the other daemon can still go on.
      await openSockets();
      // The less there is to do then, the shorter everybody waits.
      await Promise.all([...(threads?.values() ?? [])].map((thread) => thread.loaded));
      await booted?.([...listeners, ...admins.map(({ listener }) => listener)].map(({ path }) => path));
      await lockHistory(LET_GO_LIMIT_MS);
    }
    const recovered = await recover(options);
    if (recovered.truncatedBytes > 0)
      report?.(`the history ended with ${recovered.truncatedBytes} bytes that were no whole batch; they were cut off`);
    if (!inherited.hasPredecessor) await openSockets();
    for (const path of inherited.closeRest()) report?.(`${path} was handed down, but no option names it; closed`);
    const posix = listeners.length > 0 ? await loadPosix() : undefined;
    pipeline = await Pipeline.start({
      options,
      recovered,
      report,
      threads,
      host: (init) => hostActor(init, doorHooks),
      release,
      boot: (name) => new ActorThread(name, urlOf(workerUrl)),
      reclaim: reclaimDescriptors,
      deafen: (sockets) => posix && deafenSockets(posix, sockets),
      ...(fifo ? { fifoFd: fifo.fd } : {}),
      listenFds: () => listeners.map((listener) => listener.duplicate()),
    });
    const running = pipeline;
    const doors: AdminDoor[] = [];
    for (const { address, listener } of admins) {
      const door = await openAdminDoor(pipeline, listener.duplicate(), address, options.maxAdminConnections);
      closers.push(() => door.close());
      doors.push(door);
    }
    if (options.metrics) {
      const door = await openMetricsDoor(
        pipeline,
        parseLoopback('metrics', options.metrics),
        options.maxAdminConnections,
      );
      closers.push(() => door.close());
    }
    return {
      pipeline,
      fifo,
      listeners: [...listeners, ...admins.map(({ listener }) => listener)],
      async stopListening(flushLimitMs) {
        for (const door of doors) door.stopListening();
        await running.stopListening(flushLimitMs);
      },
    };
  } catch (error) {
    inherited.closeRest();
    // A pipeline that runs already gives back what was opened for it, in the right order.
    await (pipeline ? pipeline.destroy() : release());
    throw error;
  }
}

/** They are still booting when this returns. */
function bootThreads(options: Options, workerUrl: URL): ReadonlyMap<ActorName, ActorThread> {
  return new Map(actorNames(options).map((name) => [name, new ActorThread(name, workerUrl)]));
}

/** The log's own threads need a core, and clients on the machine need theirs (docs/performance.md, Shards). */
function shardsFor({ threads }: Options): number {
  return threads === 'inline' ? 1 : Math.max(1, Math.min(MAX_SHARDS, Math.floor(availableParallelism() / 2)));
}

function urlOf(location: URL | string): URL {
  if (location instanceof URL) return location;
  if (typeof location === 'string' && URL.canParse(location)) return new URL(location);
  throw new TocsinError('ERR_OPTION_INVALID', `workerUrl: expected a URL, got ${JSON.stringify(location)}`);
}
