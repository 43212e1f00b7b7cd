import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { valuesOf } from './results.ts';
import { ratioWithConfidence } from './statistics.ts';
import { type Context, inRounds, planFor, tocsinCase } from './topology.ts';

const CLIENTS = [1, 100];
const ROUNDS = 15;

/**
 * Builds another commit and runs it and this one in turn: what the machine does meanwhile hits both alike, and the ratio says
 * what a change was worth.
 * @param flags of this build's `tocsin serve`, which the other may not know
 */
export async function against(
  context: Context,
  checkout: string,
  ref: string,
  flags: readonly string[],
): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-against-'));
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: checkout, encoding: 'utf8' }).trim();
  git('worktree', 'add', '--detach', '--force', folder, ref);
  try {
    const modules = path.join(checkout, 'node_modules');
    fs.symlinkSync(modules, path.join(folder, 'node_modules'));
    execFileSync(path.join(modules, '.bin/tsc'), ['-p', 'tsconfig.json'], { cwd: folder });
    const other: Context = { ...context, main: path.join(folder, 'dist/main.js') };
    context.log(`this build ${flags.join(' ')} against ${ref} (${git('rev-parse', '--short', ref)}), ${ROUNDS} rounds`);
    for (const clients of CLIENTS) {
      const plan = planFor(clients);
      const cases = [context, other].map((each, index) =>
        tocsinCase(each, 'native', { clients, build: index === 0 ? 'this' : ref }, plan, {
          flags: index === 0 ? flags : [],
        }),
      );
      const rows = await inRounds(context, cases, ROUNDS);
      for (const figure of ['cpuPerMillion', 'deliveriesPerSecond']) {
        const of = (build: string): number[] => valuesOf({ rows }, 'tocsin', { build }, figure);
        const { ratio, from, to } = ratioWithConfidence(of('this'), of(ref));
        console.log(
          `${clients} clients, ${figure}: ${ratio.toFixed(3)} of ${ref}'s (95 %: ${from.toFixed(3)}-${to.toFixed(3)})`,
        );
      }
    }
  } finally {
    git('worktree', 'remove', '--force', folder);
  }
}
