import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserQuotas } from '../../../src/messages/user-quotas.ts';

const SLOTS = 8;
const OFFSET = 16;
const THREADS = 2;

function quotas(memory = new SharedArrayBuffer(OFFSET + SLOTS * (1 + THREADS) * 4)): UserQuotas {
  return new UserQuotas(memory, OFFSET, SLOTS, THREADS);
}

describe('the places of users', () => {
  it('are counted for each user, whatever its number, also where numbers meet', () => {
    const users = quotas();
    for (const uid of [0, 7, 14, 65_534, 4_294_967_294]) {
      assert.ok(users.of(uid).take(0, 1), `${uid} gets its place`);
      assert.ok(!users.of(uid).take(0, 1), `${uid} gets no more`);
    }
    users.of(7).give(0);
    assert.ok(users.of(7).take(0, 1));
    assert.ok(!users.of(14).take(0, 1));
  });

  it('are the same for all threads', () => {
    const memory = new SharedArrayBuffer(OFFSET + SLOTS * (1 + THREADS) * 4);
    assert.ok(quotas(memory).of(1000).take(0, 1));
    assert.ok(!quotas(memory).of(1000).take(1, 1));
    quotas(memory).clear(0);
    assert.ok(quotas(memory).of(1000).take(1, 1), 'what a dead one held is free');
  });

  it('are shared by users that come when there is no room to tell more of them apart', () => {
    const users = quotas();
    for (let uid = 0; uid < SLOTS - 1; uid += 1) assert.ok(users.of(uid).take(0, 1));
    assert.ok(users.of(100).take(0, 1));
    assert.ok(!users.of(200).take(0, 1));
    users.of(100).give(0);
    assert.ok(users.of(200).take(0, 1));
  });
});
