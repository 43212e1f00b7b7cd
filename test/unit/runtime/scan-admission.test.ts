import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { scanAdmission } from '../../../src/runtime/scan-admission.ts';

describe('The line for scans of history', () => {
  it('lets who comes back go before who has only just begun', async () => {
    const line = scanAdmission(1);
    const order: string[] = [];
    const scan = (name: string) => async (): Promise<void> => void order.push(name);
    await Promise.all([
      line.admit(false, () => wait(20)),
      line.admit(false, scan('begins')),
      line.admit(true, scan('comes back')),
      line.admit(false, scan('begins, too')),
    ]);
    assert.deepEqual(order, ['comes back', 'begins', 'begins, too']);
  });

  it('lets nobody wait for ever, however many come back', async () => {
    const line = scanAdmission(1);
    let isServed = false;
    const comesBack = async (): Promise<number> => {
      let turns = 0;
      for (; !isServed && turns < 10_000; turns += 1) await line.admit(true, () => wait(1));
      return turns;
    };
    const others = [comesBack(), comesBack()];
    await line.admit(false, async () => {
      isServed = true;
    });
    for (const turns of await Promise.all(others)) assert.ok(turns < 10_000, 'it was let in when the others were done');
  });
});
