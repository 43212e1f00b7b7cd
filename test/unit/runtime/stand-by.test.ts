import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Doorbell } from '../../../src/messages/doorbell.ts';
import { StandBy } from '../../../src/runtime/stand-by.ts';

/** The time in ms, for everybody here: it goes on only while a thread is parked, or when a test says so. */
let nowMs = 1000;

/** A doorbell that remembers for how long the thread parked at it, and rings whenever it is told to, as another thread would. */
class Bell extends Doorbell {
  readonly parks: number[] = [];
  ringsToCome = 0;

  override waitFor(seen: number, limitMs: number): void {
    this.parks.push(limitMs);
    if (this.rings !== seen) return;
    if (this.ringsToCome > 0) {
      this.ringsToCome -= 1;
      this.ring();
    } else {
      nowMs += limitMs;
    }
  }
}

function bench(mayPark = true) {
  const bell = new Bell(Doorbell.allocate(1), 0);
  const standBy = new StandBy(bell);
  const actor = {
    wakes: 0,
    asked: 0,
    wake: () => (actor.wakes += 1),
    get mayPark() {
      actor.asked += 1;
      return mayPark;
    },
  };
  standBy.attend(actor);
  return { bell, standBy, actor };
}

/** A thread that nobody rings for parks so many times, a millisecond each, before it gives up. */
const LINGER_MS = 4;

/** Far more turns of the event loop than anything here takes. */
async function turns(count = 200): Promise<void> {
  for (let i = 0; i < count; i += 1) await turn();
}

describe('StandBy', () => {
  before(() => mock.method(performance, 'now', () => nowMs));
  after(() => mock.restoreAll());

  it('leaves a thread that is rarely woken to its event loop', async () => {
    const { bell, standBy } = bench();
    standBy.woken();
    nowMs += 10;
    standBy.woken();
    await turns();
    assert.deepEqual(bell.parks, []);
  });

  it('parks a thread that is woken often, wakes the actor for each ring, and gives up when none comes', async () => {
    const { bell, standBy, actor } = bench();
    bell.ringsToCome = 20;
    standBy.woken();
    standBy.woken();
    await turns();
    assert.equal(actor.wakes, 20);
    assert.deepEqual(bell.parks, Array(20 + LINGER_MS).fill(1), 'one for each ring, then it is back in its event loop');
  });

  it('gives the event loop a turn after every park', async () => {
    const { bell, standBy } = bench();
    bell.ringsToCome = 10;
    standBy.woken();
    standBy.woken();
    for (let passed = 0; bell.parks.length < 10; passed += 1) {
      assert.ok(bell.parks.length <= passed + 1);
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
    await turns();
    assert.deepEqual(waiting.bell.parks, []);
    assert.equal(waiting.actor.asked, 1, 'it is back in its event loop, and does not turn that round and round');

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
    await turns();
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
    await turns();
    assert.equal(runs, 1);
    assert.ok(parksBefore.every((ms) => ms <= 0.8));

    const own = new StandBy(undefined);
    own.woken();
    own.woken();
    await new Promise<void>((resolve) => {
      own.later(1, () => {
        runs += 1;
        resolve();
      });
    });
    assert.equal(runs, 2);
  });
});
