import { type Command, Option } from 'commander';
import {
  flagOf,
  makeOptions,
  OPTION_NAMES,
  OPTION_TABLE,
  type OptionName,
  type Options,
  type OptionValue,
  parseOptionText,
} from '../event/options.ts';
import { configPlace, type OptionValues, readConfig, readEnvironment, type Said } from './config-file.ts';
import { runPaths, type User } from './paths.ts';

/** As commander gives them: a list where a flag may be given more than once. */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** What a daemon is started with. */
export interface ServeOptions {
  readonly root: string;
  /** What was said, for `createPipeline`. */
  readonly given: OptionValues;
  /** All of them, defaults too. */
  readonly options: Options;
  /** The flag, variable or file that said it; absent for what is as by default. */
  readonly where: ReadonlyMap<OptionName, string>;
  readonly files: readonly string[];
}

/** The flags of every option, and that of the file in which they can be. */
export function addOptionFlags(command: Command, names: readonly OptionName[] = OPTION_NAMES): Command {
  for (const name of names) {
    const row = OPTION_TABLE[name];
    const fallback = row.default ? ` (default: ${row.default})` : '';
    if (row.kind === 'switch') {
      command.option(flagOf(name), row.meaning);
      continue;
    }
    const option = new Option(`${flagOf(name)} <${row.kind}>`, `${row.meaning}${fallback}`);
    // Given more than once, each counts.
    if (row.kind === 'sources' || row.kind === 'listeners')
      option.argParser((text, before: readonly string[] | undefined) => [...(before ?? []), text]);
    command.addOption(option);
  }
  return command.option(
    '--config <path>',
    'File with options (docs/options.md); default /etc/tocsin/config.toml, config.toml in the folder of --root, or in that of the XDG directories',
  );
}

/**
 * What flags, environment and files say together: a flag before a variable, that before `conf.d`, that before the file.
 * @throws ERR_CONFIG_INVALID, ERR_OPTION_INVALID
 */
export function serveOptions(
  flags: Flags,
  warn: (message: string) => void,
  user: User = { uid: process.geteuid?.() ?? 0, env: process.env },
): ServeOptions {
  const { config, ...rest } = flags;
  const byEnvironment = readEnvironment(user.env, warn);
  const byFlags = Object.entries(rest).flatMap(([name, value]): Said[] => saidByFlag(name as OptionName, value));
  const root = String([...byEnvironment, ...byFlags].findLast(({ values }) => 'root' in values)?.values.root ?? '');
  const byFiles = readConfig(configPlace(config as string | undefined, root, user));
  const values: Record<string, OptionValue> = { ...runPaths(root, user) };
  const where = new Map<OptionName, string>();
  for (const said of [...byFiles, ...byEnvironment, ...byFlags]) {
    for (const name of Object.keys(said.values) as OptionName[]) where.set(name, said.where);
    Object.assign(values, said.values);
  }
  delete values['root'];
  const options = makeOptions(values);
  return { root, given: values, options, where, files: byFiles.map((said) => said.where) };
}

/** The value as it is written in files. */
export function tomlOf(name: OptionName, value: OptionValue): string {
  const { kind } = OPTION_TABLE[name];
  const written = kind === 'duration' ? `${String(value)}ms` : kind === 'listeners' ? listOf(value) : value;
  // JSON but for this one, which may not stand there as it is.
  return JSON.stringify(written).replaceAll('\x7f', '\\u007f');
}

/** A text would be taken apart where it has blanks. */
function listOf(value: OptionValue): OptionValue {
  if (typeof value !== 'string') return value;
  return value === '' ? [] : [value];
}

function saidByFlag(name: OptionName, value: Flags[string]): Said[] {
  const { kind, default: fallback } = OPTION_TABLE[name];
  // A switch that nobody gave has its default here.
  if (value === undefined || (kind === 'switch' && String(value) === fallback)) return [];
  const parsed = typeof value === 'string' ? parseOptionText(name, value) : value;
  return [{ where: flagOf(name), values: { [name]: parsed } }];
}
