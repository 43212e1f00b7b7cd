import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Epoch, makeEpoch } from '../../src/event/cursor.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { STATE_START, STATE_STOPPED } from '../../src/event/operators.ts';
import type { Term } from '../../src/event/filter.ts';
import { addNanos } from '../../src/event/time.ts';
import { newLog, type Recovered, recoverHistory, secureHistory } from '../../src/history/recovery.ts';
import type { LaneFormat, StartPosition, Subscription } from '../../src/messages/control.ts';
import type { HistoryNotice } from '../../src/messages/collector.ts';
import { ManualClock } from '../support/actors.ts';
import { Random } from '../support/random.ts';
import { EVERYTHING, settled, type World } from '../support/world.ts';
import { ContainerModel } from './container-model.ts';
import { Daemon } from './daemon.ts';
import { hasHoles, scanDisk, seqsOnDisk } from './disk-scan.ts';
import { Crashed, SimulatedDisk } from './simulated-disk.ts';
import { type ClientEnv, type Shows, SimulatedClient } from './simulated-client.ts';
import { SimulatedSender } from './simulated-sender.ts';
import { Tally } from './tally.ts';
import { Trace } from './trace.ts';
import { type EndOfLife, TrueLog } from './true-log.ts';

export const LEAST = { clients: 3, events: 300, faults: 5 } as const;

/** A sync that others get past so often is a slow one. */
const SLOW_STEPS = 30;
const SECOND = 1_000_000_000;
/** A run that takes longer than any does stands still. */
const MOST_STEPS = 100_000;
const MOST_STEPS_OF_A_READER = 5_000;
/** Small, so that they are full at times; any part of a batch fits into half a publisher's. */
const RINGS = { slots: 64, bytes: 262_144 };
const FORMATS: readonly LaneFormat[] = ['packed', 'json-plain', 'packed', 'json-chunked'];
const CONTAINERS = ['c1', 'c2', 'c3'] as const;

interface Choice {
  readonly filter: readonly Term[];
  readonly name?: string;
  readonly shows: Shows;
}

const EVERY: Choice = { filter: [], shows: () => true };
const FILTERS: readonly Choice[] = [
  EVERY,
  EVERY,
  { filter: [{ key: 'event', op: '=', value: 'die' }], shows: ({ action }) => action === 'die' },
  { filter: [{ key: 'type', op: '!=', value: 'image' }], shows: ({ type }) => type !== 'image' },
  { filter: [{ key: 'id', op: '=', value: 'c2' }], shows: ({ id }) => id === 'c2' },
  { filter: [{ key: 'event', op: '=', value: 'nothing' }], shows: () => false },
  { filter: [{ key: 'type', op: '=', value: 'image' }], shows: ({ type }) => type === 'image' },
  {
    filter: [{ key: 'container', op: '=', value: 'c2' }],
    shows: ({ type, id }) => type === 'container' && id === 'c2',
  },
  // Whom the name means is asked of the collector: the log goes on meanwhile.
  { filter: [], name: 'c1', shows: ({ type, id }) => type === 'container' && id === 'c1' },
];

export interface SimulationReport {
  readonly hash: string;
  readonly tally: Tally;
  readonly events: number;
  readonly trace: readonly string[];
}

/**
 * Runs the whole service, with publishers, clients and a disk, under one order of things that `seed` stands for: which message
 * arrives next, who is slow, what breaks and when. The same seed is the same run, to the byte.
 * @throws what was broken
 */
export async function simulate(seed: number, keepsTrace = false): Promise<SimulationReport> {
  const simulation = new Simulation(new Random(seed), keepsTrace);
  try {
    return await simulation.run();
  } catch (error) {
    throw new SimulationFailure(seed, simulation.trace, error);
  }
}

export class SimulationFailure extends Error {
  readonly trace: readonly string[];

