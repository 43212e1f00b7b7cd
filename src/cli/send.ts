import type { Command } from 'commander';
import { sendContainerEvent, sendImageEvent } from '../doors/send.ts';
import { TocsinError } from '../event/errors.ts';
import { EXIT_OK } from './exit.ts';
import { runPaths } from './paths.ts';

interface SendFlags {
  readonly root?: string;
  readonly fifo?: string;
  readonly pid?: string;
  readonly exitCode?: string;
  readonly args?: string;
  readonly extra?: string;
}

export function addSendCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const send = program.command('send').description('Send one event over the monitor FIFO, as a container engine does');
  const where = (command: Command): Command =>
    command.option('--fifo <path>', 'Monitor FIFO').option('--root <folder>', 'Folder of a daemon started with --root');
  where(send.command('container <id> <state>'))
    .description(
      'Send a container event; states are iSulad\u2019s (START, STOPPED, EXEC_CREATE, ...) or actions (start, die)',
    )
    .option('--pid <pid>', 'Process id')
    .option('--exit-code <code>', 'Exit code')
    .option('--args <text>', 'Arguments, such as the command of an exec')
    .option('--extra <key=value>', 'One more annotation')
    .action((id: string, state: string, flags: SendFlags) =>
      run(async () => {
        const { args, extra } = flags;
        const pid = integer('pid', flags.pid);
        const exitCode = integer('exit-code', flags.exitCode);
        await sendContainerEvent(fifoOf(flags), {
          id,
          state,
          ...(pid === undefined ? {} : { pid }),
          ...(exitCode === undefined ? {} : { exitCode }),
          ...(args === undefined ? {} : { args }),
          ...(extra === undefined ? {} : { extra }),
        });
        return EXIT_OK;
      }),
    );
  where(send.command('image <ref> <state>'))
    .description('Send an image event; states are LOAD, REMOVE, PULL, LOGIN, LOGOUT, IMPORT, TAG')
    .action((ref: string, state: string, flags: SendFlags) =>
      run(async () => {
        await sendImageEvent(fifoOf(flags), { ref, state });
        return EXIT_OK;
      }),
    );
}

function fifoOf(flags: SendFlags): string {
  return flags.fifo ?? runPaths(flags.root ?? '').fifo;
}

function integer(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text))
    throw new TocsinError('ERR_OPTION_INVALID', `${name}: expected a whole number, got ${JSON.stringify(text)}`);
  return Number(text);
}
