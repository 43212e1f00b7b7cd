import type { Command } from 'commander';
import { TocsinError } from '../event/errors.ts';
import { EXIT_OK } from './exit.ts';
import { request, textOf } from './http-client.ts';
import { adminSocketOf } from './paths.ts';

interface ContainerFlags {
  readonly root?: string;
  readonly host?: string;
  readonly name?: string;
  readonly image?: string;
  readonly pid?: string;
  readonly label: readonly string[];
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addContainerCommand(program: Command, run: (action: () => Promise<number>) => Promise<void>): void {
  const container = program
    .command('container')
    .description('Tell the daemon about containers, so that it can enrich their events');
  const where = (command: Command): Command =>
    command
      .option('-H, --host <host>', 'Admin socket of the daemon, unix:///path')
      .option('--root <folder>', 'Folder of a daemon started with --root');
  where(container.command('set <id>'))
    .description('Describe a container, replacing what was known')
    .option('--name <name>', 'Name')
    .option('--image <image>', 'Image')
    .option('--pid <pid>', 'Process id of the running container')
    .option('--label <key=value>', 'Label; may be given several times', collect, [])
    .action((id: string, flags: ContainerFlags) =>
      run(async () => {
        await call(flags, 'PUT', `/v1/containers/${encodeURIComponent(id)}`, specOf(flags));
        return EXIT_OK;
      }),
    );
  where(container.command('rm <id>'))
    .description('Forget a container that was removed')
    .action((id: string, flags: ContainerFlags) =>
      run(async () => {
        await call(flags, 'DELETE', `/v1/containers/${encodeURIComponent(id)}`);
        return EXIT_OK;
      }),
    );
  where(container.command('ls'))
    .description('Print the containers that the daemon knows, as JSON')
    .action((flags: ContainerFlags) =>
      run(async () => {
        process.stdout.write(await call(flags, 'GET', '/v1/containers'));
        return EXIT_OK;
      }),
    );
}

async function call(flags: ContainerFlags, method: string, path: string, body?: unknown): Promise<string> {
  return textOf(
    await request(adminSocketOf(flags), {
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
}

function specOf(flags: ContainerFlags): unknown {
  const { name, image, pid } = flags;
  if (pid !== undefined && !/^\d+$/.test(pid)) {
    throw new TocsinError('ERR_OPTION_INVALID', `pid: expected a whole number, got ${JSON.stringify(pid)}`);
  }
  const labels = Object.fromEntries(
    flags.label.map((label) => {
      const split = label.indexOf('=');
      if (split < 1)
        throw new TocsinError('ERR_OPTION_INVALID', `label: expected key=value, got ${JSON.stringify(label)}`);
      return [label.slice(0, split), label.slice(split + 1)];
    }),
  );
  return {
    ...(name === undefined ? {} : { name }),
    ...(image === undefined ? {} : { image }),
    ...(pid === undefined ? {} : { pid: Number(pid) }),
    labels,
  };
}
