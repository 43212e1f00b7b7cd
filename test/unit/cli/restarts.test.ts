import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Restarts } from '../../../src/cli/restarts.ts';

describe('a daemon that has ended', () => {
  it('is started again unless its end was wanted, or it was started wrongly', () => {
    for (const code of [0, 64, 78]) assert.equal(Restarts.isFinal({ code, signal: null }), true);
    for (const code of [1, 69, 134]) assert.equal(Restarts.isFinal({ code, signal: null }), false);
    for (const signal of ['SIGKILL', 'SIGABRT'] as const) assert.equal(Restarts.isFinal({ code: null, signal }), false);
  });

  it('is started again later each time, and at last not any more', () => {
    const restarts = new Restarts();
    const waits = Array.from({ length: 6 }, (_, death) => restarts.after(death * 1_000));
    assert.deepEqual(waits, [100, 200, 400, 800, 1_600, undefined]);
  });

  it('is started again at once when it has worked for long', () => {
    const restarts = new Restarts();
    for (let death = 0; death < 1_000; death += 1) assert.equal(restarts.after(death * 301_000), 100);
  });
});
