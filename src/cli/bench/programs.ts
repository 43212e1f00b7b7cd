import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TocsinError } from '../../event/errors.ts';

/** The load generator, the clients, and what the kernel can do at most: C programs, so that they are never the limit. */
export interface BenchPrograms {
  readonly load: string;
  readonly drain: string;
  readonly limit: string;
}

const NAMES = ['load', 'drain', 'limit'] as const;
/** In the package, and in a checkout. */
const SOURCES = 'bench/native';

/**
 * Compiles the programs, once for each state of their sources.
 * @throws ERR_COMPILER_MISSING: without them there is no figure worth anything
 */
export function buildPrograms(): BenchPrograms {
  const sources = findSources(path.dirname(fileURLToPath(import.meta.url)));
  const hash = createHash('sha256');
  const files = fs.readdirSync(sources).filter((name) => /\.[ch]$/.test(name));
  for (const file of files.sort()) hash.update(fs.readFileSync(path.join(sources, file)));
  const folder = ownFolder(
    path.join(os.tmpdir(), `tocsin-bench-${process.getuid?.() ?? 0}-${hash.digest('hex').slice(0, 12)}`),
  );
  const built = NAMES.map((name) => {
    const program = path.join(folder, name);
    if (!fs.existsSync(program)) compile(path.join(sources, `${name}.c`), program);
    return [name, program] as const;
  });
  return Object.fromEntries(built) as unknown as BenchPrograms;
}

/** The folder, unless somebody else has made it: then another one. What is in it will be run. */
function ownFolder(folder: string): string {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = fs.lstatSync(folder);
  return uid === process.getuid?.() && (mode & 0o022) === 0 ? folder : fs.mkdtempSync(`${folder}-`);
}

function findSources(from: string): string {
  const sources = path.join(from, SOURCES);
  if (fs.existsSync(path.join(sources, `${NAMES[0]}.c`))) return sources;
  if (path.dirname(from) === from)
    throw new TocsinError('ERR_COMPILER_MISSING', `the sources of the C programs, ${SOURCES}, are not in the package`);
  return findSources(path.dirname(from));
}

function compile(source: string, program: string): void {
  const temporary = `${program}.${process.pid}`;
  const { status, error, stderr } = spawnSync('cc', ['-O2', '-o', temporary, source], { encoding: 'utf8' });
  if (status !== 0) {
    const why = error ? 'there is no C compiler `cc`' : `cc failed: ${stderr.slice(0, 400)}`;
    throw new TocsinError('ERR_COMPILER_MISSING', `${why}; load and clients are C programs that are compiled first`);
  }
  fs.renameSync(temporary, program);
}
