import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { projectRoot } from '../architecture/source.ts';
import { mutated } from '../support/mutant.ts';
import { Random } from '../support/random.ts';
import { Coverage } from './coverage.ts';
import { fuzz, type Result } from './fuzzer.ts';
import { minimise } from './minimise.ts';
import { Mutator } from './mutator.ts';
import { PLANTED } from './planted.ts';
import { Broken, type Run, ruleOf, type Target } from './target.ts';
import { TARGETS } from './targets/table.ts';

const RUN = path.join(projectRoot(), 'build/test/fuzz/run.js');
/** Of all targets together. */
const SECONDS = 16;
const WORD = Buffer.from('GNU');

/** What `npm run fuzz` does. */
async function run(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}

/** Fuzzes something made up. */
async function fuzzed(run_: Run, { seed = 1, ms = 20_000, batch = 256 } = {}): Promise<Result> {
  const coverage = new Coverage((url) => url.endsWith('fuzz.test.js'));
  coverage.begin();
  const arbitrary = fc.constant('x');
  const target: Target = { sources: [], seeds: ['abcd'], dictionary: [], arbitrary, batch, open: async () => run_ };
  try {
    return await fuzz(target, { seed, ms, coverage, watch: { begin() {}, end() {} } });
  } finally {
    coverage.close();
  }
}

/** A byte at a time, so that each is a step that can be seen. */
function checkWord(input: Uint8Array): void {
  if (input[0] !== WORD[0]) return;
  if (input[1] !== WORD[1]) return;
  if (input[2] !== WORD[2]) return;
  throw new Broken('says the word');
}

describe('The fuzzers', () => {
  it('find nothing in what is shipped', async (context) => {
    const names = Object.keys(TARGETS);
    const { code, output } = await run('--seconds', String(SECONDS), '--seed', '1');
    const rows = output.split('\n').filter((line) => /^\| \d/.test(line));
    for (const row of rows) context.diagnostic(row);
    assert.equal(code, 0, output);
    assert.equal(rows.length, names.length, output);
    for (const row of rows) assert.match(row, /\| none \|$/);
  });

  it('find a known bug that hangs, and say which input it was', async () => {
    const { code, output } = await run('--planted', 'glob-hangs', '--seconds', '10');
    assert.equal(code, 0, output);
    assert.match(output, /FOUND filters: hangs/);
  });

  for (const { mutant, target } of PLANTED) {
    it(`can still be given a known bug of ${target}: ${mutant.what}`, () => {
      mutated(mutant);
    });
  }

  it('have a known bug each', () => {
    assert.deepEqual(new Set(PLANTED.map(({ target }) => target)), new Set(Object.keys(TARGETS)));
  });
});

describe('A fuzzer', () => {
  it('finds what only inputs lead to that get there step by step, and cuts the input down', async () => {
    const { finding, kept } = await fuzzed({ check: checkWord }, { batch: 1024 });
    assert.equal(ruleOf(finding?.error), 'says the word');
    assert.deepEqual(Buffer.from(finding!.input!), WORD);
    assert.ok(kept >= 2, `${kept} kept`);
  });

  it('makes the same inputs of the same seed, and others of another one', async () => {
    const inputsOf = async (seed: number): Promise<string[]> => {
      const inputs: string[] = [];
      await fuzzed(
        {
          check(input) {
            inputs.push(Buffer.from(input).toString('latin1'));
            if (inputs.length === 500) throw new Broken('enough');
          },
        },
        { seed },
      );
      return inputs.slice(0, 500);
    };
    const first = await inputsOf(1);
    assert.deepEqual(await inputsOf(1), first);
    assert.notDeepEqual(await inputsOf(2), first);
  });

  it('finds an error that is not ours', async () => {
    const { finding } = await fuzzed({
      check(input) {
        if (input.length > 20) decodeURIComponent('%');
      },
    });
    assert.equal(ruleOf(finding?.error), 'threw URIError');
    assert.equal(finding?.input?.length, 21);
  });

  it('finds what shows after the batch only, and the input that did it', async () => {
    let isBroken = false;
    const { finding } = await fuzzed(
      {
        check(input) {
          isBroken = input.includes(0xff);
        },
        async rest() {
          if (isBroken) throw new Broken('leaves something');
        },
      },
      { batch: 1 },
    );
    assert.deepEqual([...finding!.input!], [0xff]);
  });

  it('finds growth', async () => {
    const kept: Uint8Array[] = [];
    const { finding } = await fuzzed({ check: () => void kept.push(new Uint8Array(65_536)) }, { ms: 800, batch: 64 });
    assert.equal(ruleOf(finding?.error), 'grows');
  });

  it('finds nothing where nothing is', async () => {
    const { finding, inputs } = await fuzzed({ check() {} }, { ms: 200 });
    assert.deepEqual([finding, inputs > 256], [undefined, true]);
  });
});

describe('A mutator', () => {
  it('leaves what it changes as it is', () => {
    const mutator = new Mutator(new Random(1), ['word']);
    const [input, other] = [Buffer.from('2026-05-10T09:20:34Z'), Buffer.from('10m')];
    const made = new Set<string>();
    for (let count = 0; count < 5_000; count += 1)
      made.add(Buffer.from(mutator.mutate(input, other)).toString('latin1'));
    assert.deepEqual([input.toString(), other.toString()], ['2026-05-10T09:20:34Z', '10m']);
    assert.ok(made.size > 2_500, `${made.size} different ones`);
  });
});

describe('minimise', () => {
  it('leaves nothing that could be left out', async () => {
    const needed = fc.uniqueArray(fc.nat(199), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(needed, async (bytes) => {
        const input = Uint8Array.from({ length: 200 }, (_, index) => index);
        const small = await minimise(input, (smaller) => bytes.every((byte) => smaller.includes(byte)));
        assert.deepEqual(
          [...small],
          [...bytes].sort((a, b) => a - b),
        );
      }),
      { numRuns: 50 },
    );
  });
});
