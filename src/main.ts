#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addBenchCommand } from './cli/bench.ts';
import { addClientsCommand } from './cli/clients.ts';
import { addContainerCommand } from './cli/container.ts';
import { addEventsCommand } from './cli/events.ts';
import { addHistoryCommand } from './cli/history.ts';
import { EXIT_OK, EXIT_USAGE, reportError } from './cli/exit.ts';
import { addPublishCommand } from './cli/publish.ts';
import { addSendCommand } from './cli/send.ts';
import { addServeCommand } from './cli/serve.ts';
import { VERSION } from './event/version.ts';

const program = new Command('tocsin').description('Container event service').version(VERSION);

async function run(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action();
  } catch (error) {
    process.exitCode = reportError(error);
  }
}

program.exitOverride().showHelpAfterError('(--help shows what is possible)');
addServeCommand(program, run);
addEventsCommand(program, run);
addSendCommand(program, run);
addContainerCommand(program, run);
addPublishCommand(program, run);
addHistoryCommand(program, run);
addClientsCommand(program, run);
addBenchCommand(program, run);
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
}
