/**
 * Runs the compiled tests of one suite:
 *   node test/run.mjs unit|portable|e2e [further options of `node --test`]
 * The files are listed here, because the globs of `node --test` differ between Node 20, 22 and 24.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** A test file that takes longer than `limitMs` hangs. Folders with long files come first, so that none is left over alone. */
const SUITES = {
  unit: {
    folders: ['simulation', 'pipeline', 'fuzz', 'unit', 'architecture', 'docs'],
    limitMs: 240_000,
    options: ['--test-concurrency=2'],
  },
  // What another version of Node may do differently: all that touches it, and the rest as far as a pipeline on threads needs it.
  portable: {
    folders: ['pipeline', 'unit/doors', 'unit/messages', 'unit/runtime'],
    except: [
      'inline',
      'workers',
      'workers-log',
      'reconfigure',
      'metrics',
      'event-log',
      'state-handlers',
      'embedding',
    ].map((each) => `${each}.test.js`),
    limitMs: 180_000,
    options: ['--test-concurrency=2'],
  },
  // These share the machine's ports, pipes and cores with real engines and clients: one file at a time.
  e2e: { folders: ['e2e'], limitMs: 300_000, options: ['--test-concurrency=1'] },
};

const [suiteName, ...extra] = process.argv.slice(2);
const suite = Object.hasOwn(SUITES, suiteName ?? '') ? SUITES[suiteName] : undefined;
if (!suite) fail(`usage: node test/run.mjs ${Object.keys(SUITES).join('|')} [options of node --test]`);

const files = suite.folders
  .flatMap((folder) => testFiles(path.join('build', 'test', folder)))
  .filter((file) => !suite.except?.includes(path.basename(file)));
if (files.length === 0)
  fail(`no test file in build/test/{${suite.folders.join(',')}}; build first: npm run build:test`);

const timeout = extra.some((argument) => argument.startsWith('--test-timeout'))
  ? []
  : [`--test-timeout=${suite.limitMs}`];
const child = spawn(
  process.execPath,
  ['--test', '--test-reporter=spec', ...suite.options, ...timeout, ...extra, ...files],
  { cwd: ROOT, stdio: ['inherit', 'pipe', 'inherit'] },
);
let skipped = 0;
child.stdout.setEncoding('utf8').on('data', (text) => {
  process.stdout.write(text);
  skipped += Number(/^ℹ skipped (\d+)$/m.exec(text)?.[1] ?? 0);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('error', (error) => fail(`cannot run node: ${error.message}`));
child.once('close', (code) => {
  // Where nobody looks at the output, a test that did not run is as bad as one that failed.
  if (skipped > 0 && process.env['TOCSIN_NO_SKIP']) fail(`${skipped} tests were skipped, and TOCSIN_NO_SKIP is set`);
  process.exitCode = code ?? 1;
});

/** Compiled tests below a folder, relative to the project; what is left of a test whose source is gone is passed over. */
function testFiles(folder) {
  if (!existsSync(path.join(ROOT, folder))) return [];
  return readdirSync(path.join(ROOT, folder), { recursive: true })
    .map((name) => path.join(folder, name))
    .filter((file) => file.endsWith('.test.js') && existsSync(path.join(ROOT, sourceOf(file))))
    .sort();
}

function sourceOf(file) {
  return path.relative('build', file).replace(/\.js$/, '.ts');
}

function fail(message) {
  process.stderr.write(`test/run.mjs: ${message}\n`);
  process.exit(2);
}
