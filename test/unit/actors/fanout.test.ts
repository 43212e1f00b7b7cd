import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NewEvent } from '../../../src/event/event.ts';
import { addNanos } from '../../../src/event/time.ts';
import type { Subscription } from '../../../src/messages/control.ts';
import { BASE_SEC, EPOCH } from '../../support/log.ts';
import { EVERYTHING, settled, World } from '../../support/world.ts';

const SECOND = 1_000_000_000;

function event(id = 'c1', parts: Partial<NewEvent> = {}): NewEvent {
  return { type: 'container', action: 'start', id, ...parts };
}

function events(count: number, id = 'c1'): NewEvent[] {
  return Array.from({ length: count }, () => event(id));
}

/** A world whose log has so many events and that has come to rest. */
async function worldWith(count: number, options: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
  const world = new World(options);
  await grow(world, count);
  return world;
}

/** Appends in small batches: a shard remembers the newest ones, so history needs many. */
async function grow(world: World, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 10) {
    world.publish(...events(Math.min(left, 10)));
    await world.run();
  }
}

function seqs(from: number, to: number): number[] {
  return Array.from({ length: to + 1 - from }, (_, index) => from + index);
}

function cursor(seq: number): Subscription['start'] {
  return { from: 'cursor', cursor: `${EPOCH}-${seq}` };
}

const ALL = { start: cursor(0) } as const;

describe('Fanout: where a client begins', () => {
  it('gives a live client everything from its subscription on, and nothing before', async () => {
    const world = await worldWith(10);
    const sink = await world.attach();
    assert.deepEqual(sink.told, []);
    world.publish(...events(5));
    await world.run();
    assert.deepEqual(sink.told, seqs(11, 15));
  });

  it('also when the shard has not heard of the newest events yet', async () => {
    const world = await worldWith(10);
    world.publish(...events(5));
    // The collector has appended them; the message to the shard is on its way.
    while (world.logState.headSeq < 15) await world.step();
    const late = world.sink();
    const handle = await world.shards[0]!.subscribe({ ...EVERYTHING, start: { from: 'live' } });
    late.start(handle);
    const resumed = world.sink();
    resumed.start(await world.shards[0]!.subscribe({ ...EVERYTHING, start: cursor(13) }));
    world.publish(...events(2));
    await world.run();
    assert.deepEqual(late.told, seqs(16, 17));
    assert.deepEqual(resumed.told, seqs(14, 17));
  });

  it('gives everything from the log\u2019s first event on to a client that asks for it', async () => {
    const world = await worldWith(1000);
    const sink = await world.attach(ALL);
    await world.run();
    assert.deepEqual(sink.told, seqs(1, 1000));
  });

  it('goes on exactly behind a cursor', async () => {
    const world = await worldWith(500);
    for (const seq of [0, 1, 63, 64, 65, 499, 500]) {
      const sink = await world.attach({ start: cursor(seq) });
      await world.run();
      assert.deepEqual(sink.told, seqs(seq + 1, 500), `behind ${seq}`);
    }
  });

  it('refuses cursors of another log, of the future and of no kind', async () => {
    const world = await worldWith(5);
    for (const [text, code] of [
      ['otherlog-3', 'ERR_CURSOR_FOREIGN'],
      [`${EPOCH}-6`, 'ERR_CURSOR_FUTURE'],
      ['7', 'ERR_CURSOR_INVALID'],
    ] as const) {
      await assert.rejects(world.attach({ start: { from: 'cursor', cursor: text } }), { code });
    }
    assert.equal(world.counters.values.clientsRefused, 3);
    assert.equal(world.counters.values.clientsAttached, 0);
  });

  it('gives the newest events and goes on live', async () => {
    const world = await worldWith(100);
    const sink = await world.attach({ start: { from: 'recent', count: 64 } });
    const none = await world.attach({ start: { from: 'recent', count: 0 } });
    const all = await world.attach({ start: { from: 'recent', count: 1000 } });
    world.publish(event());
    await world.run();
    assert.deepEqual(sink.told, seqs(37, 101));
    assert.deepEqual(none.told, [101]);
    assert.deepEqual(all.told, seqs(1, 101));
  });

  it('gives events from a time on, that nanosecond included', async () => {
    const world = await worldWith(300);
    for (const seq of [1, 64, 65, 66, 299, 300]) {
      const { time } = world.log[seq - 1]!;
      const from = await world.attach({ start: { from: 'time', time } });
      const behind = await world.attach({ start: { from: 'time', time: addNanos(time, 1) } });
      await world.run();
      assert.deepEqual(from.told, seqs(seq, 300));
      assert.deepEqual(behind.told, seqs(seq + 1, 300));
    }
  });

  it('holds live events back before a `since` that lies ahead', async () => {
    const world = await worldWith(3);
    const sink = await world.attach({ start: { from: 'time', time: { sec: BASE_SEC + 10, nanos: 0 } } });
    world.publish(...events(2));
    await world.run();
    assert.deepEqual(sink.told, []);
    world.clock.advance(10 * SECOND);
    world.publish(...events(2));
    await world.run();
    assert.deepEqual(sink.told, [6, 7]);
  });

  it('loses nothing between history and live, and repeats nothing, at any moment of a burst', async () => {
    for (let moment = 0; moment < 40; moment += 1) {
      const world = await worldWith(200);
      world.publish(...events(300));
      for (let steps = 0; steps < moment; steps += 1) await world.step();
      const head = world.logState.headSeq;
      const sinks = [await world.attach(ALL), await world.attach(), await world.attach({ start: cursor(150) })];
      world.publish(...events(50));
      await world.run();
      assert.deepEqual(
        sinks.map(({ told }) => told),
        [seqs(1, 550), seqs(head + 1, 550), seqs(151, 550)],
        `after ${moment} steps`,
      );
    }
  });

  it('delivers nothing before the door has started the client', async () => {
    const world = await worldWith(3);
    const sink = world.sink();
    const handle = await world.shards[0]!.subscribe({ ...EVERYTHING, start: cursor(1) });
    world.publish(event());
    await world.run();
    assert.deepEqual(sink.told, []);
    sink.start(handle);
    await world.run();
    assert.deepEqual(sink.told, [2, 3, 4]);
  });
});

