import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Convoy } from '../../../src/actors/convoy.ts';
import type { Lane } from '../../../src/actors/lane.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import type { Subscription } from '../../../src/messages/control.ts';
import { EPOCH } from '../../support/log.ts';
import type { RecordingSink } from '../../support/recording-sink.ts';
import { World } from '../../support/world.ts';

const EVENTS = 30_000;
const BATCH = 500;

async function longLog(): Promise<World> {
  const world = new World();
  const batch: NewEvent[] = Array.from({ length: BATCH }, () => ({ type: 'container', action: 'start', id: 'c1' }));
  for (let count = 0; count < EVENTS; count += BATCH) {
    world.publish(...batch);
    await world.run();
  }
  return world;
}

function behind(seq: number): Subscription['start'] {
  return { from: 'cursor', cursor: `${EPOCH}-${seq}` };
}

/** A client for each of these places, which begin together. */
async function clientsAt(world: World, places: readonly number[]): Promise<RecordingSink[]> {
  const sinks = [];
  for (const place of places) {
    const sink = world.sink();
    sink.isFull = true;
    await world.attach({ start: behind(place) }, sink);
    sinks.push(sink);
  }
  await world.run();
  for (const sink of sinks) sink.resume();
  return sinks;
}

function assertExact(sink: RecordingSink, from: number, to = EVENTS): void {
  assert.deepEqual([sink.told[0], sink.told.at(-1), sink.told.length], [from + 1, to, to - from]);
}

describe('Fanout: clients that are behind at different places', () => {
  it('become one: together they cost little more than the last of them does', async () => {
    const world = await longLog();
    const places = Array.from({ length: 40 }, (_, index) => 100 + 300 * index);
    const before = world.counters.values.eventsEncoded;
    const sinks = await clientsAt(world, places);
    await world.run();
    sinks.forEach((sink, index) => assertExact(sink, places[index]!));
    // Each by itself would have had some 24,000 encoded.
    const encoded = world.counters.values.eventsEncoded - before;
    assert.ok(encoded < 4 * EVENTS, `${encoded} events encoded`);
  });

  it('do not wait for one that is more than twice as far behind', async () => {
    const world = await longLog();
    const [far, near] = await clientsAt(world, [0, 16_000]);
    while (near!.told.at(-1) !== EVENTS) assert.ok(await world.step());
    assert.ok(far!.told.length < 20_000, 'the far one is not there yet');
    await world.run();
    assertExact(far!, 0);
    assertExact(near!, 16_000);
  });

  it('do not wait for one that takes nothing', async () => {
    const world = await longLog();
    const [stopped, other] = await clientsAt(world, [8_000, 12_000]);
    stopped!.isFull = true;
    await world.run();
    assertExact(other!, 12_000);
    assert.ok(stopped!.isBlocked);
    stopped!.resume();
    await world.run();
    assertExact(stopped!, 8_000);
  });

  it('do not wait for one that has left', async () => {
    const world = await longLog();
    const [gone, other] = await clientsAt(world, [8_000, 12_000]);
    for (let steps = 0; steps < 3; steps += 1) await world.step();
    gone!.leave();
    await world.run();
    assertExact(other!, 12_000);
  });
});

describe('Convoy', () => {
  const HEAD = 10_000;
  const lane = (nextSeq: number): Lane =>
    ({ nextSeq, isWanted: true, isExclusive: false, clients: new Set([{}]) }) as unknown as Lane;

  it('lets a lane wait for a second, go on for a second, and wait again', () => {
    let elapsedMs = 0;
    const convoy = new Convoy({ now: () => ({ sec: 0, nanos: 0 }), elapsedMs: () => elapsedMs }, 100);
    const [rear, front] = [lane(4_000), lane(5_000)];
    const asked: [ms: number, waits: boolean, released: number][] = [];
    for (const ms of [0, 500, 999, 1_000, 1_500, 1_999, 2_000, 2_999, 3_000]) {
      elapsedMs = ms;
      const released = convoy.released().length;
      asked.push([ms, convoy.holds(front, [rear, front], HEAD), released]);
    }
    assert.deepEqual(asked, [
      [0, true, 0],
      [500, true, 0],
      [999, true, 0],
      [1_000, false, 1],
      [1_500, false, 0],
      [1_999, false, 0],
      [2_000, true, 0],
      [2_999, true, 0],
      [3_000, false, 1],
    ]);
  });

  it('has lanes wait for one that goes on, and for none that waits itself', () => {
    const convoy = new Convoy({ now: () => ({ sec: 0, nanos: 0 }), elapsedMs: () => 0 }, 100);
    const group = [1_000, 4_000, 5_600, 7_000, 9_950].map(lane);
    const waits = group.map((each) => convoy.holds(each, group, HEAD));
    // 4,000 waits for 1,000, and 7,000 for 5,600, to which both are too far; close to the head nobody waits.
    assert.deepEqual(waits, [false, true, false, true, false]);
  });
});
