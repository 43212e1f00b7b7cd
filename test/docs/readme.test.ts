import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from '../architecture/source.ts';

const ROOT = projectRoot();

describe('README.md', () => {
  it('has an example that does what it says', () => {
    const [, example = ''] = /```ts\n(.*?)```/s.exec(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')) ?? [];
    // Inside the project, so that `tocsin` is the package itself, as it is published.
    const file = path.join(ROOT, 'build/readme-example.mjs');
    fs.writeFileSync(file, example);
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 30_000 });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.match(stdout, /^[a-z2-7]{8}-1 start c1\n$/);
  });
});