describe('Fanout: filters', () => {
  it('gives each client what its filter shows', async () => {
    const world = new World();
    const die = await world.attach({ filter: [{ key: 'event', op: '=', value: 'die' }] });
    const images = await world.attach({ filter: [{ key: 'type', op: '=', value: 'image' }] });
    const all = await world.attach();
    const kinds = [event('a'), event('b', { action: 'die' }), event('x', { type: 'image', action: 'pull' })];
    for (let round = 0; round < 30; round += 1) world.publish(...kinds);
    await world.run();
    assert.deepEqual(all.told, seqs(1, 90));
    assert.deepEqual(
      die.told,
      seqs(1, 90).filter((seq) => seq % 3 === 2),
    );
    assert.deepEqual(
      images.told,
      seqs(1, 90).filter((seq) => seq % 3 === 0),
    );
  });

  it('gives the events of one container, fixed when the client subscribes', async () => {
    const world = new World();
    world.collector.putContainer('aaa', { name: 'web' });
    const sink = await world.attach({ name: 'web' });
    world.collector.putContainer('bbb', { name: 'web' });
    world.publish(event('aaa'), event('bbb'), event('aaa', { type: 'image' }), event('aaa'));
    await world.run();
    assert.deepEqual(sink.told, [1, 4]);
  });

  it('does not take something else with the id of a container for that container', async () => {
    const world = new World();
    world.collector.putContainer('aaa', {});
    const sink = await world.attach({ name: 'aaa' });
    world.publish(...['container', 'image', 'something', 'containes'].map((type) => event('aaa', { type })));
    await world.run();
    assert.deepEqual(sink.told, [1]);
  });

  it('refuses a container that nobody knows and a filter that makes no sense', async () => {
    const world = new World();
    await assert.rejects(world.attach({ name: 'nobody' }), { code: 'ERR_CONTAINER_UNKNOWN' });
    await assert.rejects(world.attach({ filter: [{ key: 'colour', op: '=', value: 'red' }] }), {
      code: 'ERR_FILTER_INVALID',
    });
  });

  it('encodes an event once for all clients of a format and filter', async () => {
    const world = new World();
    const sinks = [];
    for (let client = 0; client < 20; client += 1) sinks.push(await world.attach());
    world.publish(...events(10));
    await world.run();
    for (const sink of sinks) assert.deepEqual(sink.told, seqs(1, 10));
    assert.equal(world.counters.values.eventsEncoded, 10);
    assert.equal(world.counters.values.delivered, 200);
  });

  it('encodes an event for clients that are to see no secrets once more, and lets their filters see what they see', async () => {
    const world = new World();
    const probe = [{ key: 'event', op: '=', value: 'exec_create: x --token S3' }] as const;
    const others = [{ key: 'event', op: '!=', value: 'exec_create: x --token S3' }] as const;
    const sinks = [];
    for (const redact of [true, false])
      for (const filter of [[], probe, others])
        for (let client = 0; client < 3; client += 1) sinks.push(await world.attach({ filter, redact }));
    world.publish(event('a', { action: 'exec_create', args: 'x --token S3' }));
    await world.run();
    assert.deepEqual(
      sinks.map(({ told }) => told.length),
      [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    );
    assert.equal(world.counters.values.eventsEncoded, 4);
  });

  it('finds each of many lanes for the events that are for it, by id, name, action or type', async () => {
    const world = new World();
    const filters: readonly (readonly [key: string, value: string, shown: (event: NewEvent) => boolean])[] = [
      ...Array.from({ length: 40 }, (_, index) => {
        const id = `c${index}`;
        return ['id', id, (each: NewEvent) => each.id === id] as const;
      }),
      ['container', 'web-7', ({ type, attributes }) => type === 'container' && attributes?.['name'] === 'web-7'],
      ['container', 'c9', ({ type, id }) => type === 'container' && id === 'c9'],
      ['name', 'web-3', ({ attributes }) => attributes?.['name'] === 'web-3'],
      ['event', 'die', ({ action }) => action === 'die'],
      ['event', 'exec_create: ls', ({ action, args }) => action === 'exec_create' && args === 'ls'],
      ['type', 'image', ({ type }) => type === 'image'],
    ];
    const clients = [];
    for (const [key, value] of filters) clients.push(await world.attach({ filter: [{ key, op: '=', value }] }));
    const log: NewEvent[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      const added = Array.from({ length: 30 }, (_, index): NewEvent => {
        const number = batch * 30 + index;
        const args = number % 2 === 0 ? 'ls' : 'ps';
        return {
          type: number % 11 === 0 ? 'image' : 'container',
          action: ['start', 'die', 'exec_create'][number % 3]!,
          ...(number % 3 === 2 ? { args } : {}),
          id: `c${(number * 7) % 50}`,
          attributes: { image: 'x', name: `web-${number % 13}` },
        };
      });
      log.push(...added);
      world.publish(...added);
      await world.run();
    }
    for (const [index, [key, value, shown]] of filters.entries()) {
      const wanted = log.flatMap((each, at) => (shown(each) ? [at + 1] : []));
      assert.ok(wanted.length > 0);
      assert.deepEqual(clients[index]?.told, wanted, `${key}=${value}`);
    }
  });

  it('asks only the lanes that an event may be for', async () => {
    const world = new World();
    for (let index = 0; index < 500; index += 1)
      await world.attach({ filter: [{ key: 'id', op: '=', value: `c${index}` }] });
    const [shard] = world.shards;
    world.publish(...events(10, 'c1'), ...events(5, 'other'));
    await world.run();
    assert.equal(world.counters.values.eventsEncoded, 10);
    assert.equal(world.counters.values.writes, 1);
    // Nothing was for the others, and so they have got everything.
    for (const { lagEvents } of shard!.clients()) assert.equal(lagEvents, 0);
  });

  it('lets a lane that nobody can read fall behind, and finds it again once it has caught up', async () => {
    const world = new World();
    const filter = [{ key: 'id', op: '=', value: 'c1' }] as const;
    const slow = await world.attach({ filter });
    slow.isFull = true;
    for (let batch = 0; batch < 3; batch += 1) {
      world.publish(...events(4, 'c1'), ...events(4, 'c2'));
      await world.run();
    }
    assert.equal(slow.events.length, 4);
    const other = await world.attach({ filter });
    slow.resume();
    await world.run();
    world.publish(...events(2, 'c1'));
    await world.run();
    assert.deepEqual(slow.told, [1, 2, 3, 4, 9, 10, 11, 12, 17, 18, 19, 20, 25, 26]);
    assert.deepEqual(other.told, [25, 26]);
  });

  it('passes over events that a format has no word for', async () => {
    const world = new World();
    const stock = await world.attach({ format: 'isulad-grpc' });
    world.publish(event('a'), event('n', { type: 'network' }), event('b', { type: 'image' }));
    await world.run();
    assert.deepEqual(stock.told, ['a', 'b']);
    assert.equal(world.counters.values.delivered, 2);
  });

  it('gives every format the same events', async () => {
    const world = await worldWith(50);
    const formats = ['packed', 'json-plain', 'json-chunked', 'sse-plain', 'sse-chunked'] as const;
    const sinks = [];
    for (const format of formats) sinks.push(await world.attach({ ...ALL, format }));
    world.publish(...events(50));
    await world.run();
    for (const sink of sinks) assert.deepEqual(sink.told, seqs(1, 100));
  });
});

describe('Fanout: clients that cannot take more', () => {
  it('continue exactly where they were', async () => {
    const world = new World();
    const slow = await world.attach();
    const fast = await world.attach();
    slow.isFull = true;
    await grow(world, 50);
    assert.deepEqual(fast.told, seqs(1, 50));
    assert.ok(slow.told.length < 50);
    slow.resume();
    await world.run();
    assert.deepEqual(slow.told, seqs(1, 50));
  });

  it('are waited for in the event loop, until they have stopped', async () => {
    const world = new World();
    const slow = await world.attach();
    const [shard] = world.shards;
    assert.ok(!shard!.awaitsClients);
    slow.isFull = true;
    await grow(world, 50);
    assert.ok(shard!.awaitsClients);
    // This clock goes on a little each time it is looked at: it does so for more than 50 ms.
    const answers = Array.from({ length: 200 }, () => shard!.awaitsClients);
    assert.ok(answers[0] && !answers.at(-1));
    slow.resume();
    await world.run();
    assert.ok(!shard!.awaitsClients);
  });

  it('are written to once each time they can take something', async () => {
    const world = new World();
    const slow = await world.attach();
    slow.isFull = true;
    await grow(world, 50);
    for (let write = 1; slow.events.length < 50; write += 1) {
      assert.equal(slow.writes, write);
      slow.takeOne();
      await world.run();
    }
    assert.deepEqual(slow.told, seqs(1, 50));
  });

  it('can be joined by another client at the very place where they stand', async () => {
    const world = new World();
    const slow = await world.attach();
    const fast = await world.attach();
    slow.isFull = true;
    await grow(world, 50);
    const [{ cursor: place } = { cursor: '' }] = world.shards[0]!.clients();
    assert.equal(place, `${EPOCH}-10`);
    const joining = await world.attach({ start: { from: 'cursor', cursor: place } });
    await world.run();
    assert.deepEqual(joining.told, seqs(11, 50));
    assert.equal(world.counters.values.eventsEncoded, 50, 'from the bytes that are there');
    slow.resume();
    await world.run();
    for (const sink of [slow, fast]) assert.deepEqual(sink.told, seqs(1, 50));
  });

  it('continue exactly when their lane has moved on without them', async () => {
    const world = new World();
    const slow = await world.attach({ format: 'json-plain' });
    const fast = await world.attach({ format: 'json-plain' });
    slow.isFull = true;
    // Five megabytes: more than a lane keeps.
    for (let batch = 0; batch < 40; batch += 1) {
      world.publish(...Array.from({ length: 4 }, () => event('c1', { args: 'x'.repeat(32_000) })));
      await world.run();
    }
    assert.deepEqual(fast.told, seqs(1, 160));
    assert.ok(slow.told.length < 160);
    slow.isFull = false;
    slow.resume();
    await world.run();
    assert.deepEqual(slow.told, seqs(1, 160));
    assert.deepEqual(slow.gaps, []);
  });

  it('keep their end when their lane has moved on without them, also among many lanes', async () => {
    const world = new World({ segmentBytes: 1024 * 1024 });
    for (let watched = 0; watched < 200; watched += 1) {
      await world.attach({ filter: [{ key: 'id', op: '=', value: `other${watched}` }] });
    }
    world.publish(...Array.from({ length: 6 }, () => event('c1', { args: 'x'.repeat(60_000) })));
    await world.run();
    const slow = world.sink({ format: 'json-plain' });
    slow.isFull = true;
    await world.attach({ ...ALL, format: 'json-plain', follow: false }, slow);
    await world.run();
    world.publish(...events(3));
    await world.run();
    slow.resume();
    await world.run();
    assert.deepEqual(slow.told, seqs(1, 6));
    assert.equal(slow.state, 'ended');
  });

  it('cost nobody else anything: a client that is never ready does not hold the others up', async () => {
    const world = await worldWith(2000, { limits: { events: 500 } });
    const stuck = world.sink();
    stuck.isFull = true;
    await world.attach({ start: { from: 'recent', count: 400 } }, stuck);
    const live = await world.attach();
    for (let batch = 0; batch < 20; batch += 1) {
      world.publish(...events(100));
      await world.run();
    }
    assert.deepEqual(live.told, seqs(2001, 4000));
    assert.equal(stuck.writes, 1);
  });
});

describe('Fanout: gaps', () => {
  it('tells a client once what is gone, with the right numbers', async () => {
    const world = await worldWith(1000, { limits: { events: 100 } });
    const sink = await world.attach({ start: cursor(10) });
    await world.run();
    assert.deepEqual(sink.told, [
      { type: 'gap', missed: 890, from: 11, to: 900, reason: 'retention', oldest: `${EPOCH}-900` },
      ...seqs(901, 1000),
    ]);
    assert.equal(world.counters.values.gaps, 1);
    assert.equal(world.counters.values.eventsMissed, 890);
  });

  it('tells a client that fell behind while it read history', async () => {
    const world = await worldWith(3000, { limits: { events: 3000 } });
    const slow = world.sink();
    slow.isFull = true;
    await world.attach(ALL, slow);
    await world.run();
    await grow(world, 6000);
    slow.resume();
    await world.run();
    const [gap] = slow.gaps;
    assert.ok(gap && gap.from > 1 && gap.from < 3000);
    assert.deepEqual(slow.told, [
      ...seqs(1, gap.from - 1),
      { ...gap, to: 6000, missed: 6001 - gap.from, oldest: `${EPOCH}-6000` },
      ...seqs(6001, 9000),
    ]);
  });

  it('tells nobody whose start position history no longer reaches', async () => {
    const world = await worldWith(1000, { limits: { events: 100 } });
    const sinks = [
      await world.attach({ start: { from: 'time', time: { sec: 1, nanos: 0 } } }),
      await world.attach({ start: { from: 'recent', count: 500 } }),
    ];
    await world.run();
    for (const sink of sinks) assert.deepEqual(sink.told, seqs(901, 1000));
  });

  it('cuts a client whose format has no words for a gap', async () => {
    const world = await worldWith(1000, { limits: { events: 100 } });
    const stock = world.sink();
    stock.tellsGaps = false;
    await world.attach({ start: cursor(10) }, stock);
    await world.run();
    assert.equal(stock.state, 'ERR_CLIENT_GAP');
    assert.deepEqual(stock.events, []);
    assert.equal(world.counters.values.clientsCut, 1);
  });

  it('counts no events behind the client\u2019s own end as missed', async () => {
    const world = await worldWith(3000, { limits: { events: 3000 } });
    const slow = world.sink();
    slow.isFull = true;
    await world.attach({ ...ALL, follow: false }, slow);
    await world.run();
    await grow(world, 6000);
    slow.resume();
    await world.run();
    const [gap] = slow.gaps;
    assert.equal(slow.gaps.length, 1);
    assert.equal(slow.state, 'ended');
    assert.deepEqual(slow.events, seqs(1, slow.events.length));
    assert.deepEqual([gap?.from, gap?.to, gap?.missed], [slow.events.length + 1, 3000, 3000 - slow.events.length]);
  });

  it('misses nothing when only events behind its `until` are gone', async () => {
    const world = await worldWith(10, { limits: { events: 50 } });
    const stock = world.sink();
    stock.isFull = true;
    stock.tellsGaps = false;
    // Its first write holds all that it is to get, and the time mark says so; but it stays full for long.
    await world.attach({ ...ALL, until: { sec: BASE_SEC + 1, nanos: 0 } }, stock);
    await world.run();
    while (stock.events.length < 10) {
      stock.takeOne();
      await world.run();
    }
    world.clock.advance(2 * SECOND);
    world.checker.tick();
    await world.run();
    await grow(world, 1000);
    stock.resume();
    await world.run();
    assert.deepEqual(stock.told, seqs(1, 10));
    assert.equal(stock.state, 'ended');
  });
});

describe('Fanout: where a client ends', () => {
  it('ends a client that does not follow at the head that it found', async () => {
    const world = await worldWith(300);
    world.publish(...events(50));
    const sink = await world.attach({ ...ALL, follow: false });
    await world.run();
    assert.equal(sink.state, 'ended');
    assert.deepEqual(sink.told, seqs(1, sink.told.length));
    assert.ok(sink.told.length === 300 || sink.told.length === 350);
    assert.equal(world.counters.values.clientsEnded, 1);
  });

  it('ends it at once when there is nothing to get', async () => {
    const world = await worldWith(5);
    for (const start of [cursor(5), { from: 'live' }, { from: 'recent', count: 0 }] as const) {
      const sink = await world.attach({ start, follow: false });
      assert.equal(sink.state, 'ended');
    }
    const empty = await new World().attach({ ...ALL, follow: false });
    assert.equal(empty.state, 'ended');
  });

  it('ends it behind events that its filter does not show', async () => {
    const world = await worldWith(100);
    const sink = await world.attach({ ...ALL, follow: false, filter: [{ key: 'event', op: '=', value: 'die' }] });
    await world.run();
    assert.equal(sink.state, 'ended');
    assert.deepEqual(sink.told, []);
  });

  it('delivers the event of exactly `until` and not the next one', async () => {
    for (const isLive of [false, true]) {
      const world = await worldWith(isLive ? 5 : 10);
      const until = { sec: BASE_SEC + 7, nanos: 3 };
      const sink = await world.attach({ ...ALL, until });
      for (const time of [{ sec: BASE_SEC + 7, nanos: 2 }, until, addNanos(until, 1), addNanos(until, 2)]) {
        world.clock.time = { sec: BASE_SEC + 7, nanos: 0 };
        world.publish(event('c1', { time }));
        if (isLive) await world.run();
      }
      await world.run();
      const count = isLive ? 7 : 12;
      assert.deepEqual(sink.told, seqs(1, count));
      assert.equal(sink.state, 'ended');
    }
  });

  it('does not cut a client that is full at its `until`: it gets the rest and then ends', async () => {
    const world = new World();
    const until = { sec: BASE_SEC + 5, nanos: 0 };
    const slow = await world.attach({ until });
    slow.isFull = true;
    for (let batch = 0; batch < 3; batch += 1) {
      world.publish(...events(5));
      await world.run();
    }
    world.clock.advance(10 * SECOND);
    world.publish(event());
    world.checker.tick();
    await world.run();
    assert.equal(slow.state, 'open');
    slow.resume();
    await world.run();
    assert.deepEqual(slow.told, seqs(1, 15));
    assert.equal(slow.state, 'ended');
  });

  it('ends an idle client only once a time mark says that nothing earlier can come', async () => {
    const world = new World();
    const sink = await world.attach({ until: { sec: BASE_SEC + 5, nanos: 0 } });
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
    world.clock.advance(5 * SECOND - 1);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
    world.clock.advance(1);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'ended');
    assert.equal(world.counters.values.timeMarks, 1);
  });

  it('ends it on the mark also when an event came in between', async () => {
    const world = new World();
    const sink = await world.attach({ until: { sec: BASE_SEC + 5, nanos: 0 } });
    world.clock.advance(5 * SECOND);
    world.publish(event());
    world.checker.tick();
    await world.run();
    assert.deepEqual(sink.told, [1]);
    assert.equal(sink.state, 'ended');
  });

  it('ends a client whose `until` lies in the past as soon as it has got its history', async () => {
    const world = await worldWith(10);
    world.clock.advance(SECOND);
    const sink = await world.attach({ ...ALL, until: world.log[4]!.time });
    const live = await world.attach({ until: world.log[4]!.time });
    await world.run();
    assert.deepEqual(sink.told, seqs(1, 5));
    assert.equal(sink.state, 'ended');
    world.checker.tick();
    await world.run();
    assert.deepEqual(live.told, []);
    assert.equal(live.state, 'ended');
  });

  it('ends a client whose `until` is the very first moment, also when nothing has ever happened', async () => {
    const world = new World();
    const sink = await world.attach({ until: { sec: 0, nanos: 0 } });
    world.checker.tick();
    await world.run();
    assert.deepEqual([sink.told, sink.state], [[], 'ended']);
  });

  it('refuses a `since` behind `until`, and takes the same moment for both', async () => {
    const world = await worldWith(10);
    const { time } = world.log[4]!;
    await assert.rejects(world.attach({ start: { from: 'time', time: addNanos(time, 1) }, until: time }), {
      code: 'ERR_SINCE_AFTER_UNTIL',
    });
    const sink = await world.attach({ start: { from: 'time', time }, until: time });
    await world.run();
    assert.deepEqual(sink.told, [5]);
    assert.equal(sink.state, 'ended');
  });
});

