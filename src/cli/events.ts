import type { Command } from 'commander';
import type { ConnectionState, EventsOptions } from '../client/events-query.ts';
import { eventsIn, type Piece } from '../client/line-splitter.ts';
import { TocsinClient } from '../client/tocsin-client.ts';
import { formatTextLine } from '../codec/text-line.ts';
import { TocsinError } from '../event/errors.ts';
import type { Lagged } from '../event/event.ts';
import { parseTime, secondsText } from '../event/time.ts';
import { systemClock } from '../runtime/clock.ts';
import { CursorFile } from './cursor-file.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit.ts';
import { runPaths } from './paths.ts';
import { addTlsFlags, type TlsFlags, tlsOf } from './tls-flags.ts';

interface EventsFlags extends TlsFlags {
  readonly name?: string;
  readonly since?: string;
  readonly until?: string;
  readonly host?: string;
  readonly filter: readonly string[];
  readonly quiet?: boolean;
  readonly format: string;
  readonly after?: string;
  readonly cursorFile?: string;
  readonly follow: boolean;
  readonly reconnect?: boolean;
  readonly failOnGap?: boolean;
}

/** How long a reader of stdout may take for what it was given, after a signal. */
const SIGNAL_LIMIT_MS = 1_000;

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addEventsCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const command = program.command('events').description('Get real time events from the server');
  command
    .option('-n, --name <name>', 'Name of the container')
    .option('-S, --since <time>', 'Show all events created since this timestamp')
    .option('-U, --until <time>', 'Show all events created until this timestamp')
    .option(
      '-H, --host <host>',
      'Event socket of the daemon, unix:///path (or TOCSIN_HOST, ISULAD_HOST), tcp://host:port, or http://host:port',
    )
    .option('-f, --filter <key=value>', 'Show only matching events; may be given several times', collect, [])
    .option('--quiet', 'Leave out execs of health checks, and a health that was told before')
    .option('--format <format>', 'text or json', 'text')
    .option('--after <cursor>', 'Show all events behind this cursor')
    .option(
      '--cursor-file <file>',
      'Begin behind the cursor in this file, if there is one, and keep the cursor of what was printed in it',
    )
    .option('--no-follow', 'End with the newest event instead of waiting for more')
    .option(
      '--reconnect',
      'Wait for a daemon that is not there, and come back to it; the latter is the default when following',
    )
    .option('--no-reconnect', 'End when the connection does')
    .option('--fail-on-gap', 'End with 75 before a place where events are missing');
  addTlsFlags(command).action((flags: EventsFlags) => run(() => events(flags)));
}

async function events(flags: EventsFlags): Promise<number> {
  if (flags.format !== 'text' && flags.format !== 'json') {
    throw new TocsinError('ERR_OPTION_INVALID', `format: expected text or json, got ${JSON.stringify(flags.format)}`);
  }
  const print = flags.format === 'json' ? (piece: Piece) => piece.bytes : textOf;
  const stop = new AbortController();
  let failure: TocsinError | undefined;
  const fail = (error: TocsinError): void => {
    failure ??= error;
    stop.abort();
  };
  const file = flags.cursorFile === undefined ? undefined : new CursorFile(flags.cursorFile, fail);
  const tls = tlsOf(flags);
  const client = new TocsinClient({ host: hostOf(flags), ...(tls ? { tls } : {}) });
  const lines = client.lines({
    ...optionsOf(flags, file?.read()),
    signal: stop.signal,
    onState: connectionNotices(flags.reconnect ? undefined : fail),
  });
  const dieOfSignal = file && onSignals(stop, file);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    file?.flush();
    process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE);
  });
  try {
    for await (const piece of lines) {
      if (piece.gap && flags.failOnGap) throw new TocsinError('ERR_CLIENT_GAP', gapText(piece.gap));
      await write(print(piece));
      file?.advance(piece.cursor);
    }
  } finally {
    file?.flush();
  }
  dieOfSignal?.();
  if (failure) throw failure;
  return EXIT_OK;
}

function hostOf({ host }: EventsFlags): string {
  return host || process.env['TOCSIN_HOST'] || process.env['ISULAD_HOST'] || runPaths('').listen;
}

/** @param resumed the cursor in the cursor file: it counts, not where the flags would begin */
function optionsOf(flags: EventsFlags, resumed: string | undefined): EventsOptions {
  const { name, after, follow, reconnect = follow } = flags;
  const now = systemClock().now();
  // The zone of the command line counts, so times are made absolute here.
  const time = (text: string): string => secondsText(parseTime(text, now, 'local'));
  const start = {
    ...(after === undefined ? {} : { after }),
    ...(flags.since === undefined ? {} : { since: time(flags.since) }),
  };
  return {
    ...(resumed === undefined ? start : { after: resumed }),
    ...(flags.until === undefined ? {} : { until: time(flags.until) }),
    ...(name ? { name } : {}),
    filter: flags.filter,
    quiet: flags.quiet ?? false,
    follow,
    reconnect,
  };
}

/**
 * Says on stderr when the connection is lost, and when it is there again.
 * @param onRefused told instead when there was none in the first place
 */
function connectionNotices(onRefused: ((error: TocsinError) => void) | undefined): (state: ConnectionState) => void {
  let last: 'none' | ConnectionState['state'] = 'none';
  return (state) => {
    const before = last;
    last = state.state;
    if (state.state === 'connected') {
      if (before === 'waiting') process.stderr.write('tocsin: connected again\n');
    } else if (before === 'none' && onRefused) {
      onRefused(state.error);
    } else if (before !== 'waiting') {
      process.stderr.write(`tocsin: ${state.error.message}; trying again\n`);
    }
  };
}

/**
 * Before a signal ends the command, what was printed is noted in the file.
 * @returns what ends it, if there was a signal
 */
function onSignals(stop: AbortController, file: CursorFile): () => void {
  let signalled: NodeJS.Signals | undefined;
  const die = (): void => {
    if (signalled) process.kill(process.pid, signalled);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      signalled = signal;
      stop.abort();
      // The reader of stdout may have stopped reading.
      setTimeout(() => {
        file.flush();
        die();
      }, SIGNAL_LIMIT_MS).unref();
    });
  }
  return die;
}

/** Text for people; a gap goes to stderr, so that stdout carries events only. */
function textOf({ bytes, gap }: Piece): string {
  let text = '';
  if (gap) process.stderr.write(`tocsin: ${gapText(gap)}\n`);
  else for (const event of eventsIn(bytes)) text += `${formatTextLine(event)}\n`;
  return text;
}

function gapText({ missed, reason }: Lagged): string {
  return `${missed ?? 'an unknown number of'} events are missing (${reason})`;
}

/** Resolves when the output has been handed over. When that fails the command ends, see the listener of stdout. */
async function write(output: string | Buffer): Promise<void> {
  if (output.length === 0) return;
  await new Promise<void>((resolve) => {
    process.stdout.write(output, (error) => {
      if (!error) resolve();
    });
  });
}
