import * as v from 'valibot';
import { asTocsinError, TocsinError } from './errors.ts';
import { parseAdmins } from './admin-address.ts';
import { parseListeners } from './listener-address.ts';
import { parseLoopback } from './host-and-port.ts';
import { parseSecretWords } from './secret-names.ts';
import { parseSources } from './source-address.ts';
import { parseDurationMs } from './time.ts';

/** How an option is written on a command line. The value in code is bytes, milliseconds or a count. */
export type OptionKind =
  | 'path'
  | 'count'
  | 'size'
  | 'duration'
  | 'choice'
  | 'switch'
  | 'sources'
  | 'listeners'
  | 'address'
  | 'words';

interface OptionRow {
  readonly kind: OptionKind;
  readonly schema: v.GenericSchema;
  /** As one would type it. */
  readonly default: string;
  readonly meaning: string;
  /** It can be changed while the daemon runs. */
  readonly live?: true;
}

const count = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The options of the daemon. Types, checks, defaults, `--help` and `docs/options.md` come from this table; `createPipeline`
 * takes those whose row says so under the same name in camel case.
 */
export const OPTION_TABLE = {
  root: {
    kind: 'path',
    schema: v.string(),
    default: '',
    meaning: 'Keep sockets, FIFO and history in this one folder.',
  },
  fifo: {
    kind: 'path',
    schema: v.string(),
    default: '',
    meaning: 'Monitor FIFO; default `monitord_fifo` in the run folder.',
  },
  listen: {
    kind: 'listeners',
    schema: v.union([v.string(), v.pipe(v.array(v.string()), v.readonly())]),
    default: '',
    meaning:
      'Event socket; default `tocsin.sock` in the run folder. As often as there are to be sockets, at most 16, each limited to what its clients may see, if that is said: `unix:///run/web.sock?types=container&label=team=web&mode=0660&group=web`. Over TCP with TLS: `tcp://0.0.0.0:2376?cert=/cert.pem&key=/key.pem&ca=/ca.pem&allow=cn:web`.',
  },
  admin: {
    kind: 'listeners',
    schema: v.union([v.string(), v.pipe(v.array(v.string()), v.readonly())]),
    default: '',
    meaning:
      'Admin socket; default `admin.sock` in the run folder. As often as there are to be sockets, at most 16, each with who may do what over it, if that is said: `unix:///run/publish.sock?mode=0660&group=engine&publish=gid:engine`.',
  },
  metrics: {
    kind: 'address',
    schema: v.pipe(
      v.string(),
      v.check(
        (text) => whyNoLoopback(text) === '',
        ({ input }) => whyNoLoopback(input),
      ),
    ),
    default: '',
    meaning:
      'Address of this machine alone, as `127.0.0.1:9464`, for whoever collects metrics over TCP: `/metrics`, `/healthz` and `/readyz`, which the admin socket has, too. Default: none.',
  },
  eventLog: {
    kind: 'path',
    schema: v.string(),
    default: '',
    meaning: 'File that every event is written to as a line of text; reopened on SIGHUP. Default: none.',
  },
  source: {
    kind: 'sources',
    schema: v.pipe(
      v.array(v.string()),
      v.check(
        (texts) => whyNoSources(texts) === '',
        ({ input }) => whyNoSources(input),
      ),
    ),
    default: '',
    meaning:
      'An engine with Docker’s API, Docker or podman, whose events are taken in under this name, as `docker=unix:///var/run/docker.sock`, or `far=https://HOST:2376?ca=/ca.pem&cert=/cert.pem&key=/key.pem`; as often as there are engines.',
  },
  fanouts: {
    kind: 'count',
    schema: count(0, 32),
    default: '0',
    meaning:
      'Fan-out shards: threads that serve clients. 0: one for every two cores, at most 8; with `--threads inline` one.',
  },
  threads: {
    kind: 'choice',
    schema: v.picklist(['workers', 'inline']),
    default: 'workers',
    meaning: 'Actors on worker threads, or all in one thread for tiny hosts.',
  },
  history: {
    kind: 'path',
    schema: v.string(),
    default: '',
    meaning: 'Folder of the history; default `history` in the state folder.',
  },
  durability: {
    kind: 'choice',
    schema: v.picklist(['async', 'sync', 'memory']),
    default: 'async',
    meaning:
      'When an event is shown and acknowledged: once it is written (async), once it would survive a loss of power (sync), or at once, and nothing is kept on disk (memory).',
  },
  historyEvents: {
    kind: 'count',
    schema: count(0, Number.MAX_SAFE_INTEGER),
    default: '0',
    meaning: 'Events kept for replay, at most; 0 = no limit.',
    live: true,
  },
  historyBytes: {
    kind: 'size',
    schema: count(256 * 1024, Number.MAX_SAFE_INTEGER),
    default: '1GiB',
    meaning: 'Disk space for kept events, at most, by whole files.',
    live: true,
  },
  historyAge: {
    kind: 'duration',
    schema: count(0, Number.MAX_SAFE_INTEGER),
    default: '168h',
    meaning: 'How long events are kept, by whole files; 0s = no limit.',
    live: true,
  },
  memoryBytes: {
    kind: 'size',
    schema: count(256 * 1024, Number.MAX_SAFE_INTEGER),
    default: '16MiB',
    meaning: 'Memory for the newest events; without a history on disk, that is all there is.',
  },
  maxDelay: {
    kind: 'duration',
    schema: count(0, 1000),
    default: '1ms',
    meaning: 'How long new events may wait for more while a shard is busy with small writes; never while it is idle.',
  },
  maxClients: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '0',
    meaning: 'Clients that are admitted at a time; 0 = as many as the shards take, 8,192 each.',
    live: true,
  },
  maxReplays: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '0',
    meaning:
      'Clients that may read history at a time, before they have come to where the log was when they began; 0 = all.',
    live: true,
  },
  maxConnections: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '0',
    meaning:
      'Connections to the event sockets at a time, of all shards together; 0 = as many as there are descriptors for, less one of 16, and 64 at least, which are always kept for files and engines, and as there is memory for where a control group limits it: one for each 384 KiB above 192 MiB.',
    live: true,
  },
  maxConnectionsPerUser: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '0',
    meaning:
      'Connections to the event sockets at a time of one user, as the kernel names it; 0 = no limit but that of all.',
    live: true,
  },
  maxAdminConnections: {
    kind: 'count',
    schema: count(1, 1_000_000),
    default: '256',
    meaning: 'Connections at a time to each admin socket, and to the address for metrics.',
  },
  maxRequests: {
    kind: 'count',
    schema: count(1, 1_000_000),
    default: '1000',
    meaning: 'Requests over one connection to an event socket, gRPC or HTTP, before it is ended.',
  },
  maxStreams: {
    kind: 'count',
    schema: count(1, 10_000),
    default: '100',
    meaning: 'gRPC streams over one connection at a time.',
  },
  maxLagBytes: {
    kind: 'size',
    schema: count(0, Number.MAX_SAFE_INTEGER),
    default: '0',
    meaning:
      'Events that a client which was at the head may fall behind, to within 1 MiB, before it is ended or, with `drop-oldest`, moved on; 0 = as far as history reaches.',
  },
  maxRestarts: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '10',
    meaning:
      'Actors that may die within a minute and begin anew; one more, and the service ends. 0 = it ends with the first.',
    live: true,
  },
  drainTimeout: {
    kind: 'duration',
    schema: count(0, MAX_TIMER_MS),
    default: '5s',
    meaning: 'How long a shutdown waits for clients to read everything accepted.',
    live: true,
  },
  unknownContainers: {
    kind: 'choice',
    schema: v.picklist(['pass', 'drop']),
    default: 'pass',
    meaning: 'What becomes of events of containers that no engine has described.',
  },
  isuladReplay: {
    kind: 'count',
    schema: count(0, 1_000_000),
    default: '64',
    meaning: 'Newest events that an iSulad client without `since` gets first.',
    live: true,
  },
  redact: {
    kind: 'switch',
    schema: v.boolean(),
    default: 'true',
    meaning:
      'Show *** in the place of passwords, tokens and other secrets in commands and labels: on the native and the Docker door and in the event log.',
  },
  redactNames: {
    kind: 'words',
    schema: v.pipe(
      v.array(v.string()),
      v.check(areSecretWords, 'words of 3 to 64 letters, digits, dots, dashes and underscores'),
    ),
    default: '',
    meaning:
      'More words by which the name of an option, a variable, a field or a label tells that its value is a secret, as `pin,sap_`; large and small letters are the same.',
  },
} as const satisfies Record<string, OptionRow>;

