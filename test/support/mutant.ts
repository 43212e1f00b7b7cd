import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { projectRoot } from '../architecture/source.ts';

/** A change of one place of the shipped source. */
export interface Edit {
  /** Below the project's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly search: string;
  readonly replace: string;
}

/** A bug that others have had, put into our source, so that it is seen that a test finds it. */
export interface Mutant {
  readonly id: string;
  readonly what: string;
  readonly edits: readonly Edit[];
}

/** Of one place. */
export function mutant(id: string, what: string, file: string, search: string, replace: string): Mutant {
  return { id, what, edits: [{ file, search, replace }] };
}

/** The code as it is, built the same way. */
export const NO_MUTANT: Mutant = { id: 'none', what: 'nothing is changed', edits: [] };

/** The files that a mutant changes, changed. @throws when a place that is to be changed is not there exactly once */
export function mutated({ id, edits }: Mutant): ReadonlyMap<string, string> {
  const root = projectRoot();
  const sources = new Map<string, string>();
  for (const { file, search, replace } of edits) {
    const name = path.join(root, file);
    const text = sources.get(name) ?? fs.readFileSync(name, 'utf8');
    const parts = text.split(search);
    assert.equal(parts.length, 2, `mutant ${id} no longer applies to ${file}: ${JSON.stringify(search)}`);
    sources.set(name, parts.join(replace));
  }
  return sources;
}

/**
 * Builds a module with the mutant in it, from the sources, into a file of its own, and imports that.
 * @param entry below the project's root
 * @throws as mutated
 */
export async function importMutant<Module>(bug: Mutant, entry: string): Promise<Module> {
  const root = projectRoot();
  const sources = mutated(bug);
  const patched: Plugin = {
    name: 'mutant',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path: name }) => {
        const contents = sources.get(name);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  };
  const outfile = path.join(root, 'build', 'mutants', `${bug.id}.mjs`);
  await build({
    entryPoints: [path.join(root, entry)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    plugins: [patched],
    logLevel: 'silent',
  });
  return (await import(pathToFileURL(outfile).href)) as Module;
}
