import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { projectRoot } from '../../architecture/source.ts';
import type { Mutant } from './mutant.ts';

type Simulation = typeof import('../simulation.ts');

/**
 * Builds the simulation with the mutant in it, from the sources, into a file of its own.
 * @throws when a place that is to be changed is not there exactly once
 */
async function load({ id, edits }: Mutant): Promise<Simulation> {
  const root = projectRoot();
  const sources = new Map<string, string>();
  for (const { file, search, replace } of edits) {
    const name = path.join(root, file);
    const text = sources.get(name) ?? fs.readFileSync(name, 'utf8');
    const parts = text.split(search);
    assert.equal(parts.length, 2, `mutant ${id} no longer applies to ${file}: ${JSON.stringify(search)}`);
    sources.set(name, parts.join(replace));
  }
  const patched: Plugin = {
    name: 'mutant',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path: name }) => {
        const contents = sources.get(name);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  };
  const outfile = path.join(root, 'build', 'mutants', `${id}.mjs`);
  await build({
    entryPoints: [path.join(root, 'test/simulation/simulation.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    plugins: [patched],
    logLevel: 'silent',
  });
  return (await import(pathToFileURL(outfile).href)) as Simulation;
}

/** @returns the first seed that finds the mutant, and what it says; undefined when none of `seeds` does */
export async function hunt(
  mutant: Mutant,
  seeds: number,
): Promise<{ readonly seed: number; readonly says: string } | undefined> {
  const { simulate } = await load(mutant);
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      await simulate(seed);
    } catch (error) {
      return { seed, says: error instanceof Error ? error.message.split('\n')[0]! : String(error) };
    }
  }
  return undefined;
}

/** The code as it is, built the same way. */
export const NO_MUTANT: Mutant = { id: 'none', what: 'nothing is changed', edits: [] };