describe('Fanout: who is ended', () => {
  it('ends a client that was cancelled in the table, and not the next one of its row', async () => {
    const world = new World();
    const first = await world.attach();
    const { row, generation } = first.handle!;
    world.clientTable.cancel(row, generation);
    world.checker.tick();
    first.leave();
    const second = await world.attach();
    assert.equal(second.handle?.row, row);
    await world.run();
    assert.equal(second.state, 'open');
    world.clientTable.cancel(row, second.handle.generation);
    world.checker.tick();
    await world.run();
    assert.equal(second.state, 'ended');
    assert.equal(world.counters.values.cancelsSeen, 1);
    world.publish(event());
    await world.run();
    assert.deepEqual(second.told, []);
  });

  it('cuts a client that is further behind than its policy allows, and only that one', async () => {
    const world = new World();
    const [strict, patient] = [await world.attach({ lagLimit: 10 }), await world.attach()];
    for (const sink of [strict, patient]) sink.isFull = true;
    world.publish(...events(5));
    await world.run();
    world.publish(...events(10));
    world.checker.tick();
    await world.run();
    world.checker.tick();
    await world.run();
    assert.equal(strict.state, 'open', 'ten behind is allowed');
    world.publish(event());
    await world.run();
    world.checker.tick();
    await world.run();
    assert.equal(strict.state, 'ERR_CLIENT_LAGGED');
    assert.equal(patient.state, 'open');
    assert.equal(world.counters.values.lagBreaches, 1);
  });

  it('spares a client that has caught up before the command arrives', async () => {
    const world = new World();
    const sink = await world.attach({ lagLimit: 10 });
    sink.isFull = true;
    await grow(world, 30);
    world.checker.tick();
    sink.resume();
    await world.run();
    assert.equal(sink.state, 'open');
    assert.deepEqual(sink.told, seqs(1, 30));
  });

  it('spares a client that began far behind and takes what it is given', async () => {
    const world = await worldWith(5000);
    const sink = await world.attach({ ...ALL, lagLimit: 10 });
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
    assert.deepEqual(sink.told, seqs(1, 5000));
  });

  it('spares a client that still reads history, also while it has to be waited for', async () => {
    const world = await worldWith(5000);
    const sink = world.sink();
    sink.isFull = true;
    await world.attach({ ...ALL, lagLimit: 10 }, sink);
    await world.run();
    assert.equal(sink.isBlocked, true);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
    sink.resume();
    await world.run();
    sink.isFull = true;
    await grow(world, 30);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'ERR_CLIENT_LAGGED', 'it has been at the head since');
  });

  it('spares a client that is blocked when nothing was for it since', async () => {
    const world = new World();
    const sink = await world.attach({ lagLimit: 10, filter: [{ key: 'event', op: '=', value: 'die' }] });
    sink.isFull = true;
    world.publish(event('c1', { action: 'die' }));
    await world.run();
    assert.equal(sink.isBlocked, true);
    await grow(world, 30);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
  });

  it('moves a client on that drops the oldest, tells it once what it missed, and never one that still reads history', async () => {
    const world = await worldWith(100);
    const sink = await world.attach({ ...ALL, lagLimit: 10, dropsOldest: true });
    await world.run();
    assert.deepEqual(sink.told, seqs(1, 100), 'however far behind it began');
    sink.isFull = true;
    await grow(world, 30);
    world.checker.tick();
    await world.run();
    assert.equal(sink.state, 'open');
    const before = sink.told.length;
    sink.resume();
    await world.run();
    const [gap, ...rest] = sink.told.slice(before);
    const from = before + 1;
    assert.deepEqual(gap, {
      type: 'gap',
      missed: 121 - from,
      from,
      to: 120,
      reason: 'policy',
      oldest: `${EPOCH}-0`,
    });
    assert.deepEqual(rest, seqs(121, 130));
    await grow(world, 8);
    assert.deepEqual(sink.told.slice(-8), seqs(131, 138));
    assert.equal(world.counters.values.lagBreaches, 1);
  });

  it('cuts a client that drops the oldest when its format has no words for that', async () => {
    const world = new World();
    const sink = world.sink();
    sink.tellsGaps = false;
    await world.attach({ lagLimit: 10, dropsOldest: true }, sink);
    sink.isFull = true;
    await grow(world, 30);
    sink.resume();
    await world.run();
    assert.equal(sink.state, 'ERR_CLIENT_GAP');
  });

  it('ends a client that falls further behind than the operator allows, in bytes, and moves one on that drops the oldest', async () => {
    const world = new World({ segmentBytes: 64 * 1024, maxLagBytes: 256 * 1024 });
    const [plain, dropping] = [await world.attach(), await world.attach({ lagLimit: 1_000_000, dropsOldest: true })];
    for (const sink of [plain, dropping]) sink.isFull = true;
    const large = { ...event(), args: 'x'.repeat(4000) };
    const grown = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 1) {
        world.publish(large);
        await world.run();
      }
      world.shards[0]!.tick();
      await world.run();
    };
    await grown(50);
    assert.equal(plain.state, 'open', '200 KB behind is allowed');
    await grown(50);
    assert.equal(plain.state, 'ERR_CLIENT_LAGGED');
    assert.equal(dropping.state, 'open');
    dropping.resume();
    await world.run();
    const last = dropping.events.at(-1);
    assert.equal(last, 100);
    assert.ok(dropping.gaps.length > 0, 'it was told');
  });

  it('frees the row of a client that left, and writes nothing more to it', async () => {
    const world = new World();
    const sink = await world.attach();
    assert.equal(world.clientTable.isActive(0), true);
    sink.leave();
    sink.leave();
    assert.equal(world.clientTable.isActive(0), false);
    world.publish(event());
    await world.run();
    assert.deepEqual(sink.told, []);
    assert.equal(world.counters.values.clientsLeft, 1);
    assert.deepEqual(world.shards[0]!.clients(), []);
  });

  it('forgets a client that leaves while its page is on the way', async () => {
    const world = await worldWith(5000);
    const sink = await world.attach(ALL);
    sink.leave();
    await world.run();
    assert.deepEqual(sink.gaps, []);
    assert.equal(world.clientTable.isActive(0), false);
  });

  it('cuts a client whose sink throws and goes on with the others', async () => {
    const world = new World();
    const [before, broken, behind] = [await world.attach(), await world.attach(), await world.attach()];
    broken.onWrite = () => {
      throw new Error('EPIPE');
    };
    world.publish(...events(3));
    await world.run();
    world.publish(...events(3));
    await world.run();
    assert.deepEqual(before.told, seqs(1, 6));
    assert.deepEqual(behind.told, seqs(1, 6));
    assert.equal(broken.state, 'ERR_CLIENT_FAILED');
    assert.equal(broken.writes, 1);
    assert.equal(world.counters.values.clientsCut, 1);
  });

  it('goes on with the others also when ending the broken sink throws', async () => {
    const world = new World();
    const [before, broken, behind] = [await world.attach(), await world.attach(), await world.attach()];
    broken.onWrite = () => {
      throw new Error('EPIPE');
    };
    broken.end = () => {
      throw new Error('EPIPE');
    };
    world.publish(...events(3));
    await world.run();
    assert.deepEqual(before.told, seqs(1, 3));
    assert.deepEqual(behind.told, seqs(1, 3));
  });

  it('cuts a client whose sink throws at a gap and goes on with the others', async () => {
    const world = await worldWith(1000, { limits: { events: 100 } });
    const broken = world.sink();
    broken.gap = () => {
      throw new Error('EPIPE');
    };
    const failures: unknown[] = [];
    const onRejection = (reason: unknown): number => failures.push(reason);
    process.on('unhandledRejection', onRejection);
    try {
      await world.attach({ start: cursor(10) }, broken);
      const other = await world.attach();
      world.publish(...events(3));
      await world.run();
      assert.deepEqual(other.told, seqs(1001, 1003));
      assert.equal(broken.state, 'ERR_CLIENT_FAILED');
      assert.deepEqual(failures, []);
    } finally {
      process.off('unhandledRejection', onRejection);
    }
  });

  it('cuts a client whose sink throws at a heartbeat and goes on with the others', async () => {
    const world = new World();
    const broken = await world.attach({ heartbeatMs: 1000 });
    const other = await world.attach({ heartbeatMs: 1000 });
    broken.heartbeat = () => {
      throw new Error('EPIPE');
    };
    world.clock.advance(2 * SECOND);
    world.shards[0]!.tick();
    assert.equal(other.heartbeats.length, 2);
    assert.equal(broken.state, 'ERR_CLIENT_FAILED');
  });

  it('survives a client that leaves, or drains, from within a write', async () => {
    const world = new World();
    const leaving = await world.attach();
    const eager = await world.attach();
    const other = await world.attach();
    leaving.onWrite = () => leaving.leave();
    eager.onWrite = () => eager.handle?.drained();
    world.publish(...events(3));
    await world.run();
    world.publish(...events(3));
    await world.run();
    assert.deepEqual(leaving.told, seqs(1, 3));
    assert.deepEqual(eager.told, seqs(1, 6));
    assert.deepEqual(other.told, seqs(1, 6));
  });

  it('refuses clients beyond the limit of all shards, and readers of history beyond theirs, until a place is free', async () => {
    const world = new World({ shards: 2, clients: { clients: 3, replays: 1 } });
    world.publish(...events(5));
    await world.run();
    const [first, second] = [world.shards[0]!, world.shards[1]!];
    const reading = await first.subscribe({ ...EVERYTHING, start: cursor(2) });
    await assert.rejects(second.subscribe({ ...EVERYTHING, start: cursor(0) }), {
      code: 'ERR_REPLAYS_EXHAUSTED',
      detail: { limit: 'max-replays', maximum: 1 },
    });
    const live = await second.subscribe(EVERYTHING);
    await first.subscribe(EVERYTHING);
    await assert.rejects(second.subscribe(EVERYTHING), {
      code: 'ERR_CLIENTS_EXHAUSTED',
      detail: { limit: 'max-clients', maximum: 3 },
    });
    live.left();
    const sink = world.sink();
    sink.start(reading);
    await world.run();
    // The first one has read what there was: its place is another's.
    await second.subscribe({ ...EVERYTHING, start: cursor(0) });
  });

  it('refuses clients beyond its rows and admits one again when a row is free', async () => {
    const world = new World({ clientRows: 100 });
    const sinks = [];
    for (let client = 0; client < 100; client += 1) {
      sinks.push(await world.shards[0]!.subscribe(EVERYTHING));
    }
    await assert.rejects(world.attach(), { code: 'ERR_CLIENTS_EXHAUSTED' });
    sinks[77]?.left();
    const sink = await world.attach();
    assert.equal(sink.handle?.row, 77);
  });
});

