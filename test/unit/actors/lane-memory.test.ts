import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Slab } from '../../../src/actors/lane-memory.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { RecordingSink } from '../../support/recording-sink.ts';
import { World } from '../../support/world.ts';

const BATCHES = 300;
const BATCH = 7;
const EVENTS: readonly NewEvent[] = Array.from({ length: BATCH }, () => ({
  type: 'container',
  action: 'start',
  id: 'c1',
  attributes: { image: 'busybox' },
}));

/** Remembers every piece of memory that it was given, and what stood there then. */
class RememberingSink extends RecordingSink {
  readonly given: { readonly bytes: Uint8Array; readonly copy: Uint8Array }[] = [];

  override write(bytes: Uint8Array, events: number, slab?: Slab): boolean {
    this.given.push({ bytes, copy: bytes.slice() });
    return super.write(bytes, events, slab);
  }

  get memories(): number {
    return new Set(this.given.map(({ bytes }) => bytes.buffer)).size;
  }

  /** Of those that were given from there on. */
  assertUnchanged(from = 0): void {
    for (const { bytes, copy } of this.given.slice(from)) assert.deepEqual(bytes, copy);
  }

  assertExact(): void {
    const last = this.told.at(-1) as number;
    assert.deepEqual(
      this.told,
      Array.from({ length: last }, (_, index) => index + 1),
    );
  }
}

async function attach(world: World): Promise<RememberingSink> {
  const sink = new RememberingSink('json-chunked', world.violations);
  await world.attach({ format: 'json-chunked' }, sink);
  return sink;
}

async function publish(world: World, batches = BATCHES): Promise<void> {
  for (let count = 0; count < batches; count += 1) {
    world.publish(...EVENTS);
    await world.run();
  }
}

describe('Fanout: the memory of a lane', () => {
  it('is used again when its only client has copied everything', async () => {
    const world = new World();
    const sink = await attach(world);
    await publish(world);
    sink.assertExact();
    assert.equal(sink.told.length, BATCHES * BATCH);
    assert.ok(sink.memories <= 3, `${sink.memories} memories for ${sink.given.length} writes`);
  });

  it('stays as it is while its client has not sent it', async () => {
    const world = new World();
    const sink = await attach(world);
    sink.isFull = true;
    await publish(world, 20);
    sink.assertUnchanged();
    for (let count = 0; count < 20; count += 1) {
      // What it has not sent yet is compared when it is.
      sink.takeOne();
      await publish(world, 1);
    }
    sink.resume();
    await world.run();
    sink.assertExact();
  });

  it('is used again when all of its clients have copied everything', async () => {
    const world = new World();
    const sinks = [await attach(world), await attach(world), await attach(world)];
    await publish(world);
    for (const sink of sinks) {
      sink.assertExact();
      assert.equal(sink.told.length, BATCHES * BATCH);
      assert.ok(sink.memories <= 4, `${sink.memories} memories for ${sink.given.length} writes`);
    }
  });

  it('stays as it is while one of several clients has not sent it', async () => {
    const world = new World();
    const [sink, slow] = [await attach(world), await attach(world)];
    slow.isFull = true;
    for (let count = 0; count < 30; count += 1) {
      await publish(world, 10);
      slow.assertUnchanged(slow.given.length - 1);
      // What it has not sent yet is compared when it is.
      slow.takeOne();
    }
    slow.resume();
    await world.run();
    slow.assertExact();
    const { memories } = sink;
    await publish(world);
    sink.assertExact();
    slow.assertExact();
    assert.ok(sink.memories <= memories + 4, 'used again once it has');
  });

  it('stays as it is when a client leaves that has not sent it', async () => {
    const world = new World();
    const [sink, other] = [await attach(world), await attach(world)];
    await publish(world, 50);
    other.isFull = true;
    await publish(world, 1);
    other.leave();
    await publish(world);
    other.assertUnchanged(other.given.length - 1);
    sink.assertExact();
    assert.ok(sink.memories < 10, 'what comes behind it is used again');
  });

  it('is another memory to those who join a client that has used it again', async () => {
    const world = new World();
    const sink = await attach(world);
    // Whoever is given something with others checks that it stands where it did: pages of it may be on their way.
    for (let count = 0; count < 20; count += 1) {
      const other = await attach(world);
      await publish(world, 2);
      other.leave();
      await publish(world, 2);
    }
    sink.assertExact();
    assert.ok(sink.memories < 20);
  });

  it('is used again by a client that was joined by others for a while', async () => {
    const world = new World();
    const sink = await attach(world);
    await publish(world, 10);
    const other = await attach(world);
    const from = sink.given.length;
    await publish(world, 10);
    sink.assertUnchanged(from);
    other.assertUnchanged();
    other.leave();
    await publish(world);
    sink.assertExact();
    assert.ok(sink.memories < 20);
  });
});