  constructor(seed: number, trace: Trace, cause: unknown) {
    super(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.trace = trace.lines;
  }
}

class Simulation {
  readonly trace: Trace;
  readonly #random: Random;
  readonly #tally = new Tally();
  readonly #clock = new ManualClock();
  readonly #disk = new SimulatedDisk();
  readonly #durability: 'memory' | 'async' | 'sync';
  readonly #truth: TrueLog;
  readonly #containers: ContainerModel;
  readonly #shards: number;
  readonly #limits: { readonly events: number; readonly bytes: number; readonly ageMs: number };
  readonly #memoryBytes: number;
  readonly #fileBytes: number;
  readonly #fileAgeSec: number;
  /** A large file takes its time, a small one behind it does not. */
  readonly #syncsNewestFirst: boolean;
  readonly #violations: unknown[] = [];
  readonly #clients: SimulatedClient[];
  readonly #choices = new Map<SimulatedClient, Choice>();
  readonly #shardOf = new Map<SimulatedClient, number>();
  readonly #senders: readonly SimulatedSender[];
  readonly #actions: readonly (readonly [number, () => unknown])[];
  #daemon!: Daemon;
  #boot = 1;
  #epochs = 0;
  #sent = 0;
  #records = 0;
  #spec = 0;
  #isEnding = false;
  #syncSteps = 0;
  /** How often the history had been recovered when a sync failed last. */
  #syncFailedAt = -1;
  /** In this life of the service. */
  #hasCollectorDied = false;
  #mayBeUnheard = false;
  /** What a life is about to begin with. */
  #recovering: Recovered | undefined;
  /** What the disk has been asked to sync, at least. */
  #syncedSeq = 0;

