import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodeOf } from '../../src/cli/exit.ts';
import { ERROR_TABLE, type ErrorCode, type ErrorFamily, TocsinError } from '../../src/event/errors.ts';
import { flagOf, OPTION_NAMES, OPTION_TABLE, type OptionKind, type OptionName } from '../../src/event/options.ts';
import { COUNTER_TABLE, type CounterId, metricName } from '../../src/messages/counters.ts';
import { projectRoot } from '../architecture/source.ts';

/** A page of the documentation that is made from a table of the code. */
export interface GeneratedPage {
  /** Relative to the project. */
  readonly path: string;
  readonly text: string;
}

const NOTE = '<!-- Made by `npm run docs` from the table in the code. Change the table, not this page. -->';

/** The pages, as they should be. */
export function generatedPages(): readonly GeneratedPage[] {
  return [
    { path: 'docs/errors.md', text: errorsPage() },
    { path: 'docs/options.md', text: optionsPage() },
    { path: 'docs/counters.md', text: countersPage() },
  ];
}

const FAMILIES: Readonly<Record<ErrorFamily, string>> = {
  caller: 'What was asked for is wrong. Ask for something else.',
  sender: 'An event could not be handed in. The daemon is not there or not keeping up.',
  subscriber: 'A client was ended or not admitted. The others notice nothing.',
  actor: 'A part of the service failed. It begins anew, and may be asked again, unless it has failed too often.',
  environment: 'Something on the machine has to be changed.',
  bug: 'A mistake of ours.',
};

function errorsPage(): string {
  const codes = Object.keys(ERROR_TABLE) as ErrorCode[];
  const sections = (Object.keys(FAMILIES) as ErrorFamily[]).map((family) => {
    const rows = codes
      .filter((code) => ERROR_TABLE[code].family === family)
      .map((code) => {
        const { status, meaning } = ERROR_TABLE[code];
        return [`\`${code}\``, String(status), String(exitCodeOf(new TocsinError(code, ''))), meaning];
      });
    return `## ${family}\n\n${FAMILIES[family]}\n\n${table(['code', 'HTTP status', 'exit code', 'meaning'], rows)}`;
  });
  return page(
    'Errors',
    'Every error has a code that does not change. Over HTTP it comes as `{"message","code"}` with the status below, from the ' +
      'library as the `code` of a `TocsinError`, on the command line in parentheses at the end of the message. The exit code ' +
      'is what the command line ends with when the error ends it. What the iSulad door makes of errors is in ' +
      '[protocol.md](protocol.md).',
    ...sections,
  );
}

const KINDS: Readonly<Record<OptionKind, string>> = {
  path: 'path of a file or folder',
  count: 'whole number',
  size: 'size: bytes, or with `KiB`, `MiB`, `GiB`',
  duration: 'duration: `250ms`, `10s`, `1m30s`, `12h`',
  choice: 'one of the words',
  listeners:
    'path, or `unix:///path?parameters`, see [protocol.md](protocol.md#limited-listeners), for events also `tcp://HOST:PORT?parameters`, see [there](protocol.md#listeners-over-tcp); one of these or a list of them in code',
  address: '`HOST:PORT`; an IPv6 address in brackets',
  switch: 'nothing: the flag alone turns it off; `true` or `false` in code',
  sources: '`NAME=unix:///path/to.sock`, or `tcp://` or `https://` in place of `unix://`; a list of them in code',
  words: 'words with commas between them; a list in code',
};

function optionsPage(): string {
  const rows = OPTION_NAMES.map((name) => {
    const { kind, default: fallback, meaning } = OPTION_TABLE[name];
    const live = 'live' in OPTION_TABLE[name] ? 'yes' : '';
    const written = fallback ? `\`${fallback}\`` : '';
    return [`\`${flagOf(name)}\``, `\`${name}\``, kind, rangeOf(name), written, live, meaning];
  });
  const used = new Set<OptionKind>(OPTION_NAMES.map((name) => OPTION_TABLE[name].kind));
  const kinds = [...used].map((kind) => [kind, KINDS[kind]]);
  return page(
    'Options',
    'The options of `tocsin serve`. `createPipeline` takes the same ones under the name in the second column, apart from ' +
      '`root`; there sizes are numbers of bytes, durations are numbers of milliseconds, and an empty path means that the ' +
      'FIFO or socket is not opened.',
    table(['flag', 'name', 'kind', 'range', 'default', 'live', 'meaning'], rows),
    `## Kinds\n\n${table(['kind', 'written as'], kinds)}`,
    CONFIGURATION,
  );
}

