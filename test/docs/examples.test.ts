import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CHECKOUT, type Daemon, startDaemon } from '../support/daemon.ts';

const FOLDER = path.join(CHECKOUT, 'examples');

async function run(name: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [path.join(FOLDER, name), ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0, name);
  return output;
}

describe('examples', () => {
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon.stop());

  it('have ten to forty lines each, and all are listed', () => {
    const listed = fs.readFileSync(path.join(FOLDER, 'README.md'), 'utf8');
    for (const name of fs.readdirSync(FOLDER).filter((file) => file.endsWith('.mjs'))) {
      const lines = fs.readFileSync(path.join(FOLDER, name), 'utf8').trimEnd().split('\n').length;
      assert.ok(lines >= 10 && lines <= 40, `${name}: ${lines} lines`);
      assert.ok(listed.includes(`(${name})`), name);
    }
  });

  it('1-embed prints what it subscribed to', async () => {
    assert.equal(await run('1-embed.mjs'), '1 start c1 \n3 die c1 137\n');
  });

  it('3-publish is recognised, and 2-tail shows what it brought and resumes behind a cursor', async () => {
    assert.equal(
      await run('3-publish.mjs', daemon.admin),
      'first: 2 appended, 0 had been there\nagain: 0 appended, 2 had been there\n',
    );
    const lines = (await run('2-tail.mjs', daemon.events)).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.replace(/^\S+-/, '')),
      ['1 create c1', '2 start c1'],
    );
    assert.equal(await run('2-tail.mjs', daemon.events, lines[0]!.split(' ', 1)[0]!), `${lines[1]}\n`);
  });

  it('6-resume goes on where it ended, with the next event', async () => {
    const { events } = daemon;
    const cursorFile = path.join(daemon.root, 'cursor');
    assert.equal(await run('6-resume.mjs', events, cursorFile, '1'), '1 create c1\n');
    assert.equal(await run('6-resume.mjs', events, cursorFile, '1'), '2 start c1\n');
  });

  it('4-state-handler acts on what stopped', async () => {
    assert.equal(
      await run('4-state-handler.mjs'),
      'restart web, it ended with 1\nrestart db, it ended with 137\n2 handled; go on with 3\n',
    );
  });

  it('5-worker-to-worker passes everything on', async () => {
    assert.equal(await run('5-worker-to-worker.mjs'), '1000 events received\n');
  });
});