describe('Fanout: what it says about its clients', () => {
  it('shows position, lag and state', async () => {
    const world = await worldWith(10);
    await world.attach({ door: 'native', peer: 'x', lagLimit: 5 });
    const slow = world.sink();
    slow.isFull = true;
    await world.attach({ start: cursor(2), filter: [{ key: 'type', op: '=', value: 'container' }] }, slow);
    world.publish(...events(4));
    await world.run();
    world.clock.advance(3 * SECOND);
    const [live, blocked] = world.shards[0]!.clients();
    assert.deepEqual([live?.lagSeconds, Math.round(blocked?.lagSeconds ?? 0)], [0, 3]);
    assert.deepEqual(
      [live?.door, live?.peer, live?.cursor, live?.lagEvents, live?.delivered, live?.policy, live?.state],
      ['native', 'x', `${EPOCH}-14`, 0, 4, 'disconnect', 'live'],
    );
    assert.deepEqual(
      [blocked?.cursor, blocked?.lagEvents, blocked?.delivered, blocked?.policy, blocked?.state],
      [`${EPOCH}-10`, 4, 8, 'catch-up', 'blocked'],
    );
  });

  it('beats for an idle client, with the position that it may resume from', async () => {
    const world = await worldWith(3);
    const sink = await world.attach({ heartbeatMs: 10_000 });
    const without = await world.attach();
    const tickAfter = (seconds: number): void => {
      world.clock.advance(seconds * SECOND);
      world.shards[0]!.tick();
    };
    assert.deepEqual(sink.heartbeats.splice(0), [`${EPOCH}-3`], 'where it begins');
    tickAfter(9);
    assert.deepEqual(sink.heartbeats, []);
    tickAfter(1);
    assert.deepEqual(sink.heartbeats, [`${EPOCH}-3`]);
    tickAfter(5);
    world.publish(event());
    await world.run();
    tickAfter(5);
    assert.equal(sink.heartbeats.length, 1, 'it got an event five seconds ago');
    tickAfter(5);
    assert.deepEqual(sink.heartbeats, [`${EPOCH}-3`, `${EPOCH}-4`]);
    assert.deepEqual(without.heartbeats, []);
  });

  it('beats before the first event, with the position at which the client begins', async () => {
    const world = await worldWith(3);
    const live = await world.attach({ heartbeatMs: 10_000 });
    const after = await world.attach({ heartbeatMs: 10_000, start: { from: 'cursor', cursor: `${EPOCH}-1` } });
    assert.deepEqual(live.heartbeats, [`${EPOCH}-3`]);
    assert.deepEqual(after.heartbeats, [`${EPOCH}-1`]);
    world.publish(event());
    await world.run();
    assert.deepEqual([live.told, after.told], [[4], [2, 3, 4]]);
  });
});

