import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import fc from 'fast-check';
import { addOptionFlags, type Flags, type ServeOptions, serveOptions, tomlOf } from '../../../src/cli/serve-options.ts';
import { keyOf, OPTION_NAMES, OPTION_TABLE, type OptionName } from '../../../src/event/options.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

/** Between the file, that of conf.d, the environment and the flags; the latter two are a line each. */
const NEXT = '\x1e';
const CODES = ['ERR_CONFIG_INVALID', 'ERR_OPTION_INVALID'] as const;
const NAMES = OPTION_NAMES.filter((name) => name !== 'root');
const SIZES: Readonly<Record<string, bigint>> = { '': 1n, B: 1n, KiB: 1024n, MiB: 1024n ** 2n, GiB: 1024n ** 3n };
/** For each kind of option what one would write, in a file and as plain text. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  path: ['/run/x', '/run/\x7f', 'a "b" c', ''],
  count: ['0', '3', '32', '1000000', '9007199254740992'],
  size: ['262144', '1GiB', '512KiB', '16MiB', '1e3'],
  duration: ['5s', '1m30s', '168h', '0s', '1000ms', '0.5ms', '9007199254740991ms'],
  choice: ['inline', 'workers', 'sync', 'memory', 'pass', 'drop'],
  switch: ['true', 'false'],
  sources: ['docker=unix:///var/run/docker.sock', 'far=https://h:1', ''],
  listeners: ['/run/a.sock', 'unix:///run/b.sock?types=image&mode=0600', ''],
  address: ['127.0.0.1:9464', '[::1]:0', ''],
  words: ['pin,sap_', 'pin', ''],
};

const line = (write: (name: OptionName, value: string, way: number) => string): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...NAMES), fc.nat(1_000), fc.nat(3)).map(([name, pick, way]) => {
    const values = VALUES[OPTION_TABLE[name].kind]!;
    return write(name, values[pick % values.length]!, way);
  });
const inToml = line((name, value, way) => {
  const text = JSON.stringify(value).replace('\x7f', '\\u007f');
  return `${keyOf(name)} = ${way === 0 ? value || '""' : way === 1 ? `[${text}]` : text}`;
});
const inEnvironment = line((name, value) => `${variableOf(name)}=${value}`);
const asFlag = line((name, value) =>
  OPTION_TABLE[name].kind === 'switch' ? `--no-${keyOf(name)}` : `--${keyOf(name)}=${value}`,
);
const some = (lines: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.uniqueArray(lines, { maxLength: 2, selector: (text) => text.split(/[ =]/)[0] }).map((all) => all.join('\n'));

function variableOf(name: OptionName): string {
  return `TOCSIN_${keyOf(name).replaceAll('-', '_').toUpperCase()}`;
}

/**
 * What a daemon is started with: a file, one in conf.d, variables and flags. Who said something last counts, unknown words are
 * refused with their place, and what `config print` shows says the same again.
 */
