import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { distance } from 'fastest-levenshtein';
import { parse, TomlError } from 'smol-toml';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import {
  keyOf,
  makeOptions,
  OPTION_NAMES,
  OPTION_TABLE,
  type OptionName,
  type OptionValue,
  parseOptionText,
} from '../event/options.ts';
import type { User } from './paths.ts';

export type OptionValues = Readonly<Partial<Record<OptionName, OptionValue>>>;

/** Some options, and where they were said. */
export interface Said {
  readonly where: string;
  readonly values: OptionValues;
}

/** Where the configuration is looked for. */
export interface ConfigPlace {
  readonly file: string;
  /** Somebody has named it: it has to be there. */
  readonly isNamed: boolean;
}

/** A key that is further from every known one is none of them misspelt. */
const MOST_TYPOS = 3;
const ENVIRONMENT = 'TOCSIN_';
/** That of the clients. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['TOCSIN_HOST']);
/** What the file cannot say: it is where the file is looked for. */
const NOT_IN_FILES: ReadonlySet<OptionName> = new Set(['root']);
const LISTS: ReadonlySet<string> = new Set(['sources', 'listeners', 'words']);

/** @param named by --config; @param root by --root: everything is in that folder, the configuration too */
export function configPlace(named: string | undefined, root: string, user: User): ConfigPlace {
  if (named !== undefined) return { file: path.resolve(named), isNamed: true };
  return { file: path.resolve(root || configFolder(user), 'config.toml'), isNamed: false };
}

/**
 * The file, and what stands in `conf.d` beside it, in the order of their names: each says more, or something else.
 * @throws ERR_CONFIG_INVALID, with the place in the file
 */
export function readConfig({ file, isNamed }: ConfigPlace): readonly Said[] {
  const parts = path.join(path.dirname(file), 'conf.d');
  const names = namesIn(parts).filter((name) => name.endsWith('.toml'));
  const files = [file, ...names.sort().map((name) => path.join(parts, name))];
  return files.flatMap((one, index) => {
    const text = textOf(one, index > 0 || isNamed);
    return text === undefined ? [] : [{ where: one, values: parseConfig(one, text) }];
  });
}

/** `TOCSIN_HISTORY_BYTES=2GiB`: lists with blanks between. @throws ERR_OPTION_INVALID; @param warn hears of names that look misspelt */
export function readEnvironment(env: User['env'], warn: (message: string) => void): readonly Said[] {
  const known = new Map(OPTION_NAMES.map((name) => [environmentNameOf(name), name]));
  return Object.entries(env).flatMap(([variable, text]) => {
    if (!variable.startsWith(ENVIRONMENT) || text === undefined) return [];
    const name = known.get(variable);
    if (name === undefined) {
      const meant = nearest(variable, [...known.keys()]);
      if (meant && !OTHER_VARIABLES.has(variable)) warn(`${variable} is no option; did you mean ${meant}?`);
      return [];
    }
    const values = { [name]: located(variable, () => valueOfText(name, text)) };
    checked(variable, values);
    return [{ where: variable, values }];
  });
}

function environmentNameOf(name: OptionName): string {
  return ENVIRONMENT + keyOf(name).replaceAll('-', '_').toUpperCase();
}

function configFolder({ uid, env }: User): string {
  if (uid === 0) return '/etc/tocsin';
  return path.join(env['XDG_CONFIG_HOME'] ?? path.join(env['HOME'] ?? os.tmpdir(), '.config'), 'tocsin');
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw invalid(folder, 'cannot be read', cause);
  }
}

function textOf(file: string, mustExist: boolean): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    if (!mustExist && isMissing(cause)) return undefined;
    throw invalid(file, isMissing(cause) ? 'there is no such file' : 'cannot be read', cause);
  }
}

function parseConfig(file: string, text: string): OptionValues {
  let table: Readonly<Record<string, unknown>>;
  try {
    table = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ''] = cause.message.split('\n');
    throw invalid(
      `${file}:${cause.line}:${cause.column}`,
      what.replace(/^Invalid TOML document: /, 'no TOML: '),
      cause,
    );
  }
  const names = new Map(OPTION_NAMES.filter((name) => !NOT_IN_FILES.has(name)).map((name) => [keyOf(name), name]));
  const values: Record<string, OptionValue> = {};
  for (const [key, value] of Object.entries(table)) {
    const name = names.get(key);
    if (name === undefined) {
      const meant = nearest(key, [...names.keys()]);
      throw invalid(file, `unknown key ${JSON.stringify(key)}${meant ? `; did you mean ${meant}?` : ''}`);
    }
    values[name] = located(file, () => valueOf(name, value));
  }
  checked(file, values);
  return values;
}

/** A value of a file: as on the command line, or a number, a boolean or a list where it is one. */
function valueOf(name: OptionName, value: unknown): OptionValue {
  const { kind } = OPTION_TABLE[name];
  if (typeof value === 'string') return valueOfText(name, value);
  if (typeof value === 'number' && (kind === 'count' || kind === 'size')) return value;
  if (typeof value === 'boolean' && kind === 'switch') return value;
  if (LISTS.has(kind) && Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  const expected = LISTS.has(kind) ? 'a list of texts' : kind === 'switch' ? 'true or false' : `a ${kind}, as a text`;
  throw new TocsinError('ERR_OPTION_INVALID', `${keyOf(name)}: expected ${expected}, got ${JSON.stringify(value)}`);
}

function valueOfText(name: OptionName, text: string): OptionValue {
  const { kind } = OPTION_TABLE[name];
  if (kind === 'switch' && text !== 'true' && text !== 'false')
    throw new TocsinError('ERR_OPTION_INVALID', `${keyOf(name)}: expected true or false, got ${JSON.stringify(text)}`);
  if (kind !== 'sources' && kind !== 'listeners') return parseOptionText(name, text);
  return text.split(/\s+/).filter((item) => item !== '');
}

/** Each by itself, so that the error says where it was said. */
function checked(where: string, values: OptionValues): void {
  located(where, () => makeOptions(values));
}

function located<Result>(where: string, read: () => Result): Result {
  try {
    return read();
  } catch (thrown) {
    throw invalid(where, asTocsinError(thrown).message, thrown);
  }
}

function nearest(word: string, words: readonly string[]): string | undefined {
  const [best] = words.map((known) => [distance(word, known), known] as const).sort(([left], [right]) => left - right);
  return best && best[0] <= MOST_TYPOS ? best[1] : undefined;
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function invalid(where: string, what: string, cause?: unknown): TocsinError {
  return new TocsinError('ERR_CONFIG_INVALID', `${where}: ${what}`, { cause });
}
