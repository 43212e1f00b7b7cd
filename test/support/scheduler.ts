import assert from 'node:assert/strict';
import { TocsinError } from '../../src/event/errors.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import type { Term } from '../../src/event/filter.ts';
import { addNanos, compareTime } from '../../src/event/time.ts';
import type { LaneFormat, StartPosition, Subscription } from '../../src/messages/control.ts';
import { EPOCH } from './log.ts';
import { ModelledClient, type Shows } from './modelled-client.ts';
import { Random } from './random.ts';
import { EVERYTHING, settled, World } from './world.ts';

const FORMATS: readonly LaneFormat[] = ['packed', 'packed', 'packed', 'json-plain', 'json-chunked'];
const SECOND = 1_000_000_000;
/** More would not fit into the publish ring. */
const MOST_WAITING = 1000;

interface Choice {
  readonly name?: string;
  readonly filter: readonly Term[];
  readonly shows: Shows;
}

const FILTERS: readonly Choice[] = [
  { filter: [], shows: () => true },
  { filter: [], shows: () => true },
  { filter: [{ key: 'event', op: '=', value: 'die' }], shows: ({ action }) => action === 'die' },
  { filter: [{ key: 'type', op: '!=', value: 'image' }], shows: ({ type }) => type !== 'image' },
  { filter: [], name: 'web', shows: ({ type, id }) => type === 'container' && id === 'c1' },
  { filter: [{ key: 'event', op: '=', value: 'nothing' }], shows: () => false },
  {
    filter: [{ key: 'container', op: '=', value: 'c2' }],
    shows: ({ type, id }) => type === 'container' && id === 'c2',
  },
  { filter: [{ key: 'id', op: '=', value: 'c2' }], shows: ({ id }) => id === 'c2' },
  { filter: [{ key: 'type', op: '=', value: 'image' }], shows: ({ type }) => type === 'image' },
];

/** What happened in a run, so that a test can tell that it was worth something. */
export interface RunReport {
  readonly events: number;
  readonly clients: number;
  readonly gaps: number;
  readonly blocked: number;
}

/**
 * Runs the pipeline under random orders: batches are published, single messages arrive, clients come, go, refuse and take
 * again, clocks move. Every client checks what it is told as it is told it; in the end the log is sealed and everyone must
 * have got exactly what was promised. The same seed gives the same run.
 */
export async function runSchedule(seed: number, actions: number): Promise<RunReport> {
  const run = new Schedule(new Random(seed));
  await run.begin();
  for (let action = 0; action < actions; action += 1) await run.act();
  return run.finish();
}

class Schedule {
  readonly #random: Random;
  readonly #world: World;
  readonly #shards: number;
  readonly #clients: ModelledClient[] = [];
  /** How eager this run is: some have slow clients, some busy publishers, some late messages. */
  readonly #weights: readonly (readonly [number, () => unknown])[];
  #published = 0;
  #isSealed = false;

