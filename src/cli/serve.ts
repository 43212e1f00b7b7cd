import path from 'node:path';
import type { Command } from 'commander';
import { openPipeline, type PipelineOptions } from '../create-pipeline.ts';
import { Inherited } from '../doors/inherited.ts';
import type { OpenPipeline } from '../doors/open-pipeline.ts';
import { loadPosix, type Posix } from '../doors/posix.ts';
import { ServiceManager } from '../doors/service-manager.ts';
import { TocsinError } from '../event/errors.ts';
import { parseAdmins } from '../event/admin-address.ts';
import { type ListenerAddress, listenerPlace, parseListeners } from '../event/listener-address.ts';
import { isDurable, keyOf, type Options } from '../event/options.ts';
import { collectAtLeisure } from '../runtime/leisure.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { EXIT_FAILURE, EXIT_OK, reportError } from './exit.ts';
import { makeFolder } from './paths.ts';
import { addOptionFlags, type Flags, serveOptions, tomlOf } from './serve-options.ts';
import { starter } from './starter.ts';
import { Upgrade } from './upgrade.ts';

const TRIM_EVERY_MS = 10_000;
/** What a daemon may take to let go beyond its drain timeout: cutting clients, flushing connections, the disk. */
const DRAIN_MARGIN_MS = 60_000;

export function addServeCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const serve = addOptionFlags(program.command('serve').description('Run the daemon'));
  serve.action((flags: Flags) => run(() => serveUntilSignal(flags)));
}

/** Runs the daemon until SIGTERM or SIGINT, or until another one has taken over. @returns the exit code */
async function serveUntilSignal(flags: Flags): Promise<number> {
  const { root, given, options } = serveOptions(flags, log);
  const listeners = parseListeners(options.listen);
  const admins = parseAdmins(options.admin).map((admin) => admin.path);
  const files = listeners.flatMap((listener) => ('path' in listener ? [listener.path] : []));
  for (const file of [options.fifo, ...files, ...admins]) makeFolder(path.dirname(file));
  // Without a handler Node would open a debugger port.
  process.on('SIGUSR1', () => log('SIGUSR1 ignored'));
  let stop!: (why: string) => void;
  const stopped = new Promise<string>((resolve) => (stop = resolve));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  const upgrade = new Upgrade(log);
  const booting = boot(given as PipelineOptions, options);
  // From the first moment on: the default would end the process.
  process.on('SIGUSR2', () => upgrade.request());
  process.on('SIGHUP', () => {
    booting
      .then(({ open: { pipeline: running }, manager: told }) => reload(running, flags, told, listeners))
      .catch((error: unknown) => void reportError(error));
  });
  const { open, manager, inherited, posix } = await booting;
  const { pipeline, fifo } = open;
  if (inherited.hasParent) starter.onGone(() => stop('the parent process has gone'));
  upgrade.begin(open, manager, whyNoSuccessor(options, inherited));
  log(
    `ready in ${Math.round(performance.now())} ms; events on ${listeners.map(listenerPlace).join(', ')}, admin on ${admins.join(', ')}, FIFO ${options.fifo}`,
  );
  if (fifo) manager.store('fifo', fifo.fd);
  manager.ready('running');
  hint(root);
  collectAtLeisure();
  keepMemorySmall(posix);
  const outcome = await Promise.race([
    stopped,
    upgrade.successor,
    pipeline.closed.catch((error: unknown) => error as TocsinError),
  ]);
  if (outcome instanceof TocsinError) {
    upgrade.abandon();
    reportError(outcome);
    return EXIT_FAILURE;
  }
  const before = pipeline.stats();
  if (typeof outcome === 'object') {
    log(`handing over to ${outcome.child.pid}: draining`);
    await upgrade.handOver(open, outcome);
  } else {
    upgrade.abandon();
    log(`${String(outcome)}: draining`);
    manager.stopping('draining');
    // Who keeps the sockets will have somebody listen on them again.
    if (open.listeners.some(({ isKept }) => isKept)) await open.stopListening(options.drainTimeout);
    await pipeline.close();
  }
  const { counters, headSeq } = pipeline.stats();
  const drained = headSeq - before.headSeq;
  log(
    `stopped: ${headSeq} events accepted (${drained} of them while draining), ` +
      `${counters.clientsEnded} clients ended, ${counters.clientsCut} cut, ${counters.clientsLeft} left`,
  );
  return EXIT_OK;
}