export type OptionName = keyof typeof OPTION_TABLE;

type Values = { [Name in OptionName]: v.InferOutput<(typeof OPTION_TABLE)[Name]['schema']> };
export type Options = Readonly<Values>;

export const OPTION_NAMES = Object.keys(OPTION_TABLE) as OptionName[];

/** Those that can be changed while the daemon runs: all of them numbers. */
export type LiveOption = {
  [Name in OptionName]: (typeof OPTION_TABLE)[Name] extends { readonly live: true } ? Name : never;
}[OptionName];
export const LIVE_OPTIONS = OPTION_NAMES.filter((name): name is LiveOption => 'live' in OPTION_TABLE[name]);

/** Whether events are kept on disk. */
export function isDurable({ history, durability }: Options): boolean {
  return history !== '' && durability !== 'memory';
}

/** `history-bytes` for `historyBytes`: in files, and with two dashes before it on a command line. */
export function keyOf(name: OptionName): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** As it is given on a command line, for a switch that is on the flag that turns it off. */
export function flagOf(name: OptionName): string {
  const { kind, default: fallback } = OPTION_TABLE[name];
  return `--${kind === 'switch' && fallback === 'true' ? 'no-' : ''}${keyOf(name)}`;
}

/** What an option may be in code. */
export type OptionValue = string | number | boolean | readonly string[];

