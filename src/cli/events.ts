import type { Command } from 'commander';
import { formatTextLine } from '../codec/text-line.ts';
import { TocsinError } from '../event/errors.ts';
import type { Heartbeat, Lagged, Timestamp, TocsinEvent } from '../event/event.ts';
import { parseFilterTerm, type Term } from '../event/filter.ts';
import { parseTime } from '../event/time.ts';
import { systemClock } from '../runtime/clock.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit.ts';
import { socketPathOf } from '../client/address.ts';
import { request } from './http-client.ts';
import { runPaths } from './paths.ts';

interface EventsFlags {
  readonly name?: string;
  readonly since?: string;
  readonly until?: string;
  readonly host?: string;
  readonly filter: readonly string[];
  readonly format: string;
  readonly after?: string;
  readonly follow: boolean;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addEventsCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  program
    .command('events')
    .description('Get real time events from the server')
    .option('-n, --name <name>', 'Name of the container')
    .option('-S, --since <time>', 'Show all events created since this timestamp')
    .option('-U, --until <time>', 'Show all events created until this timestamp')
    .option('-H, --host <host>', 'Event socket of the daemon, unix:///path (or TOCSIN_HOST, ISULAD_HOST)')
    .option('-f, --filter <key=value>', 'Show only matching events; may be given several times', collect, [])
    .option('--format <format>', 'text or json', 'text')
    .option('--after <cursor>', 'Show all events behind this cursor')
    .option('--no-follow', 'End with the newest event instead of waiting for more')
    .action((flags: EventsFlags) => run(() => events(flags)));
}

async function events(flags: EventsFlags): Promise<number> {
  if (flags.format !== 'text' && flags.format !== 'json') {
    throw new TocsinError('ERR_OPTION_INVALID', `format: expected text or json, got ${JSON.stringify(flags.format)}`);
  }
  const host = flags.host ?? process.env['TOCSIN_HOST'] ?? process.env['ISULAD_HOST'];
  const socketPath = host ? socketPathOf(host) : runPaths('').listen;
  const response = await request(socketPath, { path: `/v1/events?${queryOf(flags)}` });
  const print = flags.format === 'json' ? (line: Buffer) => line : textLines;
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_FAILURE),
  );
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = data.lastIndexOf(0x0a) + 1;
      rest = data.subarray(end);
      if (end > 0) await write(print(data.subarray(0, end)));
    }
  } catch (cause) {
    throw new TocsinError('ERR_DAEMON_UNAVAILABLE', 'the stream ended abnormally: not every event was received', {
      cause,
    });
  }
  return EXIT_OK;
}

function queryOf(flags: EventsFlags): string {
  const query = new URLSearchParams();
  const now = systemClock().now();
  // The client's zone and clock count, so times are made absolute here.
  const time = (text: string): string => formatSeconds(parseTime(text, now, 'local'));
  if (flags.name) query.set('name', flags.name);
  if (flags.since !== undefined) query.set('since', time(flags.since));
  if (flags.until !== undefined) query.set('until', time(flags.until));
  if (flags.after !== undefined) query.set('after', flags.after);
  if (flags.filter.length > 0) query.set('filters', filtersJson(flags.filter.map(parseFilterTerm)));
  if (!flags.follow) query.set('follow', 'false');
  return query.toString();
}

/** Terms in the JSON form of `filters=`: `{"type":["container"],"label!":["k=v"]}`. */
function filtersJson(terms: readonly Term[]): string {
  const suffix = { '=': '', '!=': '!', '~=': '~' } as const;
  const filters: Record<string, string[]> = {};
  for (const { key, op, value } of terms) (filters[`${key}${suffix[op]}`] ??= []).push(value);
  return JSON.stringify(filters);
}

function formatSeconds(time: Timestamp): string {
  return `${time.sec}.${String(time.nanos).padStart(9, '0')}`;
}

/** Text for people; what is no event goes to stderr, so that stdout carries events only. */
function textLines(lines: Buffer): string {
  let text = '';
  for (const line of lines.toString('utf8').split('\n')) {
    if (line === '') continue;
    const delivery = JSON.parse(line) as TocsinEvent | Lagged | Heartbeat;
    if (delivery.type === 'gap') {
      const gap = delivery as Lagged;
      process.stderr.write(`tocsin: ${gap.missed ?? 'an unknown number of'} events are missing (${gap.reason})\n`);
    } else if (delivery.type !== 'heartbeat') {
      text += `${formatTextLine(delivery as TocsinEvent)}\n`;
    }
  }
  return text;
}

async function write(output: string | Buffer): Promise<void> {
  if (output.length === 0 || process.stdout.write(output)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
}
