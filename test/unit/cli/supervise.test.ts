import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFinal } from '../../../src/cli/supervise.ts';

describe('tocsin supervise', () => {
  it('starts a daemon again unless its end was wanted, or it was started wrongly', () => {
    for (const code of [0, 64, 78]) assert.equal(isFinal({ code, signal: null }), true);
    for (const code of [1, 69, 134]) assert.equal(isFinal({ code, signal: null }), false);
    for (const signal of ['SIGKILL', 'SIGABRT'] as const) assert.equal(isFinal({ code: null, signal }), false);
  });
});