export const target: Target = {
  sources: ['cli/config-file.ts', 'cli/serve-options.ts', 'event/options.ts', 'cli/paths.ts'],
  seeds: [
    ...NAMES.flatMap((name) =>
      VALUES[OPTION_TABLE[name].kind]!.slice(0, 1).map((value) => `${keyOf(name)} = ${show(value)}`),
    ),
    `history-events = 5\nredact = false\nlisten = ["/a", "/b"]${NEXT}history-events = 6${NEXT}TOCSIN_HISTORY_EVENTS=7${NEXT}--history-events=8`,
    `# nothing${NEXT}${NEXT}TOCSIN_LISTEN=/a /b\nTOCSIN_REDACT=false\nTOCSIN_HISTROY=x\nHOME=/x${NEXT}--no-redact\n--listen=/c\n--listen=/d`,
    `fifo = "\\u007f"\nhistory = '''\n a'''\ndrain-timeout = 5`,
    `[history]\nbytes = 5`,
    `histroy-bytes = "1GiB"`,
    `root = "/x"`,
    `history-bytes = 1_000_000\nmax-clients = 0x10\nmax-replays = 1.5\nfanouts = -0.0`,
    `${NEXT}${NEXT}TOCSIN_ROOT=/nonexistent/x`,
    `history-age = 1979-05-27`,
    '\ufeffredact = true',
  ],
  dictionary: [
    NEXT,
    ...NAMES.map(keyOf),
    ...NAMES.map((name) => `${variableOf(name)}=`),
    ...NAMES.map((name) => `--${keyOf(name)}=`),
    ...Object.values(VALUES).flat(),
    ' = ',
    '"',
    "'",
    '"""',
    '[',
    ']',
    '#',
    '\n',
    '\\u007f',
    '\\U0001F600',
    '--no-redact',
    'nan',
    'inf',
    '1e400',
    '__proto__ = 1',
    '"" = 1',
    'a.b = 1',
  ].filter((word) => word !== ''),
  arbitrary: fc.tuple(some(inToml), some(inToml), some(inEnvironment), some(asFlag)).map((parts) => parts.join(NEXT)),
  batch: 64,
  open: async () => {
    const folders = new Folders(temporaryFolder());
    return { check: (input) => check(input, folders), close: async () => folders.remove() };
  },
};

/** A folder for each question, so that little has to be written: that takes longer than everything else. */
class Folders {
  readonly #root: string;
  readonly #written = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** @returns the folder and the files in it */
  write(use: string, file: string, more: string): readonly [string, string, string] {
    const folder = path.join(this.#root, use);
    const [first, second] = [path.join(folder, 'tocsin/config.toml'), path.join(folder, 'tocsin/conf.d/more.toml')];
    this.#write(first, file);
    this.#write(second, more);
    return [folder, first, second];
  }

  remove(): void {
    fs.rmSync(this.#root, { recursive: true, force: true });
  }

  #write(file: string, text: string): void {
    const before = this.#written.get(file);
    if (before === text) return;
    if (before === undefined) fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    this.#written.set(file, text);
  }
}

const LAYERS = ['file', 'more', 'env', 'flags'] as const;
type Layers = Readonly<Record<(typeof LAYERS)[number], string>>;
const NOTHING: Layers = { file: '', more: '', env: '', flags: '' };

function check(input: Uint8Array, folders: Folders): void {
  const [file = '', more = '', env = '', flags = ''] = textOf(input).split(NEXT);
  const parts = { file, more, env, flags };
  const said = started(parts, folders, 'all');
  if (!said) return;
  demand(Object.isFrozen(said.options), 'can be changed afterwards');
  // Who names another folder has no file.
  const counting = LAYERS.slice(said.root === '' ? 0 : 2);
  const alone = counting.map((name) => started({ ...NOTHING, [name]: parts[name] }, folders, name));
  const isRefused = counting.some((name, index) => name !== 'flags' && !alone[index]);
  demand(!isRefused, 'takes together what is refused alone', () => show(parts));
  checkLayers(said, alone);
  if (said.root === '') checkKeys(parts);
  checkTexts(said, parts);
  checkPrinted(said, folders);
}

/** @returns undefined when it is refused */
function started({ file, more, env, flags }: Layers, folders: Folders, use: string): ServeOptions | undefined {
  const [folder, ...places] = folders.write(use === 'flags' ? 'env' : use, file, more);
  const variables = Object.fromEntries(
    env.split('\n').map((text) => [text.split('=')[0]!, text.split('=').slice(1).join('=')]),
  );
  const given = flagsOf(flags.split('\n'));
  if (!given) return undefined;
  const user = { uid: 1_000, env: { ...variables, XDG_CONFIG_HOME: folder } };
  const ours = Object.keys(variables).filter((name) => name.startsWith('TOCSIN_'));
  return allowed(CODES, () => {
    try {
      return serveOptions(given, () => {}, user);
    } catch (error) {
      const { code, message } = error as { readonly code?: string; readonly message: string };
      const isPlaced = [...places, ...ours].some((place) => message.startsWith(`${place}:`));
      const isElsewhere = /(?:ROOT|--root)=/.test(env + flags);
      demand(code !== 'ERR_CONFIG_INVALID' || isPlaced || isElsewhere, 'does not say where', () => message);
      throw error;
    }
  });
}

/** As commander reads them; undefined for what it refuses itself. No other file is named, for nobody knows what is in it. */
function flagsOf(lines: readonly string[]): Flags | undefined {
  const command = addOptionFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr() {}, writeOut() {} });
  try {
    command.parse(
      lines.filter((text) => text.startsWith('--') && !text.startsWith('--config')),
      { from: 'user' },
    );
    return command.opts();
  } catch (error) {
    if ((error as Error).name !== 'CommanderError' && (error as Error).name !== 'InvalidArgumentError') throw error;
    return undefined;
  }
}

