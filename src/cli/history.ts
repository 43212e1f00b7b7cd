import fs from 'node:fs';
import type { Command } from 'commander';
import { TocsinError } from '../event/errors.ts';
import { LineChecker, linesOf } from './event-lines.ts';
import { EXIT_OK } from './exit.ts';
import { request, textOf } from './http-client.ts';
import { adminSocketOf } from './paths.ts';
import { Progress } from './progress.ts';

interface ImportFlags {
  readonly root?: string;
  readonly host?: string;
}

export function addHistoryCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const history = program.command('history').description('The past of the log');
  history
    .command('import <file>')
    .description('Fill the empty log of a daemon with events as Docker prints them (--format json), with their times')
    .option('-H, --host <host>', 'Admin socket of the daemon, unix:///path')
    .option('--root <folder>', 'Folder of a daemon started with --root')
    .action((file: string, flags: ImportFlags) => run(() => importFile(file, flags)));
}

async function importFile(file: string, flags: ImportFlags): Promise<number> {
  const progress = new Progress();
  // All of it first: half an archive in the log would keep the whole one out.
  const checker = new LineChecker();
  let count = 0;
  for await (const lines of linesOf(open(file))) {
    for (const line of lines) checker.check(line);
    count += lines.length;
    progress.show(count, ' checked');
  }
  const response = await request(adminSocketOf(flags), { method: 'POST', path: '/v1/history', body: open(file) });
  const { appended, cursor } = JSON.parse(await textOf(response)) as { appended: number; cursor: string };
  progress.clear();
  process.stderr.write(`tocsin: ${appended} events imported\n`);
  process.stdout.write(`${cursor}\n`);
  return EXIT_OK;
}

function open(file: string): fs.ReadStream {
  try {
    return fs.createReadStream('', { fd: fs.openSync(file, 'r') });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TocsinError('ERR_FILE_UNREADABLE', `cannot read ${file}: ${reason}`, { cause });
  }
}
