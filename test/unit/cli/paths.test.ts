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
        history: path.resolve('run/history'),
      });
    }
  });

  it('are in /run/tocsin for root', () => {
    assert.equal(runPaths('', { uid: 0, env: { XDG_RUNTIME_DIR: '/run/user/0' } }).listen, '/run/tocsin/tocsin.sock');
  });

  it('keep the history where it outlives the next start of the machine', () => {
    assert.equal(runPaths('', { uid: 0, env: {} }).history, '/var/lib/tocsin/history');
    assert.equal(runPaths('', { uid: 1000, env: { HOME: '/home/a' } }).history, '/home/a/.local/state/tocsin/history');
    assert.equal(runPaths('', { uid: 1000, env: { XDG_STATE_HOME: '/s' } }).history, '/s/tocsin/history');
  });

  it('are in the XDG run folder of an ordinary user, or in one of its own where there is none', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
    assert.equal(runPaths('', { uid: 1000, env }).fifo, '/run/user/1000/tocsin/monitord_fifo');
    assert.equal(runPaths('', { uid: 1000, env: {} }).fifo, path.join(os.tmpdir(), 'tocsin-1000/monitord_fifo'));
  });
});
