import { importMutant, type Mutant } from '../../support/mutant.ts';

type Simulation = typeof import('../simulation.ts');

/** @returns the first seed that finds the mutant, and what it says; undefined when none of `seeds` does */
export async function hunt(
  mutant: Mutant,
  seeds: number,
): Promise<{ readonly seed: number; readonly says: string } | undefined> {
  const { simulate } = await importMutant<Simulation>(mutant, 'test/simulation/simulation.ts');
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      await simulate(seed);
    } catch (error) {
      return { seed, says: error instanceof Error ? error.message.split('\n')[0]! : String(error) };
    }
  }
  return undefined;
}
