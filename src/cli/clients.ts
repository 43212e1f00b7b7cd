import type { Command } from 'commander';
import { TocsinError } from '../event/errors.ts';
import { parseDurationMs } from '../event/time.ts';
import type { ClientInfo } from '../messages/control.ts';
import { clientTable } from './client-table.ts';
import { EXIT_OK } from './exit.ts';
import { request, textOf } from './http-client.ts';
import { adminSocketOf } from './paths.ts';

interface ClientsFlags {
  readonly root?: string;
  readonly host?: string;
  readonly once?: boolean;
  readonly interval: string;
  readonly format: string;
}

const MIN_INTERVAL_MS = 100;
/** The alternate screen, which leaves what was there before as it was. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_REST = '\u001b[J';

export function addClientsCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  program
    .command('clients')
    .description('Show who is connected, on which shard, and how far behind')
    .option('-H, --host <host>', 'Admin socket of the daemon, unix:///path')
    .option('--root <folder>', 'Folder of a daemon started with --root')
    .option('--once', 'Print the table once, on a terminal too')
    .option('--interval <time>', 'On a terminal: how often the table is drawn', '1s')
    .option('--format <format>', 'table, or json: a line for each client', 'table')
    .action((flags: ClientsFlags) => run(() => clients(flags)));
}

async function clients(flags: ClientsFlags): Promise<number> {
  const intervalMs = parseDurationMs(flags.interval);
  if (intervalMs === undefined || intervalMs < MIN_INTERVAL_MS)
    throw new TocsinError(
      'ERR_OPTION_INVALID',
      `interval: expected at least 100ms, got ${JSON.stringify(flags.interval)}`,
    );
  if (flags.format !== 'table' && flags.format !== 'json')
    throw new TocsinError('ERR_OPTION_INVALID', `format: expected table or json, got ${JSON.stringify(flags.format)}`);
  const socketPath = adminSocketOf(flags);
  if (flags.format === 'table' && process.stdout.isTTY && !flags.once) return follow(socketPath, intervalMs);
  const list = await ask(socketPath);
  if (flags.format === 'json') for (const client of list) process.stdout.write(`${JSON.stringify(client)}\n`);
  else process.stdout.write(`${clientTable(list).join('\n')}\n`);
  return EXIT_OK;
}

/** A table that is drawn over, until a signal or the end of the daemon. */
async function follow(socketPath: string, intervalMs: number): Promise<number> {
  const out = process.stdout;
  let isOver = false;
  let wake = (): void => {};
  const end = (): void => {
    isOver = true;
    wake();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  let before: { readonly list: readonly ClientInfo[]; readonly atMs: number } | undefined;
  out.write(ENTER);
  try {
    while (!isOver) {
      const list = await ask(socketPath);
      const atMs = performance.now();
      const lines = clientTable(list, {
        columns: out.columns,
        rows: out.rows,
        ...(before ? { before: before.list, seconds: (atMs - before.atMs) / 1000 } : {}),
      });
      out.write(`${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_REST}`);
      before = { list, atMs };
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, intervalMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    out.write(LEAVE);
  }
  return EXIT_OK;
}

async function ask(socketPath: string): Promise<readonly ClientInfo[]> {
  return JSON.parse(await textOf(await request(socketPath, { path: '/v1/clients' }))) as readonly ClientInfo[];
}
