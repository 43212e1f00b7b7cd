import assert from 'node:assert/strict';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { runPaths } from '../../../src/cli/paths.ts';

describe('runPaths', () => {
  it('are in the folder that was given, whoever asks', () => {
    for (const uid of [0, 1000]) {
      assert.deepEqual(runPaths('run', { uid, env: {} }), {
        fifo: path.resolve('run/monitord_fifo'),
        listen: path.resolve('run/tocsin.sock'),
        admin: path.resolve('run/admin.sock'),
      });
    }
  });

  it('are in /run/tocsin for root', () => {
    assert.equal(runPaths('', { uid: 0, env: { XDG_RUNTIME_DIR: '/run/user/0' } }).listen, '/run/tocsin/tocsin.sock');
  });

  it('are in the XDG run folder of an ordinary user, or in one of its own where there is none', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
    assert.equal(runPaths('', { uid: 1000, env }).fifo, '/run/user/1000/tocsin/monitord_fifo');
    assert.equal(runPaths('', { uid: 1000, env: {} }).fifo, path.join(os.tmpdir(), 'tocsin-1000/monitord_fifo'));
  });
});
