#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { EXIT_OK, EXIT_USAGE, reportError } from './cli/exit.ts';
import { VERSION } from './event/version.ts';

/** Each loads its own code only: that is a good part of how long a command takes. */
const COMMANDS = {
  serve: async () => (await import('./cli/serve.ts')).addServeCommand,
  supervise: async () => (await import('./cli/supervise.ts')).addSuperviseCommand,
  events: async () => (await import('./cli/events.ts')).addEventsCommand,
  send: async () => (await import('./cli/send.ts')).addSendCommand,
  container: async () => (await import('./cli/container.ts')).addContainerCommand,
  publish: async () => (await import('./cli/publish.ts')).addPublishCommand,
  history: async () => (await import('./cli/history.ts')).addHistoryCommand,
  config: async () => (await import('./cli/config.ts')).addConfigCommand,
  clients: async () => (await import('./cli/clients.ts')).addClientsCommand,
  bench: async () => (await import('./cli/bench.ts')).addBenchCommand,
};

const program = new Command('tocsin').description('Container event service').version(VERSION);

async function run(action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action();
  } catch (error) {
    process.exitCode = reportError(error);
  }
}

program.exitOverride().showHelpAfterError('(--help shows what is possible)');
const named = process.argv[2] ?? '';
// Without one, help lists them all.
const wanted = Object.hasOwn(COMMANDS, named) ? [COMMANDS[named as keyof typeof COMMANDS]] : Object.values(COMMANDS);
for (const load of wanted) (await load())(program, run);
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
}
