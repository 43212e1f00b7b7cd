import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NewEvent } from '../../../src/event/event.ts';
import type { Term } from '../../../src/event/filter.ts';
import type { RecordingSink } from '../../support/recording-sink.ts';
import { World } from '../../support/world.ts';

const EVENTS = 200;

/** Shows everything, and has many globs to try before it knows. */
function costly(client: number, globs = 100): Term[] {
  const never = Array.from({ length: globs }, (_, glob) => `*${client}-${glob}!`);
  return [...never, 'c*'].map((value) => ({ key: 'id', op: '=', value }));
}

function events(): NewEvent[] {
  return Array.from({ length: EVENTS }, () => ({ type: 'container', action: 'start', id: 'c1' }));
}

/** Publishes, and after each step of the world tells which clients have got something in it. */
async function stepsOf(world: World, sinks: readonly RecordingSink[]): Promise<number[][]> {
  world.publish(...events());
  const steps: number[][] = [];
  let before = sinks.map(({ told }) => told.length);
  while (await world.step()) {
    const now = sinks.map(({ told }) => told.length);
    const served = now.flatMap((length, index) => (length > before[index]! ? [index] : []));
    if (served.length > 0) steps.push(served);
    before = now;
  }
  return steps;
}

describe('Fanout: filters that cost much', () => {
  it('let all others go first, take turns of some events, and lose nothing', async () => {
    const world = new World();
    const sinks = [];
    for (let client = 0; client < 3; client += 1) sinks.push(await world.attach({ filter: costly(client) }));
    const cheap = await world.attach({ filter: [{ key: 'type', op: '=', value: 'container' }] });
    const [first, ...rest] = await stepsOf(world, [...sinks, cheap]);
    assert.deepEqual(first, [3], 'the cheap one gets what there is, all at once');
    assert.deepEqual(rest.slice(0, 6), [[0], [1], [2], [0], [1], [2]], 'the others get some each, in turn');
    assert.ok(rest.every((served) => served.length === 1));
    const all = Array.from({ length: EVENTS }, (_, index) => index + 1);
    for (const { told } of [...sinks, cheap]) assert.deepEqual(told, all);
    assert.ok(world.counters.values.costlyTurns >= rest.length);
  });

  it('are also those that cost much only together', async () => {
    const world = new World();
    const sinks = [];
    for (let client = 0; client < 20; client += 1) sinks.push(await world.attach({ filter: costly(client, 59) }));
    const steps = await stepsOf(world, sinks);
    assert.ok(steps.every((served) => served.length === 1));
    for (const sink of sinks.splice(0, 10)) sink.leave();
    assert.deepEqual((await stepsOf(world, sinks))[0]?.length, 10, 'and no longer, once some of them have left');
  });
});
