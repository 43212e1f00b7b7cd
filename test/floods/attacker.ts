import type { Size, Target } from './flood.ts';
import { floodNamed } from './floods.ts';

/** A process that attacks: `attacker NAME TARGET SIZE`, both as JSON. Prints what it saw as JSON. */
const [name = '', target = '', size = ''] = process.argv.slice(2);
const tally = await floodNamed(name).attack(JSON.parse(target) as Target, JSON.parse(size) as Size);
process.stdout.write(`${JSON.stringify(tally)}\n`, () => process.exit());