  constructor(random: Random, keepsTrace: boolean) {
    this.#random = random;
    this.trace = new Trace(keepsTrace);
    this.#durability = random.pick(['sync', 'async', 'sync', 'async', 'sync', 'async', 'memory']);
    this.#truth = new TrueLog(this.#durability);
    this.#containers = new ContainerModel(this.#truth);
    this.#shards = 1 + random.below(2);
    this.#limits = { events: random.pick([0, 0, 80, 200]), bytes: random.pick([0, 0, 30_000, 100_000]), ageMs: 0 };
    this.#memoryBytes = random.pick([1, 100_000, 1e9]);
    this.#fileBytes = random.pick([2_000, 8_000, 60_000]);
    this.#fileAgeSec = random.pick([1, 1_000_000]);
    this.#syncsNewestFirst = random.chance(0.3);
    this.#disk.cut = () => random.next();
    this.#disk.tag = () => this.#recovering?.headSeq ?? this.#truth.headSeq;
    this.#disk.onSynced = (headSeq) => {
      this.#syncedSeq = Math.max(this.#syncedSeq, headSeq);
    };
    this.#disk.onBegun = () => this.#tally.add('file begun');
    this.#disk.onSyncFailed = (safeSeq) => {
      this.#tally.add('sync failed');
      this.trace.add('sync failed');
      // One that a dead collector waited for: nobody hears of it.
      this.#mayBeUnheard ||= this.#hasCollectorDied;
      if (this.#durability !== 'async') return;
      this.#truth.lost(Math.min(safeSeq, this.#syncedSeq) + 1);
      this.#syncFailedAt = this.#count('history-recovered');
    };
    const env: ClientEnv = {
      truth: this.#truth,
      tally: this.#tally,
      trace: this.trace,
      violations: this.#violations,
    };
    this.#clients = Array.from({ length: LEAST.clients + random.below(3) }, (_, index) => {
      const choice = index === 0 ? EVERY : random.pick(FILTERS);
      const client = new SimulatedClient(`client ${index}`, FORMATS[index % FORMATS.length]!, choice.shows, env);
      this.#choices.set(client, choice);
      return client;
    });
    this.#senders = ['p1', 'p2'].map((name) => new SimulatedSender(name, { ...env, look: () => this.#world.look() }));
    const weigh = (): number => 0.2 + random.next();
    this.#actions = [
      [random.pick([15, 40, 80]) * weigh(), () => this.#step()],
      [3 * weigh(), () => this.#send()],
      [2 * weigh(), () => this.#record()],
      [3 * weigh(), () => this.#connect()],
      [0.5 * weigh(), () => this.#leave()],
      [1.5 * weigh(), () => this.#block()],
      [2 * weigh(), () => this.#unblock()],
      [1.5 * weigh(), () => this.#tick()],
      [1.5 * weigh(), () => this.#turnClock()],
      [0.4 * weigh(), () => this.#describe()],
      [0.35 * weigh(), () => this.#breakDown()],
      [0.5 * weigh(), () => this.#breakDisk()],
      [0.6 * weigh(), () => this.#endActor()],
    ];
  }

  async run(): Promise<SimulationReport> {
    this.trace.add(
      `${this.#durability}, files of ${this.#fileBytes}, limits ${JSON.stringify(this.#limits)}, memory ${this.#memoryBytes}`,
    );
    await this.#start('orderly');
    for (let steps = 0; !this.#isEnough; steps += 1) {
      assert.ok(steps < MOST_STEPS, 'it never comes to what it is for');
      await this.#act();
      this.#check();
    }
    await this.#finish();
    const { hash, lines } = this.trace;
    return { hash, tally: this.#tally, events: this.#truth.headSeq, trace: lines };
  }

  get #isEnough(): boolean {
    return this.#sent >= LEAST.events && this.#tally.faults >= LEAST.faults;
  }

  async #act(): Promise<void> {
    const total = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.#random.next() * total;
    for (const [weight, action] of this.#actions) {
      left -= weight;
      if (left >= 0) continue;
      await action();
      break;
    }
    this.#world.look();
    if (this.#disk.hasCrashed) {
      this.#tally.add('crash within a write');
      await this.#crash(this.#random.chance(0.3) ? 'power loss' : 'process crash');
    }
  }

  // The service's lives

  /** @param end how the last life ended */
  async #start(end: EndOfLife): Promise<void> {
    const recovered = await this.#recover();
    const { epochs, headSeq, truncatedBytes } = recovered;
    if (recovered.epochs.at(-1)!.firstSeq > 1 && end === 'orderly') this.trace.add(JSON.stringify(recovered.epochs));
    this.trace.add(`begins behind ${epochs.at(-1)!.epoch}-${headSeq}, ${truncatedBytes} bytes cut off`);
    if (truncatedBytes > 0) this.#tally.add('torn tail cut off');
    if (epochs.length > 1 && epochs.at(-1)!.firstSeq === headSeq + 1) this.#tally.add('new epoch after a loss');
    const isDurable = this.#durability !== 'memory';
    this.#truth.restart(end, recovered, isDurable ? scanDisk(this.#disk, epochs) : new Map());
    this.#recovering = undefined;
    // What is unreadable may have been a description and no event.
    if (isDurable && !hasHoles(this.#disk) && this.#containers.compare(recovered))
      this.#tally.add('container state restored');
    this.#disk.onChange = () => {};
    this.#syncFailedAt = -1;
    this.#hasCollectorDied = false;
    this.#mayBeUnheard = false;
    this.#syncedSeq = end === 'process crash' ? Math.min(this.#syncedSeq, headSeq) : headSeq;
    try {
      this.#daemon = new Daemon({
        shards: this.#shards,
        limits: { ...this.#limits, bytes: this.#memoryBytes },
        segmentBytes: 0,
        rings: RINGS,
        clientRows: 16,
        clock: this.#clock,
        recovered,
        alsoReady: () => (this.#syncsNewestFirst ? this.#disk.syncs.slice(-1) : this.#disk.syncs),
        onEvent: (event) => {
          if (this.#disk.hasCrashed) return;
          this.#truth.append(event, this.#isDiskInDoubt);
        },
        ...(this.#durability === 'memory'
          ? {}
          : {
              history: {
                disk: this.#disk,
                durability: this.#durability,
                boot: `boot ${this.#boot}`,
                limits: this.#limits,
                fileBytes: this.#fileBytes,
                fileAgeSec: this.#fileAgeSec,
                newEpoch: () => this.#newEpoch(),
              },
            }),
      });
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      this.#disk.restart();
      return this.#start('process crash');
    }
    this.#disk.onChange = () => this.#world.look();
    this.#senders.forEach((sender, index) => sender.connect(this.#daemon.publishers[index]!));
    await settled();
  }

  /** Until it is not interrupted. */
  async #recover(): Promise<Recovered> {
    if (this.#durability === 'memory') return newLog(this.#newEpoch());
    const disk = this.#disk;
    for (;;) {
      if (this.#random.chance(0.1)) disk.fuse = this.#random.below(4);
      try {
        const recovered = recoverHistory(disk, {
          crc32,
          boot: `boot ${this.#boot}`,
          newEpoch: () => this.#newEpoch(),
        });
        // Until the truth is told, it knows of events that are gone.
        this.#recovering = recovered;
        await this.#whileSyncing(secureHistory(disk, recovered));
        disk.fuse = -1;
        return recovered;
      } catch (error) {
        if (!(error instanceof Crashed)) throw error;
        this.#tally.add('crash within recovery');
        disk.restart();
      }
    }
  }

  async #whileSyncing(work: Promise<void>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    done.catch(() => {});
    for (await settled(); !isDone; await settled()) this.#disk.syncs[0]?.();
    await done;
  }

  #newEpoch(): Epoch {
    this.#epochs += 1;
    return makeEpoch(new Uint8Array([this.#epochs & 31, this.#epochs >> 5, 3, 4, 5, 6, 7, 8]));
  }

  get #world(): World {
    return this.#daemon.world;
  }

  async #crash(end: EndOfLife): Promise<void> {
    this.trace.add(end);
    this.#endLife();
    if (end === 'power loss') {
      this.#boot += 1;
      this.#tally.add('power loss');
      this.#disk.losePower(this.#random);
    } else {
      this.#tally.add('process crash');
      this.#disk.restart();
    }
    await this.#start(end);
  }

  #endLife(): void {
    this.#disk.onChange = () => {};
    const { counters } = this.#world;
    const { segmentsDropped, pagesServed, historyFilesRemoved } = counters.values;
    for (const { type } of this.#world.reports.messages) {
      if (type === 'history-failed') this.#tally.add('history failed');
      if (type === 'history-recovered') this.#tally.add('history written again');
    }
    const { shardEpochs } = this.#world;
    this.#tally.add('new epoch in memory', shardEpochs[0]!.spans.length - this.#daemon.recovered.epochs.length);
    this.#tally.add('segment dropped', segmentsDropped);
    this.#tally.add('page read', pagesServed);
    this.#tally.add('file removed', historyFilesRemoved);
    for (const client of this.#clients) client.disconnect('crash', this.#random.below(4));
    for (const sender of this.#senders) sender.disconnect();
  }

  /** Everything that was accepted is delivered, and the history says that nothing is missing. */
  async #restart(): Promise<void> {
    this.trace.add('orderly end');
    this.#tally.add('orderly restart');
    this.#isEnding = true;
    const world = this.#world;
    const wasFailing = world.logState.isHistoryFailed;
    const failures = this.#count('history-failed');
    world.receiveSeal();
    const { shards } = world;
    await this.#rest(
      () => shards.every((shard) => shard.isSealed) && !this.#clients.some((client) => client.isConnected),
    );
    let isClosed = false;
    void world.collector.closed().then(() => {
      isClosed = true;
    });
    // Then the process is gone, whatever else was on its way.
    await settled();
    while (!isClosed && !this.#disk.hasCrashed && (await this.#stepped()));
    this.#isEnding = false;
    if (this.#disk.hasCrashed) return;
    assert.ok(isClosed, 'the history is never closed');
    for (const client of this.#clients)
      assert.ok(!client.isConnected, `${client.name} is still connected behind the end of the log`);
    const isOrderly = !wasFailing && !this.#mayBeUnheard && this.#count('history-failed') === failures;
    const hasPower = this.#random.chance(0.6);
    this.#endLife();
    if (hasPower) this.#disk.restart();
    else {
      this.#tally.add('power loss after an orderly end');
      this.#boot += 1;
      this.#disk.losePower(this.#random);
    }
    const interruptions = this.#tally.count('crash within recovery');
    await this.#start(isOrderly ? 'orderly' : hasPower ? 'process crash' : 'power loss');
    if (!isOrderly || this.#durability === 'memory') return;
    if (this.#tally.count('crash within recovery') > interruptions) return;
    assert.ok(this.#daemon.recovered.wasClosed, 'an orderly end is not recognised');
    assert.equal(this.#daemon.recovered.truncatedBytes, 0);
  }

  #count(report: HistoryNotice['type']): number {
    return this.#world.reports.messages.filter(({ type }) => type === report).length;
  }

  /** What is written now may be on the medium, or not: a sync has failed, and the log goes on in the same file until it hears of it. */
  get #isDiskInDoubt(): boolean {
    if (this.#durability !== 'async') return false;
    return this.#world.logState.isHistoryFailed || this.#count('history-recovered') === this.#syncFailedAt;
  }

  // What happens in one

  async #step(): Promise<void> {
    this.#syncSteps = this.#disk.syncs.length > 0 ? this.#syncSteps + 1 : 0;
    if (this.#syncSteps === SLOW_STEPS) this.#tally.add('slow sync');
    await this.#world.step((count) => {
      const picked = this.#random.below(count);
      this.trace.add(`${count} ${picked}`);
      return picked;
    });
  }

  #send(): void {
    const random = this.#random;
    const count = 1 + random.below(random.pick([4, 12, 40]));
    this.#sent += random.pick(this.#senders).send(count, (args) => this.#event(args));
  }

  #event(args: string): NewEvent {
    const random = this.#random;
    const isImage = random.chance(0.2);
    return {
      type: isImage ? 'image' : 'container',
      action: random.pick(['start', 'die']),
      id: random.pick(CONTAINERS),
      args,
      ...(random.chance(0.05) ? { attributes: { large: 'x'.repeat(random.below(8_000)) } } : {}),
      ...(random.chance(0.1) ? { time: addNanos(this.#clock.time, random.below(6 * SECOND)) } : {}),
    };
  }

  #record(): void {
    const random = this.#random;
    for (let count = 1 + random.below(8); count > 0; count -= 1) {
      this.#records += 1;
      const isStop = random.chance(0.5);
      const args = `f/${this.#records}`;
      const pid = isStop ? random.pick([this.#spec, this.#spec, 7]) : this.#spec;
      const exitCode = isStop ? random.below(3) : 0;
      if (isStop) this.#containers.stops(args, pid, exitCode);
      const value = isStop ? STATE_STOPPED : STATE_START;
      const written = this.#daemon.write({ name: random.pick(CONTAINERS), args, value, pid, exitCode });
      if (written) this.#sent += 1;
    }
  }

  /** What is known of a container changes: its label tells which change was the last. */
  async #describe(): Promise<void> {
    const { world } = this.#daemon;
    this.#spec += 1;
    const id = this.#random.pick(CONTAINERS);
    this.#containers.put(id, this.#spec);
    world.describe(id, { name: `name-${id}`, pid: this.#spec, labels: { v: String(this.#spec) } });
    await settled();
  }

  async #connect(): Promise<void> {
    const random = this.#random;
    const client = random.pick(this.#clients);
    if (client.isConnected || this.#isEnding) return;
    const { filter, name } = this.#choices.get(client)!;
    const isLasting = random.chance(0.7);
    const start = this.#startOf(client);
    const subscription: Subscription = {
      ...EVERYTHING,
      filter,
      ...(name ? { name } : {}),
      format: client.format,
      start,
      ...(!isLasting && random.chance(0.5) ? { until: this.#time() } : {}),
      follow: isLasting || random.chance(0.5),
      lagLimit: random.chance(0.1) ? 20 : 0,
      heartbeatMs: random.chance(0.3) ? 1000 : 0,
    };
    this.#tellResume(client, start);
    const shard = random.below(this.#shards);
    this.#shardOf.set(client, shard);
    client.connect(this.#world, shard, subscription, {
      tellsGaps: random.chance(0.9),
      isFull: random.chance(0.2),
      heldWrites: random.chance(0.3) ? 1 + random.below(4) : 0,
    });
    await settled();
  }

  #tellResume(client: SimulatedClient, { from }: StartPosition): void {
    if (from !== 'cursor') return;
    this.#tally.add(client.wasInLife(this.#world) ? 'resumed within a life' : 'resumed in another life');
  }

  #startOf(client: SimulatedClient): StartPosition {
    const random = this.#random;
    if (client.cursor && random.chance(0.95)) return { from: 'cursor', cursor: client.cursor };
    switch (random.below(4)) {
      case 0:
        return { from: 'live' };
      case 1:
        return { from: 'recent', count: random.below(100) };
      case 2:
        return { from: 'time', time: this.#time() };
      default:
        return { from: 'time', time: { sec: 0, nanos: 0 } };
    }
  }

  /** At, just before or just behind an event, or some time around now. */
  #time(): Timestamp {
    const random = this.#random;
    const event = this.#truth.at(1 + random.below(this.#truth.headSeq + 1));
    if (event && random.chance(0.7)) return addNanos(event.time, random.below(3));
    return addNanos(this.#clock.time, random.below(4 * SECOND));
  }

  #someone(): SimulatedClient | undefined {
    const open = this.#clients.filter(({ sink }) => sink?.handle);
    return open[this.#random.below(open.length)];
  }

  #leave(): void {
    const random = this.#random;
    const client = this.#someone();
    switch (random.below(3)) {
      case 0:
        this.#tally.add('client vanished', client ? 1 : 0);
        return client?.disconnect('left', random.below(6));
      case 1:
        this.#tally.add('client cancelled', client ? 1 : 0);
        return client?.disconnect('cancelled');
      default:
        this.#tally.add('broken sink', client ? 1 : 0);
        return client?.disconnect('broken');
    }
  }

  #block(): void {
    const { sink } = this.#someone() ?? {};
    if (!sink) return;
    this.#tally.add('socket full');
    sink.isFull = true;
  }

  #unblock(): void {
    const { sink } = this.#someone() ?? {};
    if (this.#random.chance(0.5)) sink?.resume();
    else sink?.takeOne();
  }

  async #tick(): Promise<void> {
    const { world } = this.#daemon;
    const { shards, checker, buffer } = world;
    const tick = this.#random.pick([
      () => checker.tick(),
      () => buffer.tick(),
      () => shards.forEach((shard) => shard.tick()),
    ]);
    tick();
    await settled();
  }

  #turnClock(): void {
    if (this.#random.chance(0.1)) {
      this.#tally.add('clock stepped back');
      const { sec, nanos } = this.#clock.time;
      this.#clock.time = { sec: sec - 1 - this.#random.below(3), nanos };
      return;
    }
    this.#clock.advance(this.#random.pick([1, 1000, SECOND / 2, 2 * SECOND]));
  }

  // Faults

  async #breakDown(): Promise<void> {
    const random = this.#random;
    switch (random.below(4)) {
      case 0:
        return this.#crash('process crash');
      case 1:
        return this.#crash('power loss');
      case 2:
        return this.#restart();
      default:
        this.#disk.fuse = random.below(4);
    }
  }

  /** The thread of an actor dies; the process does not. */
  async #endActor(): Promise<void> {
    const random = this.#random;
    const world = this.#world;
    switch (random.below(4)) {
      case 0: {
        this.#tally.add('buffer died');
        this.trace.add('the buffer dies');
        world.restartBuffer();
        return settled();
      }
      case 1: {
        const shard = random.below(this.#shards);
        this.#tally.add('shard died');
        this.trace.add(`shard ${shard} dies`);
        for (const client of this.#clients)
          if (this.#shardOf.get(client) === shard) client.disconnect('crash', random.below(4));
        world.restartShard(shard);
        return settled();
      }
      default:
        if (world.isCollectorDead) return;
        this.#tally.add('collector died');
        this.trace.add('the collector is about to die');
        this.#hasCollectorDied = true;
        world.armCollector(1 + random.below(random.pick([10, 60, 200])));
    }
  }

  #breakDisk(): void {
    const random = this.#random;
    const disk = this.#disk;
    if (this.#durability === 'memory') return;
    switch (random.below(5)) {
      case 0:
        if (!disk.isFull) this.#tally.add('disk full');
        this.trace.add('disk full');
        disk.isFull = true;
        return;
      case 1:
      case 2:
        disk.isFull = false;
        return;
      case 3:
        disk.failsNextSync = true;
        return;
      default:
        return this.#flip();
    }
  }

  /** Only what is written no more: what is being written is checked before it is built upon. */
  #flip(): void {
    const random = this.#random;
    const disk = this.#disk;
    const name = random.pick(disk.oldFiles);
    if (!name || random.chance(0.7)) return;
    const before = seqsOnDisk(disk, name);
    // Behind the file's header, which has a test of its own.
    const from = 64 * 8;
    const bits = disk.size(name) * 8 - from;
    if (bits <= 0) return;
    disk.flip(name, from + random.below(bits));
    const after = new Set(seqsOnDisk(disk, name));
    for (const seq of before) if (!after.has(seq)) this.#truth.damaged(seq);
    this.trace.add(`a bit of ${name} flips`);
    this.#tally.add('bit flipped');
  }

  /** Promises that were broken to whoever cannot throw. */
  #check(): void {
    if (this.#violations.length > 0) throw this.#violations[0];
  }

  // The end

  /** Faults stop: everything drains, and what is left of the log is what everybody was told. */
  async #finish(): Promise<void> {
    this.trace.add('faults stop');
    this.#disk.failsNextSync = false;
    this.#disk.fuse = -1;
    if (this.#disk.isFull) {
      this.#tally.add('read while the disk was full');
      await this.#readAll();
      this.#disk.isFull = false;
    }
    await this.#rest();
    for (const sender of this.#senders) {
      sender.send(1, (args) => this.#event(args));
      await this.#rest();
      assert.ok(!sender.isBusy, `${sender.name} is never answered`);
    }
    this.#checkBounds();
    for (const client of this.#clients) client.checkAtRest();
    this.#check();
    await this.#restart();
    await this.#rest();
    await this.#readAll();
  }

  /** Nothing is on its way any more, and everybody has read what there is; or something that is waited for has come. */
  async #rest(hasCome: () => boolean = () => false): Promise<void> {
    for (let steps = 0; ; steps += 1) {
      assert.ok(steps < MOST_STEPS, 'the pipeline does not come to rest');
      if (this.#disk.hasCrashed || hasCome()) return;
      if (steps === 20) this.#disk.isFull = false;
      if (await this.#stepped()) continue;
      const blocked = this.#clients.filter(({ sink }) => sink?.isBlocked || sink?.isFull);
      if (blocked.length === 0) return;
      for (const { sink } of blocked) {
        if (this.#random.chance(0.5)) sink?.resume();
        else sink?.takeOne();
      }
      await settled();
    }
  }

  async #stepped(): Promise<boolean> {
    const { world } = this.#daemon;
    const goesOn = await world.step((count) => this.#random.below(count));
    this.#check();
    return goesOn;
  }

  #checkBounds(): void {
    const { logState, buffer } = this.#world;
    buffer.tick();
    const { headSeq, oldestSeq } = logState;
    const { events, bytes } = this.#limits;
    if (events > 0) assert.ok(headSeq + 1 - oldestSeq <= events, `${headSeq + 1 - oldestSeq} events are kept`);
    // The newest, and the one that the last commit may have been about, are kept whatever the limits say.
    const inMemory = this.#world.segmentsKept * 65_600;
    assert.ok(inMemory <= Math.max(this.#memoryBytes, 2 * 65_600), `${inMemory} bytes of segments are kept`);
    if (bytes === 0 || this.#durability === 'memory') return;
    const sizes = this.#disk
      .list()
      .filter((name) => name.endsWith('.log'))
      .map((name) => this.#disk.size(name));
    const onDisk = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(
      onDisk <= bytes || sizes.length === 1,
      `${onDisk} bytes of history in ${sizes.length} files: ${this.#disk.list().join(' ')}`,
    );
  }

  /** A client that asks for everything gets everything that there is. */
  async #readAll(): Promise<void> {
    const env: ClientEnv = {
      truth: this.#truth,
      tally: this.#tally,
      trace: this.trace,
      violations: this.#violations,
    };
    const reader = new SimulatedClient('reader', 'json-plain', () => true, env);
    const start: StartPosition = { from: 'time', time: { sec: 0, nanos: 0 } };
    const subscription: Subscription = { ...EVERYTHING, format: 'json-plain', start, follow: false };
    reader.connect(this.#world, 0, subscription, { tellsGaps: true, isFull: false, heldWrites: 0 });
    await settled();
    for (let steps = 0; reader.isConnected && steps < MOST_STEPS_OF_A_READER; steps += 1)
      if (!(await this.#stepped())) break;
    assert.ok(!reader.isConnected, 'whoever does not follow ends');
  }
}
