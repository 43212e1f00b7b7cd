import { isBuiltin } from 'node:module';
import path from 'node:path';
import { importsOf, lineOf, type Source } from './source.ts';

/** Checks one file. @returns a line per violation: file, line, rule, and what was found */
export type Rule = (source: Source) => readonly string[];

/** A folder may import itself and what stands in an earlier row. `messages` may import `event`, never the other way. */
export const LAYERS = ['event', 'messages', 'codec', 'history', 'actors', 'runtime', 'doors', 'client', 'cli'] as const;
type Layer = (typeof LAYERS)[number];

/** Layers that are beside the row rather than in it: a client is no part of a daemon, and brings nothing of one along. */
const IMPORTS_ONLY: Readonly<Partial<Record<Layer, readonly Layer[]>>> = { client: ['event', 'client'] };

/** Code of these folders gets clock, randomness, ports, files and sockets handed in. */
const PURE_LAYERS: readonly Layer[] = ['event', 'messages', 'codec', 'history', 'actors'];

/** `create-pipeline.ts` puts all layers together, so it stands above them; the daemon's command starts from it too. */
const ROOT_IMPORTS_ALLOWED: ReadonlySet<string> = new Set([
  'src/cli/serve.ts -> src/create-pipeline.ts',
  'src/cli/bench/embedded.ts -> src/create-pipeline.ts',
]);