describe('Fanout: the end', () => {
  it('gives everyone the rest, ends them cleanly and says that it is drained', async () => {
    const world = await worldWith(500);
    const live = await world.attach();
    const history = await world.attach(ALL);
    const late = await world.attach({ until: { sec: BASE_SEC + 1000, nanos: 0 } });
    const future = await world.attach({ start: { from: 'time', time: { sec: BASE_SEC + 1000, nanos: 0 } } });
    world.publish(...events(100));
    world.seal();
    await world.run();
    assert.deepEqual(live.told, seqs(501, 600));
    assert.deepEqual(history.told, seqs(1, 600));
    assert.deepEqual(late.told, seqs(501, 600));
    assert.deepEqual(future.told, []);
    for (const sink of [live, history, late, future]) assert.equal(sink.state, 'ended');
    assert.deepEqual(world.main.messages[0], { type: 'drained' });
    assert.equal(world.shards[0]!.isSealed, true);
  });

  it('waits for a client that is full, and ends it cleanly once it has everything', async () => {
    const world = new World();
    const slow = await world.attach();
    slow.isFull = true;
    await grow(world, 30);
    world.seal();
    await world.run();
    assert.equal(slow.state, 'open');
    assert.deepEqual(world.main.messages, []);
    // It takes what is left and is full again behind the last write.
    while (slow.events.length < 30) {
      slow.takeOne();
      await world.run();
    }
    assert.deepEqual(slow.told, seqs(1, 30));
    slow.resume();
    await world.run();
    assert.equal(slow.state, 'ended');
    assert.deepEqual(world.main.messages[0], { type: 'drained' });
  });

  it('cuts whoever is left when it is told to', async () => {
    const world = new World();
    const slow = await world.attach();
    slow.isFull = true;
    world.publish(...events(10));
    await world.run();
    world.publish(...events(10));
    world.seal();
    await world.run();
    world.shards[0]!.receive({ type: 'cut-clients' });
    assert.equal(slow.state, 'ERR_DRAIN_TIMEOUT');
    assert.deepEqual(world.main.messages[0], { type: 'drained' });
  });

  it('is drained at once without clients', async () => {
    const world = new World();
    world.seal();
    await world.run();
    assert.deepEqual(world.main.messages[0], { type: 'drained' });
  });

  it('refuses new clients, also those that were waiting to be admitted', async () => {
    const world = await worldWith(3);
    world.collector.putContainer('aaa', {});
    const waiting = assert.rejects(world.shards[0]!.subscribe({ ...EVERYTHING, name: 'aaa' }), {
      code: 'ERR_PIPELINE_CLOSED',
    });
    // Sealed before the collector answers.
    world.shards[0]!.receive({ type: 'sealed', seq: 3 });
    await world.run();
    await waiting;
    await assert.rejects(world.attach(), { code: 'ERR_PIPELINE_CLOSED' });
  });

  it('gives a client that was admitted but not started everything all the same', async () => {
    const world = await worldWith(3);
    const handle = await world.shards[0]!.subscribe({ ...EVERYTHING, start: cursor(0) });
    world.publish(event());
    world.seal();
    await world.run();
    assert.deepEqual(world.main.messages, []);
    const sink = world.sink();
    sink.start(handle);
    await world.run();
    assert.deepEqual(sink.told, seqs(1, 4));
    assert.equal(sink.state, 'ended');
    await settled();
  });
});