/** The value that a text on the command line stands for. @throws ERR_OPTION_INVALID */
export function parseOptionText(name: OptionName, text: string): OptionValue {
  const { kind } = OPTION_TABLE[name] as OptionRow;
  switch (kind) {
    case 'path':
    case 'choice':
    case 'address':
      return text;
    case 'switch':
      return text === 'true';
    case 'sources':
      return text === '' ? [] : [text];
    case 'listeners':
      return text === '' ? '' : [text];
    case 'words':
      return text === '' ? [] : text.split(',').map((word) => word.trim());
    case 'count':
      return /^\d+$/.test(text) ? Number(text) : bad(name, 'a whole number', text);
    case 'duration':
      return parseDurationMs(text) ?? bad(name, 'a duration such as 10s or 1m30s', text);
    case 'size':
      return parseSize(text) ?? bad(name, 'a size such as 512KiB or 64MiB', text);
  }
}

/**
 * Checks given options, fills in the defaults and freezes the result.
 * @throws ERR_OPTION_INVALID for an unknown name or a value that the option cannot have
 */
export function makeOptions(given: Readonly<Record<string, unknown>>): Options {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(OPTION_TABLE, name)) {
      throw new TocsinError(
        'ERR_OPTION_INVALID',
        `unknown option ${JSON.stringify(name)}; known: ${OPTION_NAMES.join(', ')}`,
      );
    }
  }
  const values: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    const row = OPTION_TABLE[name] as OptionRow;
    const value = given[name] ?? parseOptionText(name, row.default);
    const result = v.safeParse(row.schema, value);
    if (!result.success) bad(name, `${result.issues[0].expected ?? row.kind} (${result.issues[0].message})`, value);
    values[name] = value;
  }
  // What is wrong with one of them it says best itself.
  parseListeners((values as Values).listen);
  parseAdmins((values as Values).admin);
  return Object.freeze(values as Values);
}

function areSecretWords(words: string[]): boolean {
  try {
    parseSecretWords(words);
    return true;
  } catch {
    return false;
  }
}

function whyNoLoopback(text: string): string {
  return text === '' ? '' : whyNot('metrics', () => parseLoopback('metrics', text));
}

function whyNoSources(texts: string[]): string {
  return whyNot('source', () => parseSources(texts));
}

/** Why it cannot be read, without the option's name; empty when it can. */
function whyNot(name: OptionName, read: () => unknown): string {
  try {
    read();
    return '';
  } catch (error) {
    return asTocsinError(error).message.replace(`${name}: `, '');
  }
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function parseSize(text: string): number | undefined {
  const match = /^(\d+)([A-Za-z]*)$/.exec(text);
  const unit = SIZE_UNITS[match?.[2] ?? ''];
  return match && unit ? Number(match[1]) * unit : undefined;
}

function bad(name: OptionName, expected: string, got: unknown): never {
  throw new TocsinError(
    'ERR_OPTION_INVALID',
    `${name}: expected ${expected}, got ${JSON.stringify(got) ?? String(got)}`,
  );
}