/** One file per actor; the other files of the folder are what actors share or are made of. */
export const ACTORS: readonly string[] = [
  'monitored',
  'engine-source',
  'collector',
  'buffer',
  'fanout',
  'clients-checker',
];
/** What makes a file an actor: a method that takes its messages. */
const RECEIVES = /^ {2}receive\(/m;

/** Where a module may be imported: a file, or a folder with a slash at its end. Packages without a row are not allowed. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  // The benchmark is an embedding program with threads of its own.
  'node:worker_threads': ['src/runtime/', 'src/cli/bench/'],
  'node:net': ['src/doors/', 'src/cli/'],
  'node:tls': ['src/doors/', 'src/cli/'],
  'node:http': ['src/doors/', 'src/client/', 'src/cli/'],
  'node:https': ['src/doors/', 'src/client/', 'src/cli/'],
  'node:http2': ['src/doors/', 'src/cli/'],
  koffi: ['src/doors/posix.ts'],
  comlink: ['src/runtime/control.ts'],
  'p-queue': ['src/runtime/state-handlers.ts', 'src/runtime/scan-admission.ts'],
  'sonic-boom': ['src/runtime/event-log.ts', 'src/runtime/history-folder.ts'],
  piscina: ['src/runtime/scan-pool.ts'],
  'prom-client': ['src/doors/metrics.ts'],
  re2js: ['src/event/filter.ts'],
  valibot: ['src/event/options.ts'],
  'smol-toml': ['src/cli/config-file.ts'],
  'fastest-levenshtein': ['src/cli/config-file.ts'],
  commander: ['src/main.ts', 'src/cli/'],
};

/** Names of the environment that an actor would not be the same without. */
const AMBIENT =
  /(?<![\w$#.])(?:performance|setTimeout|setInterval|setImmediate|queueMicrotask|crypto|process|fetch|globalThis|global|console|require)(?![\w$])|(?<![\w$#.])Math\s*\.\s*random(?![\w$])/g;
/** The clock: `Date.now`, `Date()` and `new Date` without an argument. `new Date(x)` only converts. */
const CLOCK = /(?<![\w$#.])(?:Date\s*\.\s*now(?![\w$])|new\s+Date(?![\w$])(?!\s*\(\s*[^\s)])|(?<!new\s+)Date\s*\()/g;
const ANY = /(?<![\w$#.])any(?![\w$])/g;
const ENUM = /(?<![\w$#.])enum\s+[A-Za-z_$]/g;
const SUPPRESSION = /@ts-(?:ignore|nocheck|expect-error)/g;

/** Dependency arrows point one way. */
export const layers: Rule = (source) =>
  localImports(source).flatMap(({ target, line }) => {
    const from = layerOf(source.path);
    const to = layerOf(target);
    if (from === undefined || to === undefined) {
      const stranger = from === undefined ? source.path : target;
      return [violation(source, line, 'layers', `${stranger} is in no known folder (${LAYERS.join(', ')})`)];
    }
    if (from === 'root' || ROOT_IMPORTS_ALLOWED.has(`${source.path} -> ${target}`)) return [];
    if (to === 'root') return [violation(source, line, 'layers', `${from} must not import the root ${target}`)];
    if (IMPORTS_ONLY[from]?.includes(to) ?? LAYERS.indexOf(to) <= LAYERS.indexOf(from)) return [];
    return [violation(source, line, 'layers', `${from} must not import ${to} (${target})`)];
  });

/** Every import is a literal, so that the other rules see it. */
export const literalImports: Rule = (source) =>
  importsOf(source).flatMap(({ specifier, line }) =>
    specifier === undefined ? [violation(source, line, 'literal-imports', 'import() needs a literal specifier')] : [],
  );

/** The pure layers import nothing of Node. */
export const pureImports: Rule = (source) => {
  if (!isPure(source)) return [];
  return importsOf(source).flatMap(({ specifier = '', line }) =>
    isBuiltin(specifier)
      ? [violation(source, line, 'pure-imports', `${layerOf(source.path)} must not import ${specifier}`)]
      : [],
  );
};

/** The pure layers use no clock, timer, randomness or process but what they are given. */
export const ambientNames: Rule = (source) => {
  if (!isPure(source)) return [];
  // Zones of calendar times are known to Date alone.
  const isZones = source.path === 'src/event/time.ts';
  const clock = isZones ? found(source, /(?<![\w$#.])Date\s*\.\s*now(?![\w$])/g) : found(source, CLOCK);
  return [...found(source, AMBIENT), ...clock].map(({ name, line }) =>
    violation(source, line, 'ambient-names', `${layerOf(source.path)} must not use ${name}`),
  );
};

/** An actor knows messages, not other actors. Nor do the files beside it: they would hand them on. */
export const actors: Rule = (source) => {
  const name = actorFile(source.path);
  if (name === undefined) return [];
  if (RECEIVES.test(source.code) !== ACTORS.includes(name)) {
    const what = ACTORS.includes(name)
      ? 'an actor without receive()'
      : 'receives messages but is not listed as an actor';
    return [violation(source, 1, 'actors', what)];
  }
  return localImports(source).flatMap(({ target, line }) => {
    const other = actorFile(target);
    const isActor = other !== undefined && other !== name && ACTORS.includes(other);
    return isActor ? [violation(source, line, 'actors', `${name} must not import the actor ${other}`)] : [];
  });
};

/** Threads, sockets and packages have one home each. */
export const homes: Rule = (source) =>
  importsOf(source).flatMap(({ specifier, line }) => {
    if (specifier === undefined || specifier.startsWith('.')) return [];
    if (isBuiltin(specifier) && !specifier.startsWith('node:')) {
      return [violation(source, line, 'homes', `write node:${specifier}`)];
    }
    const home = Object.hasOwn(HOMES, specifier) ? HOMES[specifier] : undefined;
    if (home === undefined) {
      if (isBuiltin(specifier)) return [];
      return [violation(source, line, 'homes', `the package ${specifier} has no home in test/architecture/rules.ts`)];
    }
    if (home.some((place) => (place.endsWith('/') ? source.path.startsWith(place) : source.path === place))) return [];
    return [violation(source, line, 'homes', `${specifier} belongs in ${home.join(' or ')}`)];
  });

/** No `any`, no `enum`, no comment that silences the compiler. */
export const types: Rule = (source) => [
  ...found(source, ANY).map(({ line }) => violation(source, line, 'types', 'any')),
  ...found(source, ENUM).map(({ line }) => violation(source, line, 'types', 'enum')),
  ...found(source, SUPPRESSION, source.comments).map(({ name, line }) => violation(source, line, 'types', name)),
];

/** Imports of the project's own files, as paths relative to the project. */
export function localImports(source: Source): { readonly target: string; readonly line: number }[] {
  return importsOf(source).flatMap(({ specifier, line }) =>
    specifier?.startsWith('.') ? [{ target: path.posix.join(path.posix.dirname(source.path), specifier), line }] : [],
  );
}

function layerOf(file: string): Layer | 'root' | undefined {
  const [top, first = '', second] = file.split('/');
  if (top !== 'src') return undefined;
  if (second === undefined) return 'root';
  return LAYERS.find((layer) => layer === first);
}

function isPure(source: Source): boolean {
  return PURE_LAYERS.some((layer) => layer === layerOf(source.path));
}

function actorFile(file: string): string | undefined {
  return /^src\/actors\/(.+)\.ts$/.exec(file)?.[1];
}

function found(
  source: Source,
  pattern: RegExp,
  text = source.code,
): { readonly name: string; readonly line: number }[] {
  return [...text.matchAll(pattern)].map((match) => ({
    name: match[0].replaceAll(/\s+/g, ' '),
    line: lineOf(source, match.index),
  }));
}

function violation(source: Source, line: number, rule: string, what: string): string {
  return `${source.path}:${line}: ${rule}: ${what}`;
}