/** Of all who say something of an option the last one counts. */
function checkLayers({ options, where }: ServeOptions, layers: readonly (ServeOptions | undefined)[]): void {
  // A flag that is wrong only together with another one is not looked at alone.
  if (layers.includes(undefined)) return;
  for (const name of NAMES) {
    const last = layers.findLast((layer) => layer?.where.has(name));
    demand((last !== undefined) === where.has(name), 'says that somebody said it, or not', () => name);
    if (last) demand(isDeepStrictEqual(options[name], last.options[name]), 'somebody else counts', () => name);
  }
}

/** A word at the beginning of a line, outside of texts and tables, is a key: all of them are known. */
function checkKeys({ file, more }: Layers): void {
  const known: ReadonlySet<string> = new Set(NAMES.map(keyOf));
  for (const text of [file, more]) {
    if (/"""|'''|[[\]{}]/.test(text)) continue;
    for (const [, key] of text.matchAll(/^[ \t]*([A-Za-z0-9_-]+)[ \t]*=/gm))
      demand(known.has(key!), 'takes a key that nobody knows', () => key!);
  }
}

/** What a variable, which no flag speaks against, stands for. */
function checkTexts({ options, where }: ServeOptions, { env }: Layers): void {
  const lines = env.split('\n');
  for (const name of NAMES) {
    const variable = variableOf(name);
    const text = lines.findLast((each) => each.split('=')[0] === variable)?.slice(variable.length + 1);
    if (where.get(name) !== variable || text === undefined) continue;
    const value = naiveValue(OPTION_TABLE[name].kind, text);
    demand(value === undefined || isDeepStrictEqual(options[name], value), 'is another value', () =>
      show([variable, text, options[name]]),
    );
  }
}

/** @returns undefined where another target knows */
function naiveValue(kind: string, text: string): unknown {
  switch (kind) {
    case 'duration':
      return undefined;
    case 'switch':
      return text === 'true';
    case 'count':
      return Number(BigInt(text));
    case 'size': {
      const digits = /^[0-9]*/.exec(text)![0];
      return Number(BigInt(digits) * SIZES[text.slice(digits.length)]!);
    }
    case 'words':
      return text === '' ? [] : text.split(',').map((word) => word.trim());
    case 'sources':
    case 'listeners':
      return text.split(/\s+/).filter((each) => each !== '');
    default:
      return text;
  }
}

/** As `tocsin config print` has it. */
function checkPrinted({ options }: ServeOptions, folders: Folders): void {
  const file = NAMES.map((name) => `${keyOf(name)} = ${tomlOf(name, options[name])}\n`).join('');
  const again = started({ ...NOTHING, file }, folders, 'printed');
  demand(again !== undefined, 'prints what it does not take', () => file);
  for (const name of NAMES)
    demand(isDeepStrictEqual(listed(again.options[name]), listed(options[name])), 'prints something else', () =>
      show([name, options[name], again.options[name]]),
    );
}

/** One socket may be a text. */
function listed(value: unknown): unknown {
  return typeof value === 'string' ? [value].filter((text) => text !== '') : value;
}