  constructor(random: Random) {
    this.#random = random;
    this.#shards = 1 + random.below(2);
    this.#world = new World({
      shards: this.#shards,
      limits: { events: random.pick([20, 100, 500, 100_000]) },
      segmentBytes: random.pick([4096, 64 * 1024]),
    });
    this.#world.collector.putContainer('c1', { name: 'web' });
    const weigh = (): number => 0.2 + random.next();
    this.#weights = [
      [3 * weigh(), () => this.#publish()],
      [random.pick([3, 10, 30]) * weigh(), () => this.#world.step((count) => this.#random.below(count))],
      [2 * weigh(), () => this.#attach()],
      [0.5 * weigh(), () => this.#leave()],
      [2 * weigh(), () => this.#block()],
      [2 * weigh(), () => this.#unblock()],
      [1 * weigh(), () => this.#tick()],
      [1 * weigh(), () => this.#world.clock.advance(this.#random.pick([1, 1000, SECOND / 2, 2 * SECOND]))],
    ];
  }

  /** Some logs are old when the first client comes: shards remember the newest batches only, so gaps take many. */
  async begin(): Promise<void> {
    if (this.#random.chance(0.6)) return;
    for (let batch = 80 + this.#random.below(80); batch > 0; batch -= 1) {
      this.#publish();
      await this.#world.run();
    }
  }

  async act(): Promise<void> {
    const total = this.#weights.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.#random.next() * total;
    for (const [weight, action] of this.#weights) {
      left -= weight;
      if (left < 0) {
        await action();
        return;
      }
    }
  }

  async finish(): Promise<RunReport> {
    const world = this.#world;
    this.#isSealed = true;
    world.seal();
    const pick = (count: number): number => this.#random.below(count);
    await world.run(pick);
    // Whoever is full takes what is left write by write.
    for (let round = 0; this.#clients.some(({ sink }) => sink.isBlocked); round += 1) {
      assert.ok(round < 10_000, 'somebody is full for ever');
      for (const { sink } of this.#clients) {
        if (this.#random.chance(0.3)) sink.resume();
        else sink.takeOne();
      }
      await world.run(pick);
    }
    for (const client of this.#clients) client.checkAtEnd();
    assert.ok(
      world.main.messages.filter(({ type }) => type === 'drained').length >= this.#shards,
      'a shard is not drained',
    );
    if (world.violations.length > 0) throw world.violations[0];
    return {
      events: world.log.length,
      clients: this.#clients.length,
      gaps: world.counters.values.gaps,
      blocked: world.counters.values.writesBlocked,
    };
  }

  #publish(): void {
    const { logState } = this.#world;
    const room = MOST_WAITING - (this.#published - logState.headSeq);
    const count = Math.min(room, 1 + this.#random.below(this.#random.pick([3, 60])));
    for (let index = 0; index < count; index += 1) this.#world.publish(this.#event());
    this.#published += Math.max(0, count);
  }

  #event(): NewEvent {
    const random = this.#random;
    const isImage = random.chance(0.2);
    const isOdd = random.chance(0.1);
    return {
      type: isImage ? 'image' : 'container',
      action: random.pick(['start', 'die']),
      id: random.pick(['c1', 'c2', 'c1']),
      ...(isOdd ? { args: 'x'.repeat(random.below(900)) } : {}),
      ...(random.chance(0.2) ? { time: addNanos(this.#world.clock.time, random.below(6 * SECOND)) } : {}),
    };
  }

  #attach(): void {
    const random = this.#random;
    const world = this.#world;
    const { shows, ...choice } = random.pick(FILTERS);
    const subscription: Subscription = {
      ...EVERYTHING,
      ...choice,
      format: random.pick(FORMATS),
      start: this.#start(),
      ...(random.chance(0.25) ? { until: this.#time() } : {}),
      follow: random.chance(0.8),
      lagLimit: random.chance(0.1) ? 50 : 0,
      heartbeatMs: random.chance(0.2) ? 1000 : 0,
    };
    const sink = world.sink(subscription);
    sink.tellsGaps = random.chance(0.7);
    sink.isFull = random.chance(0.3);
    const client = new ModelledClient(world, EPOCH, subscription, sink, shows);
    const shard = random.below(this.#shards);
    world.shards[shard]!.subscribe(subscription).then(
      (handle) => {
        this.#clients.push(client);
        sink.start(handle);
      },
      (error: unknown) => this.#onRefused(subscription, error),
    );
  }

  #onRefused({ start, until }: Subscription, error: unknown): void {
    const code = error instanceof TocsinError ? error.code : String(error);
    const isBackwards = start.from === 'time' && until && compareTime(start.time, until) > 0;
    const expected = isBackwards ? 'ERR_SINCE_AFTER_UNTIL' : 'ERR_PIPELINE_CLOSED';
    if (code !== expected || (!isBackwards && !this.#isSealed)) this.#world.violations.push(error);
  }

  #start(): StartPosition {
    const random = this.#random;
    const head = this.#world.logState.headSeq;
    // Where another client stands is where lanes have marks.
    const others = this.#world.shards.flatMap((shard) => shard.clients());
    switch (random.below(6)) {
      case 0:
        return { from: 'recent', count: random.below(200) };
      case 1:
        return { from: 'time', time: this.#time() };
      case 2:
        return { from: 'cursor', cursor: `${EPOCH}-${random.below(head + 1)}` };
      case 3:
        return { from: 'cursor', cursor: `${EPOCH}-${Math.max(0, head - random.below(100))}` };
      case 4:
        return { from: 'cursor', cursor: random.pick(others)?.cursor ?? `${EPOCH}-0` };
      default:
        return { from: 'live' };
    }
  }

  /** At, just before or just behind an event, or some time around now. */
  #time(): Timestamp {
    const random = this.#random;
    const event = this.#world.log[random.below(this.#world.log.length)];
    if (event && random.chance(0.7)) return addNanos(event.time, random.below(3));
    return addNanos(this.#world.clock.time, random.below(4 * SECOND));
  }

  #someone(): ModelledClient | undefined {
    const open = this.#clients.filter(({ sink, isExcused }) => !isExcused && sink.state === 'open');
    return open[this.#random.below(open.length)];
  }

  #leave(): void {
    const client = this.#someone();
    if (!client) return;
    client.isExcused = true;
    const { sink } = client;
    switch (this.#random.below(3)) {
      case 0:
        return sink.leave();
      case 1:
        return this.#world.clientTable.cancel(sink.handle!.row, sink.handle!.generation);
      default:
        sink.onWrite = () => {
          throw new Error('EPIPE');
        };
    }
  }

  #block(): void {
    const client = this.#someone();
    if (client) client.sink.isFull = true;
  }

  #unblock(): void {
    const { sink } = this.#someone() ?? {};
    if (this.#random.chance(0.5)) sink?.resume();
    else sink?.takeOne();
  }

  async #tick(): Promise<void> {
    const { shards, checker, buffer } = this.#world;
    this.#random.pick([() => checker.tick(), () => buffer.tick(), () => shards.forEach((shard) => shard.tick())])();
    await settled();
  }
}
