import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Doorbell } from '../../../src/messages/doorbell.ts';

const SLEEPER = `
  const { workerData, parentPort } = require('node:worker_threads');
  const words = new Int32Array(workerData);
  parentPort.postMessage(Atomics.wait(words, 16, 0, 10_000));
`;

describe('Doorbell', () => {
  it('does not wait when there has been a ring since', () => {
    const memory = Doorbell.allocate(2);
    const [bell, other] = [new Doorbell(memory, 1), new Doorbell(memory, 0)];
    const seen = bell.rings;
    assert.equal(new Doorbell(memory, 1).ring(), false, 'nobody is parked here');
    bell.waitFor(seen, 60_000);
    assert.notEqual(bell.rings, seen);
    assert.equal(other.rings, 0, 'each bell has its own word');
  });

  it('waits no longer than it was told to', () => {
    const bell = new Doorbell(Doorbell.allocate(1), 0);
    bell.waitFor(bell.rings, 1);
    assert.equal(bell.rings, 0);
  });

  it('says whether it woke somebody', async () => {
    const memory = Doorbell.allocate(2);
    const worker = new Worker(SLEEPER, { eval: true, workerData: memory });
    const told = new Promise((resolve) => worker.once('message', resolve));
    const words = new Int32Array(memory);
    const bell = new Doorbell(memory, 1);
    // Parked: only then does a notify without a ring find it, and none is sent here, so look until the ring does.
    while (!bell.ring()) {
      Atomics.store(words, 16, 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(await told, 'ok');
    await worker.terminate();
  });
});
