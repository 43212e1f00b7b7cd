import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { CHECKOUT, startDaemon, statsOf, temporaryFolder, waitFor } from '../support/daemon.ts';

/** Embeds a pipeline and ends by itself; `WORKER_URL` and `THREADS` say how. */
const PROGRAM = `
import { createPipeline } from 'tocsin';
const workerUrl = process.env.WORKER_URL;
const pipeline = await createPipeline({ threads: process.env.THREADS, ...(workerUrl ? { workerUrl } : {}) });
const events = await pipeline.subscribe();
await pipeline.publishDurable([{ type: 'container', action: 'start', id: 'c1' }]);
console.log((await events.next()).value.id);
await pipeline.close();
`;

const CLIENT = `
import { TocsinClient, TocsinError } from 'tocsin/client';
const events = new TocsinClient({ host: 'unix:///nowhere.sock' }).events({ reconnect: false });
await events.next().catch((error) => console.log(error instanceof TocsinError && error.code));
`;

describe('the package', () => {
  const folder = temporaryFolder();
  const program = path.join(folder, 'program.mjs');
  before(() => {
    const [{ filename }] = JSON.parse(
      execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
        cwd: CHECKOUT,
        encoding: 'utf8',
      }),
    ) as [{ filename: string }];
    fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true,"type":"module"}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${filename}`], { cwd: folder });
    fs.writeFileSync(program, PROGRAM);
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  function run(file: string, env: Readonly<Record<string, string>>): string {
    return execFileSync(process.execPath, [file], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 30_000,
      env: { ...process.env, ...env },
    });
  }

  it('works as it is packed, on threads and inline, and has its command', () => {
    for (const threads of ['workers', 'inline']) assert.equal(run(program, { THREADS: threads }), 'c1\n');
    const tocsin = path.join(folder, 'node_modules/.bin/tocsin');
    assert.match(execFileSync(tocsin, ['--version'], { encoding: 'utf8' }), /^\d+\.\d+\.\d+\n$/);
  });

  it('is a daemon that does its work when it is installed anew without any script', { timeout: 120_000 }, async () => {
    fs.rmSync(path.join(folder, 'node_modules'), { recursive: true });
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
    const main = path.join(folder, 'node_modules/tocsin/dist/main.js');
    const daemon = await startDaemon([], temporaryFolder(), { main });
    const tocsin = (...args: string[]): string =>
      execFileSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 30_000 });
    try {
      tocsin('container', 'set', 'c1', '--name', 'web', '--image', 'nginx:1.27', '--root', daemon.root);
      tocsin('send', 'container', 'web', 'START', '--root', daemon.root);
      await waitFor(async () => (await statsOf(daemon)).headSeq === 1, 'the event');
      const line = tocsin('events', '-S', '0', '--no-follow', '-H', `unix://${daemon.events}`);
      assert.match(line, /^\S+ container start c1 \(image=nginx:1\.27, name=web\)\n$/);
    } finally {
      assert.equal(await daemon.stop(), 0);
    }
  });

  it('has a client that knows nothing of the daemon', () => {
    const client = path.join(folder, 'client.mjs');
    fs.writeFileSync(client, CLIENT);
    assert.equal(run(client, {}), 'ERR_DAEMON_UNAVAILABLE\n');
  });

  it('works from a bundle, the threads from a bundle of their own', async () => {
    const outdir = path.join(folder, 'bundle');
    await build({
      entryPoints: { program, worker: path.join(folder, 'node_modules/tocsin/dist/worker.js') },
      outdir,
      bundle: true,
      platform: 'node',
      format: 'esm',
      outExtension: { '.js': '.mjs' },
      // Native code stays where it is.
      external: ['koffi'],
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    fs.renameSync(path.join(folder, 'node_modules'), path.join(folder, 'gone'));
    const worker = path.join(outdir, 'worker.mjs');
    const bundled = path.join(outdir, 'program.mjs');
    assert.equal(run(bundled, { THREADS: 'workers', WORKER_URL: `file://${worker}` }), 'c1\n');
    assert.equal(run(bundled, { THREADS: 'inline' }), 'c1\n');
  });
});
