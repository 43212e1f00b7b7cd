import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { createPipeline, type PipelineOptions } from '../create-pipeline.ts';
import { loadPosix, type Posix } from '../doors/posix.ts';
import { TocsinError } from '../event/errors.ts';
import { parseAdmins } from '../event/admin-address.ts';
import { type ListenerAddress, listenerPlace, parseListeners } from '../event/listener-address.ts';
import { keyOf } from '../event/options.ts';
import { collectAtLeisure } from '../runtime/leisure.ts';
import type { Pipeline } from '../runtime/pipeline.ts';
import { EXIT_FAILURE, EXIT_OK, reportError } from './exit.ts';
import { addOptionFlags, type Flags, serveOptions, tomlOf } from './serve-options.ts';

const TRIM_EVERY_MS = 10_000;

export function addServeCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const serve = addOptionFlags(program.command('serve').description('Run the daemon'));
  serve.action((flags: Flags) => run(() => serveUntilSignal(flags)));
}

/** Runs the daemon until SIGTERM or SIGINT. @returns the exit code */
async function serveUntilSignal(flags: Flags): Promise<number> {
  const { root, given, options } = serveOptions(flags, log);
  const listeners = parseListeners(options.listen);
  const admins = parseAdmins(options.admin).map((admin) => admin.path);
  const files = listeners.flatMap((listener) => ('path' in listener ? [listener.path] : []));
  for (const file of [options.fifo, ...files, ...admins]) makeFolder(path.dirname(file));
  // Without a handler Node would open a debugger port.
  process.on('SIGUSR1', () => log('SIGUSR1 ignored'));
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const starting = createPipeline({ ...given, report: log } as PipelineOptions);
  // From the first moment on: the default would end the process.
  process.on('SIGHUP', () => {
    starting.then((running) => reload(running, flags, listeners)).catch((error: unknown) => void reportError(error));
  });
  const pipeline = await starting;
  log(
    `ready in ${Math.round(performance.now())} ms; events on ${listeners.map(listenerPlace).join(', ')}, admin on ${admins.join(', ')}, FIFO ${options.fifo}`,
  );
  hint(root);
  collectAtLeisure();
  keepMemorySmall(await loadPosix());
  const outcome = await Promise.race([signalled, pipeline.closed.catch((error: unknown) => error as TocsinError)]);
  if (outcome instanceof TocsinError) {
    reportError(outcome);
    return EXIT_FAILURE;
  }
  const before = pipeline.stats();
  log(`${String(outcome)}: draining`);
  await pipeline.close();
  const { counters, headSeq } = pipeline.stats();
  const drained = headSeq - before.headSeq;
  log(
    `stopped: ${headSeq} events accepted (${drained} of them while draining), ` +
      `${counters.clientsEnded} clients ended, ${counters.clientsCut} cut, ${counters.clientsLeft} left`,
  );
  return EXIT_OK;
}

/** Takes what has changed in files, certificates too, as far as that can be done now, and opens the event log anew. */
async function reload(pipeline: Pipeline, flags: Flags, listeners: readonly ListenerAddress[]): Promise<void> {
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
  log((await pipeline.reopenEventLog()) ? 'SIGHUP: the event log was reopened' : 'SIGHUP: there is no event log');
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

function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o750 });
  } catch (cause) {
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `cannot create the folder ${folder}`, { cause });
  }
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
