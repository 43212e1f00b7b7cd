import fs from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import { createPipeline } from '../create-pipeline.ts';
import { loadPosix, type Posix } from '../doors/posix.ts';
import { TocsinError } from '../event/errors.ts';
import { parseListeners } from '../event/listener-address.ts';
import {
  flagOf,
  OPTION_NAMES,
  OPTION_TABLE,
  type OptionName,
  type OptionValue,
  type Options,
  parseOptionText,
} from '../event/options.ts';
import { collectAtLeisure } from '../runtime/leisure.ts';
import { EXIT_FAILURE, EXIT_OK, reportError } from './exit.ts';
import { runPaths } from './paths.ts';

const TRIM_EVERY_MS = 10_000;
/** As commander gives them: a list where a flag may be given more than once. */
type Flags = Readonly<Record<string, string | boolean | readonly string[]>>;

export function addServeCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const serve = program.command('serve').description('Run the daemon');
  for (const name of OPTION_NAMES) {
    const row = OPTION_TABLE[name];
    const fallback = row.default ? ` (default: ${row.default})` : '';
    if (row.kind === 'switch') {
      serve.option(flagOf(name), row.meaning);
      continue;
    }
    const option = new Option(`${flagOf(name)} <${row.kind}>`, `${row.meaning}${fallback}`);
    // Given more than once, each counts.
    if (row.kind === 'sources' || row.kind === 'listeners')
      option.argParser((text, before: readonly string[] | undefined) => [...(before ?? []), text]);
    serve.addOption(option);
  }
  serve.action((flags: Flags) => run(() => serveUntilSignal(flags)));
}

/** Runs the daemon until SIGTERM or SIGINT. @returns the exit code */
async function serveUntilSignal(flags: Flags): Promise<number> {
  const given: Record<string, OptionValue> = {};
  for (const [name, value] of Object.entries(flags))
    given[name] = typeof value === 'string' ? parseOptionText(name as OptionName, value) : value;
  const { root = '', ...rest } = given;
  const paths = runPaths(String(root));
  const options = { ...paths, ...rest } as Partial<Omit<Options, 'root'>>;
  const listeners = parseListeners(options.listen ?? '').map((listener) => listener.path);
  for (const file of [options.fifo, ...listeners, options.admin]) makeFolder(path.dirname(file ?? ''));
  // Without a handler Node would open a debugger port.
  process.on('SIGUSR1', () => log('SIGUSR1 ignored'));
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  const starting = createPipeline({ ...options, report: log });
  // From the first moment on: the default would end the process.
  process.on('SIGHUP', () => {
    const reopened = starting.then((running) => running.reopenEventLog());
    reopened.then(
      (isOpen) => log(isOpen ? 'SIGHUP: the event log was reopened' : 'SIGHUP: there is no event log'),
      (error: unknown) => void reportError(error),
    );
  });
  const pipeline = await starting;
  log(
    `ready in ${Math.round(performance.now())} ms; events on ${listeners.join(', ')}, admin on ${options.admin}, FIFO ${options.fifo}`,
  );
  hint(String(root));
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
