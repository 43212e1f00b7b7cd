import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pulse } from '../../../src/runtime/pulse.ts';
import { Restarts } from '../../../src/runtime/restarts.ts';

const restartsOf = (max: number): Restarts => new Restarts({ max: () => max, windowMs: 60_000, livedMs: 1_000 });

describe('Restarts', () => {
  it('lets what has died begin anew at once, also time and again when it has worked in between', () => {
    const restarts = restartsOf(100);
    for (let minute = 0; minute < 5; minute += 1) {
      assert.equal(restarts.delayMs('collector', minute * 60_000), 0);
      restarts.begun('collector', minute * 60_000 + 80);
    }
  });

  it('waits longer each time that the same one dies soon after it has begun, up to 5 s', () => {
    const restarts = restartsOf(100);
    let nowMs = 0;
    const delays = Array.from({ length: 9 }, () => {
      const delayMs = restarts.delayMs('buffer', nowMs);
      nowMs += 10;
      restarts.begun('buffer', nowMs);
      nowMs += 10;
      return delayMs;
    });
    assert.deepEqual(delays, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    assert.equal(restarts.delayMs('collector', nowMs), 0);
  });

  it('gives up when more of them die within a minute than are borne, and never counts what was longer ago', () => {
    const restarts = restartsOf(3);
    assert.equal(restarts.delayMs('fanout-0', 0), 0);
    assert.equal(restarts.delayMs('fanout-1', 1_000), 0);
    assert.equal(restarts.delayMs('monitored', 2_000), 0);
    assert.equal(restarts.delayMs('collector', 60_500), 0);
    assert.equal(restarts.delayMs('buffer', 60_600), undefined);
    assert.equal(restartsOf(0).delayMs('buffer', 0), undefined);
  });
});

describe('Pulse', () => {
  const look = (pulse: Pulse, beats: number, cpuMs: number): string | undefined => pulse.look(beats, () => cpuMs);

  it('has nothing to say of a thread that beats, however seldom that is', () => {
    const pulse = new Pulse(500);
    for (let index = 0; index < 100; index += 1) assert.equal(look(pulse, index >> 2, index * 100), undefined);
  });

  it('finds one that runs and does not come back within a second', () => {
    const pulse = new Pulse(500);
    const looks = Array.from({ length: 12 }, (_, index) => look(pulse, 7, index * 100));
    const found = looks.findIndex((why) => why !== undefined);
    assert.ok(found >= 5 && found <= 9, `found with look ${found}`);
    assert.match(looks[found]!, /busy for \d+ ms without a pause/);
  });

  it('does not take one that is kept from running for one that does not come back', () => {
    const pulse = new Pulse(500);
    for (let index = 0; index < 40; index += 1) assert.equal(look(pulse, 7, index * 10), undefined);
  });

  it('gives one that waits for a disk half a minute', () => {
    const pulse = new Pulse(500);
    const looks = Array.from({ length: 400 }, () => look(pulse, 7, 30));
    assert.equal(
      looks.findIndex((why) => why !== undefined),
      300,
    );
    assert.match(looks[300]!, /not answered for 30000 ms/);
  });

  it('begins again to count when a beat has come', () => {
    const pulse = new Pulse(500);
    for (let index = 0; index < 5; index += 1) look(pulse, 1, index * 100);
    assert.equal(look(pulse, 2, 900), undefined);
    for (let index = 0; index < 5; index += 1) assert.equal(look(pulse, 2, 900 + index * 100), undefined);
  });
});
