import type { Command } from 'commander';
import { keyOf, OPTION_NAMES } from '../event/options.ts';
import { EXIT_OK } from './exit.ts';
import { addOptionFlags, type Flags, type ServeOptions, serveOptions, tomlOf } from './serve-options.ts';

export function addConfigCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const config = program.command('config').description('What `tocsin serve` would be started with');
  const add = (name: string, description: string, show: (options: ServeOptions) => string): void => {
    const command = addOptionFlags(config.command(name).description(description), ['root']);
    command.action((flags: Flags) =>
      run(async () => {
        process.stdout.write(show(serveOptions(flags, (message) => process.stderr.write(`tocsin: ${message}\n`))));
        return EXIT_OK;
      }),
    );
  };
  add('check', 'Say whether files and environment are valid, and what is wrong', checkedText);
  add('print', 'Print every option as it would be, and where that was said', printedText);
}

function checkedText({ files, where }: ServeOptions): string {
  const read = files.length > 0 ? files.join(', ') : 'no file';
  return `valid: ${where.size} options said; read ${read}\n`;
}

/** As a file that says the same. */
function printedText({ options, where }: ServeOptions): string {
  const lines = OPTION_NAMES.filter((name) => name !== 'root').map((name) => {
    const line = `${keyOf(name)} = ${tomlOf(name, options[name])}`;
    return `${line.padEnd(48)} # ${where.get(name) ?? 'default'}\n`;
  });
  return lines.join('');
}
