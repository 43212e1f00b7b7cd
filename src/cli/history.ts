import fs from 'node:fs';
import type { Command } from 'commander';
import { TocsinError } from '../event/errors.ts';
import { LineChecker, linesOf } from './event-lines.ts';
import { EXIT_OK } from './exit.ts';
import type { ExportFlags } from './history-export.ts';
import type { PlaceFlags } from './history-place.ts';
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
  // Of a folder, without a daemon. Loaded when it is wanted: the others need no pool of threads.
  atFolder(history.command('verify'))
    .description('Read every byte of a history and say what is wrong with it')
    .action((flags: PlaceFlags) => run(async () => (await import('./history-verify.ts')).verifyHistory(flags)));
  atFolder(history.command('stats'))
    .description('Count what there is in a history')
    .option('--format <format>', 'text or json', 'text')
    .action((flags: PlaceFlags & { readonly format: string }) =>
      run(async () => (await import('./history-stats.ts')).showStats(flags)),
    );
  atFolder(history.command('export'))
    .description('Print the events of a history as the daemon would')
    .option('-S, --since <time>', 'From this time on')
    .option('-U, --until <time>', 'Up to this time')
    .option('--after <cursor>', 'From behind this cursor on')
    .option('-f, --filter <key=value>', 'Only matching events; may be given several times', collect, [])
    .option('--format <format>', 'json', 'json')
    .option('--no-redact', 'Show passwords and other secrets, which are *** otherwise')
    .option('--redact-names <words>', 'More words that make a name secret, as of the daemon', '')
    .action((flags: ExportFlags) => run(async () => (await import('./history-export.ts')).exportHistory(flags)));
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

function atFolder(command: Command): Command {
  return command
    .option('--root <folder>', 'Folder of a daemon started with --root')
    .option('--history <folder>', 'The folder of the history itself')
    .option('--threads <count>', 'Threads that read, 1 to 64; up to 4 unless said otherwise');
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