const CONFIGURATION = `## Files and environment

Whatever a flag says a file can say, apart from \`--root\`, and the environment: \`history-bytes = "2GiB"\` in the file is
\`TOCSIN_HISTORY_BYTES=2GiB\` in the environment and \`--history-bytes 2GiB\` on the command line. A flag counts before a variable, a variable
before a file.

The file is that of \`--config FILE\`, else \`config.toml\` in the folder of \`--root\`, else \`/etc/tocsin/config.toml\`, or
\`~/.config/tocsin/config.toml\` (\`$XDG_CONFIG_HOME\`) for others than root. Beside it \`conf.d/*.toml\` is read in the order of the names; of
what is said more than once the last counts. It is [TOML](https://toml.io) without tables:

\`\`\`toml
listen = ["unix:///run/tocsin/tocsin.sock", "unix:///run/tocsin/web.sock?types=container&label=team=web&group=web"]
source = ["docker=unix:///var/run/docker.sock"]
history-bytes = "4GiB"
history-age = "720h"
max-clients = 2000
redact-names = ["pin"]
metrics = "127.0.0.1:9464"
\`\`\`

Values are written as on the command line, counts and sizes also as numbers, switches as \`true\` or \`false\` under their name without \`no-\`,
lists as lists; in the environment lists have blanks between. A key that is none is an error that says which one was meant, and the
daemon does not start (exit code 78).

\`tocsin config check\` says whether all of it is valid; \`tocsin config print\` prints every option with the place that said it. On SIGHUP the daemon
reads it again: what the table calls live counts at once, of everything else that has changed it says that it will from the next start on. When
it has become invalid the daemon says so, and nothing changes.`;

function countersPage(): string {
  const rows = Object.entries(COUNTER_TABLE).map(([id, { label, meaning }]) => [
    `\`${id}\``,
    `\`${metricName(id as CounterId)}\``,
    label,
    meaning,
  ]);
  return page(
    'Counters',
    'Everything that is dropped, refused, repaired or waited for is counted. `pipeline.stats().counters` and `GET /v1/stats` ' +
      'on the admin socket show all of them, and `/metrics` under the name in the second column; they begin at 0 when the process starts and only grow.',
    table(['id', 'metric', 'label', 'meaning'], rows),
  );
}

/** Bounds and choices as the option's schema has them. */
function rangeOf(name: OptionName): string {
  const { kind } = OPTION_TABLE[name];
  const schema = OPTION_TABLE[name].schema as {
    readonly options?: readonly string[];
    readonly pipe?: readonly { readonly type: string; readonly requirement?: unknown }[];
  };
  if (schema.options?.every((option) => typeof option === 'string'))
    return schema.options.map((option) => `\`${option}\``).join(', ');
  const bound = (type: string): unknown => schema.pipe?.find((step) => step.type === type)?.requirement;
  const min = bound('min_value');
  const max = bound('max_value');
  if (typeof min !== 'number' || typeof max !== 'number') return '';
  if (max === Number.MAX_SAFE_INTEGER) return `${quantity(kind, min)} or more`;
  return `${quantity(kind, min)} to ${quantity(kind, max)}`;
}

function quantity(kind: OptionKind, value: number): string {
  if (kind === 'duration') return value < 60_000 ? `${value / 1000}s` : `${Math.floor(value / 3_600_000)}h`;
  if (kind === 'size') return value % 2 ** 20 === 0 ? `${value / 2 ** 20}MiB` : `${value / 1024}KiB`;
  return value.toLocaleString('en');
}

function page(title: string, ...parts: readonly string[]): string {
  return `${[NOTE, `# ${title}`, ...parts].join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Writes the pages below `root`. */
export function writePages(root: string): void {
  for (const { path: file, text } of generatedPages()) fs.writeFileSync(path.join(root, file), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv.includes('--write')) writePages(projectRoot());
