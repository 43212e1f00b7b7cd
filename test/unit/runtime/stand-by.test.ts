import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Doorbell } from '../../../src/messages/doorbell.ts';
import { StandBy } from '../../../src/runtime/stand-by.ts';

/** A doorbell that remembers for how long the thread parked at it, and rings whenever it is told to, as another thread would. */
class Bell extends Doorbell {
  readonly parks: number[] = [];
  ringsToCome = 0;

  override waitFor(seen: number, limitMs: number): void {
    this.parks.push(limitMs);
    if (this.ringsToCome > 0) {
      this.ringsToCome -= 1;
      this.ring();
    }
    super.waitFor(seen, limitMs);
  }
}

function bench(mayPark = true) {
  const bell = new Bell(Doorbell.allocate(1), 0);
  const standBy = new StandBy(bell);
  const actor = { wakes: 0, mayPark, wake: () => (actor.wakes += 1) };
  standBy.attend(actor);
  return { bell, standBy, actor };
}

describe('StandBy', () => {
  it('leaves a thread that is rarely woken to its event loop', async () => {
    const { bell, standBy } = bench();
    standBy.woken();
    await delay(10);
    standBy.woken();
    await delay(10);
    assert.deepEqual(bell.parks, []);
  });

  it('parks a thread that is woken often, wakes the actor for each ring, and gives up when none comes', async () => {
    const { bell, standBy, actor } = bench();
    bell.ringsToCome = 20;
    standBy.woken();
    standBy.woken();
    await delay(50);
    assert.equal(actor.wakes, 20);
    assert.ok(bell.parks.length > 20);
    assert.ok(bell.parks.every((ms) => ms <= 1));
    const { length } = bell.parks;
    await delay(10);
    assert.equal(bell.parks.length, length, 'it is back in its event loop');
  });

  it('gives the event loop a turn after every park', async () => {
    const { bell, standBy } = bench();
    bell.ringsToCome = 10;
    standBy.woken();
    standBy.woken();
    for (let turns = 0; bell.parks.length < 10; turns += 1) {
      assert.ok(bell.parks.length <= turns + 1);
      await turn();
    }
  });

  it('misses no ring that came while it was elsewhere', async () => {
    const { bell, standBy, actor } = bench();
    standBy.woken();
    standBy.woken();
    bell.ring();
    await turn();
    await turn();
    assert.equal(actor.wakes, 1);
  });

  it('does not park while the actor waits for its clients, or has deferred a task', async () => {
    const waiting = bench(false);
    waiting.standBy.woken();
    waiting.standBy.woken();
    await delay(10);
    assert.deepEqual(waiting.bell.parks, []);

    const { bell, standBy } = bench();
    let tasks = 0;
    const task = (): void => {
      assert.deepEqual(bell.parks, []);
      tasks += 1;
      if (tasks < 20) standBy.defer(task);
    };
    standBy.defer(task);
    standBy.woken();
    standBy.woken();
    await delay(20);
    assert.equal(tasks, 20);
    assert.ok(bell.parks.length > 0);
  });

  it('runs what is due later once, parked or not, and parks no longer than until then', async () => {
    const { bell, standBy } = bench();
    let runs = 0;
    let parksBefore: number[] = [];
    standBy.woken();
    standBy.woken();
    standBy.later(0.8, () => {
      runs += 1;
      parksBefore = [...bell.parks];
    });
    await delay(20);
    assert.equal(runs, 1);
    assert.ok(parksBefore.every((ms) => ms <= 0.8));

    const own = new StandBy(undefined);
    own.woken();
    own.woken();
    own.later(1, () => (runs += 1));
    await delay(20);
    assert.equal(runs, 2);
  });
});