interface Booted {
  readonly open: OpenPipeline;
  readonly manager: ServiceManager;
  readonly inherited: Inherited;
  readonly posix: Posix;
}

/** Starts the pipeline with what this process was given, behind the daemon before it if there is one. */
async function boot(given: PipelineOptions, options: Options): Promise<Booted> {
  const posix = await loadPosix();
  const inherited = Inherited.take(process.env, process.pid, posix);
  const manager = ServiceManager.take(process.env, process.pid, posix, log);
  let pipeline: Pipeline | undefined;
  // While it starts and while it ends, other limits hold.
  manager.watch(async () => pipeline?.state !== 'running' || (await pipeline.observe()) !== undefined);
  const open = await openPipeline(
    { ...given, report: log },
    { inherited, booted: (sockets) => starter.handOver(sockets, options.drainTimeout + DRAIN_MARGIN_MS) },
  );
  pipeline = open.pipeline;
  if (inherited.hasPredecessor && !inherited.hasParent) starter.leave();
  return { open, manager, inherited, posix };
}

/** Empty when another daemon could take over from this one. */
function whyNoSuccessor(options: Options, { hasParent }: Inherited): string {
  if (hasParent) return `tocsin supervise takes it, process ${process.ppid}`;
  if (!isDurable(options)) return 'there is no history on disk, so a successor would have nothing to go on with';
  return '';
}

/** Takes what has changed in files, certificates too, as far as that can be done now, and opens the event log anew. */
async function reload(
  pipeline: Pipeline,
  flags: Flags,
  manager: ServiceManager,
  listeners: readonly ListenerAddress[],
): Promise<void> {
  manager.reloading('taking what has changed');
  try {
    const { given, options } = serveOptions(flags, log);
    const { applied, pending } = pipeline.reconfigure(given);
    for (const name of applied) log(`SIGHUP: ${keyOf(name)} is ${tomlOf(name, options[name])} now`);
    for (const name of pending) log(`SIGHUP: ${keyOf(name)} has changed, and will from the next start on`);
    if (applied.length + pending.length === 0) log('SIGHUP: no option has changed');
  } catch (error) {
    // What was valid stays as it was.
    reportError(error);
  }
  await reloadCertificates(pipeline, listeners).catch(reportError);
  try {
    log((await pipeline.reopenEventLog()) ? 'SIGHUP: the event log was reopened' : 'SIGHUP: there is no event log');
  } finally {
    manager.ready('running');
  }
}

/** All of them or, where any cannot be used, none. @throws ERR_LISTENER_TLS */
async function reloadCertificates(pipeline: Pipeline, listeners: readonly ListenerAddress[]): Promise<void> {
  const secure = listeners.flatMap((listener) => ('tls' in listener && listener.tls ? [listener.tls] : []));
  if (secure.length === 0) return;
  const { serverOptions } = await import('../doors/tls-handshakes.ts');
  secure.forEach(serverOptions);
  await pipeline.reloadCertificates();
  log('SIGHUP: certificates were read again');
}

/** Threads free what other threads have allocated: the C library keeps such memory, in places that it may never use again. */
function keepMemorySmall(posix: Posix): void {
  setInterval(() => posix.trimMemory(), TRIM_EVERY_MS).unref();
}

/** What to type next; for people, so only on a terminal or with a folder of one's own. */
function hint(root: string): void {
  if (!root) return;
  const where = path.relative(process.cwd(), path.resolve(root)) || '.';
  log(`try:  node dist/main.js events -S 0 -H unix://${path.resolve(root)}/tocsin.sock`);
  log(`and:  node dist/main.js send container c1 START --root ${where}`);
}

function log(message: string): void {
  process.stderr.write(`tocsin: ${message}\n`);
}
