import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { projectRoot } from '../architecture/source.ts';
import { importMutant } from '../support/mutant.ts';
import { Coverage, type FileCoverage } from './coverage.ts';
import { keepInput, replayHint } from './finding.ts';
import { fuzz, type Result } from './fuzzer.ts';
import { huntPlanted } from './hunt-planted.ts';
import { PLANTED } from './planted.ts';
import type { Target } from './target.ts';
import { TARGETS, type TargetName } from './targets/table.ts';
import { Watchdog } from './watchdog.ts';

/**
 * The fuzzers by hand:
 *   npm run fuzz -- [TARGET ...] --seconds 60 --seed 1   the time is split among the targets
 *                   --uncovered                          also the lines that were never reached
 *   npm run fuzz -- TARGET --input FILE                  one input again
 *   npm run fuzz -- --planted [ID ...] --seconds 10      how soon known bugs are found
 */
const PROGRESS_MS = 60_000;
const USAGE =
  'usage: npm run fuzz -- [TARGET ...] [--seconds N] [--seed N] [--uncovered] | TARGET --input FILE | --planted [ID ...]\n' +
  `targets: ${Object.keys(TARGETS).join(', ')}\n` +
  `known bugs: ${PLANTED.map(({ mutant }) => mutant.id).join(', ')}\n`;
const FOLDER = path.join(projectRoot(), 'build', 'fuzz');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
    planted: { type: 'boolean', default: false },
    /** For `--planted`: this process has the bug. */
    'with-bug': { type: 'string' },
    uncovered: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);

if (!(seconds > 0) || !Number.isSafeInteger(seed)) usage();
else if (values.planted && !positionals.every((id) => PLANTED.some(({ mutant }) => mutant.id === id))) usage();
else if (values.planted) process.exitCode = await huntPlanted(positionals, seconds, seed);
else if (values['with-bug'] !== undefined) await runWithBug(values['with-bug']);
else if (!positionals.every((name) => Object.hasOwn(TARGETS, name))) usage();
else if (values.input !== undefined) await replay(positionals[0] as TargetName, values.input);
else await runTargets((positionals.length > 0 ? positionals : Object.keys(TARGETS)) as TargetName[]);

function usage(): void {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}

async function runTargets(names: readonly TargetName[]): Promise<void> {
  const coverage = new Coverage((url) => url.includes('/src/'));
  const rows: string[] = [];
  for (const name of names) {
    const { target } = await TARGETS[name]();
    const result = await runTarget(name, target, coverage, (seconds * 1000) / names.length);
    const files = coverage.report(target.sources);
    for (const file of files) say(`  ${file.file} ${percent([file])}`);
    if (values.uncovered)
      for (const { file, missing } of files) for (const line of missing) say(`    ${file}: ${line}`);
    rows.push(tableRow(name, result, files));
  }
  coverage.close();
  say(`\n| date | target | seed | seconds | inputs | kept | lines reached | findings |`);
  say(`| --- | --- | --- | --- | --- | --- | --- | --- |`);
  for (const row of rows) say(row);
}

async function runWithBug(id: string): Promise<void> {
  const planted = PLANTED.find((each) => each.mutant.id === id);
  if (!planted) return usage();
  const coverage = new Coverage((url) => url.includes('/build/mutants/'));
  const { target } = await importMutant<{ readonly target: Target }>(
    planted.mutant,
    `test/fuzz/targets/${planted.target}.ts`,
  );
  await runTarget(planted.target, target, coverage, seconds * 1000);
  coverage.close();
}

async function runTarget(name: string, target: Target, coverage: Coverage, ms: number): Promise<Result> {
  coverage.begin();
  const watch = new Watchdog(name, FOLDER);
  let saidMs = performance.now();
  const progress = (inputs: number, kept: number): void => {
    if (performance.now() - saidMs < PROGRESS_MS) return;
    saidMs = performance.now();
    say(`${new Date().toISOString().slice(0, 19)}Z ${name}: ${inputs} inputs, ${kept} kept`);
  };
  const result = await fuzz(target, { seed, ms, coverage, watch, progress });
  await watch.close();
  const { finding, inputs, kept, grownBytes } = result;
  say(
    `${name}: seed ${seed}, ${inputs} inputs in ${(result.ms / 1000).toFixed(1)} s, ${kept} kept, heap ${megabytes(grownBytes)}`,
  );
  if (finding) {
    process.exitCode = 1;
    const { error, input } = finding;
    say(`FOUND ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    if (input) say(`  input ${JSON.stringify(Buffer.from(input).toString('latin1'))}`);
    if (input) say(`  ${replayHint(name, keepInput(FOLDER, name, input))}`);
  }
  return result;
}

async function replay(name: TargetName, file: string): Promise<void> {
  const { target } = await TARGETS[name]();
  const run = await target.open();
  const watch = new Watchdog(name, FOLDER);
  const input = fs.readFileSync(file);
  watch.begin(input);
  try {
    await run.check(input);
    await run.rest?.();
    say(`${name}: nothing wrong`);
  } finally {
    watch.end();
    await run.close?.();
    await watch.close();
  }
}

function tableRow(name: string, { inputs, kept, ms, finding }: Result, files: readonly FileCoverage[]): string {
  const found = finding ? (finding.error as Error).message.split('\n')[0] : 'none';
  const date = new Date().toISOString().slice(0, 10);
  return `| ${[date, name, seed, Math.round(ms / 1000), inputs, kept, percent(files), found].join(' | ')} |`;
}

function percent(files: readonly FileCoverage[]): string {
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  const covered = files.reduce((sum, file) => sum + file.covered, 0);
  return `${lines === 0 ? 0 : Math.floor((covered * 100) / lines)} % of ${lines}`;
}

function megabytes(bytes: number): string {
  return `${bytes < 0 ? '-' : '+'}${(Math.abs(bytes) / 1024 ** 2).toFixed(1)} MiB`;
}

function say(text: string): void {
  fs.writeSync(1, `${text}\n`);
}
