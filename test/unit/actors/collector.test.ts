import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Collector } from '../../../src/actors/collector.ts';
import type { PublishIntake } from '../../../src/actors/publish-intake.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import { packBatchHead } from '../../../src/codec/publish-batch.ts';
import type { ContainerSpec, NewEvent, TocsinEvent } from '../../../src/event/event.ts';
import { parseFilterTerm, type Term } from '../../../src/event/filter.ts';
import { newLog } from '../../../src/history/recovery.ts';
import { LogReader } from '../../../src/history/log-reader.ts';
import type { LogNotice } from '../../../src/messages/collector.ts';
import { CommitJournal } from '../../../src/messages/commit-journal.ts';
import { IntakeRing } from '../../../src/messages/intake-ring.ts';
import { EVENT, FLAG_NO_SECRET, FLAG_REPLACED_UTF8 } from '../../../src/messages/layout.ts';
import { LogState } from '../../../src/messages/log-state.ts';
import type { MonitoredCommand } from '../../../src/messages/monitored.ts';
import { PublishRing } from '../../../src/messages/publish-ring.ts';
import { CounterTable, ManualClock, ManualDefer, MemoryOutbox } from '../../support/actors.ts';
import { BASE_SEC, EPOCH, EPOCHS } from '../../support/log.ts';
import { packEvent } from '../../support/packed.ts';
import { monitorRecord, type RecordParts } from '../../support/records.ts';

const STOPPED = 1;
const OOM = 9;
const START = 11;
const KILL = 18;
const ID = 'a'.repeat(64);

/** A collector with its rings, one reader of its log and everything that it tells. */
class Bench {
  readonly ring = new IntakeRing(IntakeRing.allocate());
  readonly published = new PublishRing(PublishRing.allocate());
  readonly logState = new LogState(LogState.allocate());
  readonly readers = [new MemoryOutbox<LogNotice>(), new MemoryOutbox<LogNotice>()];
  readonly monitored = new MemoryOutbox<MonitoredCommand>();
  readonly counters = new CounterTable();
  readonly clock = new ManualClock();
  readonly deferred = new ManualDefer();
  readonly collector: Collector;
  readonly #reader = new LogReader(this.logState.memory, 0, 0);
  #isBusy = false;

  constructor(options: { unknownContainers?: 'pass' | 'drop'; segmentBytes?: number } = {}) {
    this.collector = new Collector({
      ring: this.ring,
      published: this.published,
      publisher: { post: () => {} },
      logState: this.logState,
      readers: this.readers,
      bufferEvery: 1,
      monitored: this.monitored,
      counters: this.counters.writer,
      clock: this.clock,
      defer: this.deferred.defer,
      later: (_, task) => this.deferred.defer(task),
      main: { post: () => {} },
      epochs: EPOCHS,
      journal: new CommitJournal(CommitJournal.allocate({})),
      lastSegment: undefined,
      known: newLog(EPOCH),
      openHistory: undefined,
      segmentBytes: options.segmentBytes ?? 256 * 1024,
      unknownContainers: options.unknownContainers ?? 'pass',
    });
  }

  /** Writes records into the ring as `monitored` does, and wakes the collector if it sleeps. */
  record(...all: readonly RecordParts[]): void {
    let isWoken = false;
    for (const parts of all) {
      assert.ok(this.ring.contiguousFree > 0, 'the ring is full');
      this.ring.bytes.set(monitorRecord(parts), this.ring.writeOffset);
      isWoken = this.ring.commit(1) || isWoken;
    }
    if (isWoken && !this.#isBusy) this.collector.receive({ type: 'records-available' });
  }

  publish(...events: readonly NewEvent[]): void {
    let isWoken = false;
    for (const event of events) {
      const outcome = this.published.offer(packEvent(event));
      assert.notEqual(outcome, 'full');
      isWoken = outcome === 'wake' || isWoken;
    }
    if (isWoken && !this.#isBusy) this.collector.receive({ type: 'records-available' });
  }

  /** What an engine tells. */
  tell(...events: readonly NewEvent[]): void {
    const head = packBatchHead({ requestId: 1, events: events.length, origin: { source: 'docker' } });
    assert.equal(this.published.offer(head, Buffer.concat(events.map(packEvent))), 'wake');
    this.collector.receive({ type: 'records-available' });
  }

  /** Puts records into the rings without waking the collector: they have come while it was busy. */
  queue(write: () => void): void {
    this.#isBusy = true;
    write();
    this.#isBusy = false;
  }

  /** The events that were committed since the last call. */
  events(): TocsinEvent[] {
    return this.#take((view) => view.toEvent(EPOCHS));
  }

  flags(): number[] {
    return this.#take((view) => view.half(EVENT.FLAGS));
  }

  #take<Result>(read: (view: EventView) => Result): Result[] {
    for (const notice of this.readers[0]?.take() ?? []) {
      if (notice.type === 'segment-opened') this.#reader.open(notice.memory);
    }
    const results: Result[] = [];
    for (let run = this.#reader.take(); run; run = this.#reader.take()) {
      const view = new EventView(run.segment.memory);
      for (view.at = run.from; view.at < run.to; view.at += view.byteLength) results.push(read(view));
    }
    return results;
  }

  put(id: string, spec: ContainerSpec = {}): void {
    this.collector.putContainer(id, spec);
  }

  resolve(name: string): string | undefined {
    const { id, error } = this.collector.answer({ type: 'resolve-container', requestId: 1, name });
    return id ?? error?.code;
  }
}

const EVENT_OF_C1: NewEvent = { type: 'container', action: 'pause', id: 'c1' };

function records(count: number): RecordParts[] {
  return Array.from({ length: count }, (_, index) => ({ name: `fifo${index}` }));
}

function publications(count: number): NewEvent[] {
  return Array.from({ length: count }, (_, index) => ({ ...EVENT_OF_C1, id: `lib${index}` }));
}

describe('Collector: the log', () => {
  it('numbers events from 1 without holes, each later than the one before', () => {
    const bench = new Bench();
    bench.record({}, { value: KILL });
    bench.clock.advance(10);
    bench.publish(EVENT_OF_C1);
    const events = bench.events();
    assert.deepEqual(
      events.map(({ seq, timeNano }) => [seq, Number(timeNano.slice(-9))]),
      [
        [1, 0],
        [2, 1],
        [3, 10],
      ],
    );
    assert.equal(bench.logState.headSeq, 3);
    assert.equal(bench.counters.values.events, 3);
    assert.equal(bench.counters.values.published, 1);
  });

  it('wakes each reader that sleeps once, and no other', () => {
    const bench = new Bench();
    const [buffer, shard] = bench.readers as [MemoryOutbox<LogNotice>, MemoryOutbox<LogNotice>];
    assert.deepEqual(
      [buffer, shard].map((reader) => reader.take().map(({ type }) => type)),
      [['segment-opened'], ['segment-opened']],
    );
    Atomics.store(bench.logState.asleep, 1, 1);
    bench.record({});
    bench.record({});
    assert.deepEqual(buffer.take(), []);
    assert.deepEqual(shard.take(), [{ type: 'appended' }]);
  });

  it('goes on in a new segment when one is full and announces it after the last commit', () => {
    const bench = new Bench({ segmentBytes: 4096 });
    const long = 'x'.repeat(250);
    bench.record(...Array.from({ length: 600 }, () => ({ value: 14, args: long })));
    bench.deferred.runAll();
    const opened = bench.readers[1]?.messages.filter(({ type }) => type === 'segment-opened');
    assert.ok((opened?.length ?? 0) > 2);
    assert.deepEqual(
      bench.events().map(({ seq }) => seq),
      Array.from({ length: 600 }, (_, index) => index + 1),
    );
    assert.equal(bench.counters.values.segmentsOpened, opened?.length);
  });

  it('takes a published event of the largest size', () => {
    const bench = new Bench({ segmentBytes: 4096 });
    bench.publish({ ...EVENT_OF_C1, args: 'x'.repeat(65_000) }, { ...EVENT_OF_C1, args: 'y'.repeat(65_000) });
    assert.deepEqual(
      bench.events().map(({ args }) => args?.length),
      [65_000, 65_000],
    );
  });

  it('gives released slots back to a sleeping monitored', () => {
    const bench = new Bench();
    bench.record({});
    assert.deepEqual(bench.monitored.take(), []);
    bench.queue(() => {
      while (bench.ring.contiguousFree > 0) bench.record({});
    });
    while (bench.ring.contiguousFree > 0) bench.ring.commit(bench.ring.contiguousFree);
    assert.equal(bench.ring.sleepUntilFree(), true);
    bench.collector.receive({ type: 'records-available' });
    assert.deepEqual(bench.monitored.take(), [{ type: 'slots-freed' }]);
  });

  it('counts records of the other two types and makes no event of them', () => {
    const bench = new Bench();
    bench.record({ type: 1 }, { type: 2 }, {});
    assert.equal(bench.events().length, 1);
    assert.equal(bench.counters.values.recordsIgnored, 2);
  });
});

describe('Collector: publishers of other threads', () => {
  const CONNECTED = 64;

  it('are 64 at a time, besides main and what reads engines', () => {
    const { collector } = new Bench();
    const publisher = { post: () => {} };
    const ring = (): PublishRing => new PublishRing(PublishRing.allocate(64 * 1024));
    collector.openIntake(ring(), publisher);
    const connect = (): PublishIntake => collector.connectIntake(ring(), publisher);
    const [first] = Array.from({ length: CONNECTED }, connect);
    assert.throws(connect, { code: 'ERR_CLIENTS_EXHAUSTED' });
    collector.closeIntake(first!);
    connect();
    assert.throws(connect, { code: 'ERR_CLIENTS_EXHAUSTED' });
  });
});

describe('Collector: fairness', () => {
  it('takes both intakes in turn, so that a flood of publications does not hold the FIFO up', () => {
    const bench = new Bench();
    bench.queue(() => {
      bench.publish(...publications(3000));
      bench.record(...records(600));
    });
    bench.collector.receive({ type: 'records-available' });
    bench.deferred.runAll();
    const ids = bench.events().map(({ id }) => id);
    assert.equal(ids.length, 3600);
    assert.ok(ids.lastIndexOf('fifo599') < 600 + 3 * 256, 'the FIFO got its turns');
    assert.deepEqual(
      ids.filter((id) => id.startsWith('fifo')),
      records(600).map(({ name }) => name),
    );
    assert.deepEqual(
      ids.filter((id) => id.startsWith('lib')),
      publications(3000).map(({ id }) => id),
    );
  });

  it('takes both intakes in turn, so that a flood of records does not hold publications up', () => {
    const bench = new Bench();
    bench.queue(() => {
      bench.record(...records(2000));
      bench.publish(...publications(300));
    });
    bench.collector.receive({ type: 'records-available' });
    bench.deferred.runAll();
    const ids = bench.events().map(({ id }) => id);
    assert.ok(ids.indexOf('lib299') < 300 + 2 * 256, 'the publisher got its turns');
  });

  it('lets messages in between two batches', () => {
    const bench = new Bench();
    bench.queue(() => bench.record(...records(2000)));
    bench.collector.receive({ type: 'records-available' });
    assert.equal(bench.logState.headSeq, 1024);
    assert.equal(bench.deferred.tasks.length, 1);
    bench.put('fifo1500', { image: 'busybox' });
    bench.deferred.runAll();
    assert.deepEqual(bench.events()[1500]?.attributes, { image: 'busybox' });
  });
});

describe('Collector: time', () => {
  it('keeps a publisher\u2019s own time', () => {
    const bench = new Bench();
    bench.publish({ ...EVENT_OF_C1, time: { sec: 1_600_000_000, nanos: 5 } });
    const [event] = bench.events();
    assert.equal(event?.timeNano, '1600000000000000005');
    assert.equal(bench.counters.values.timesBumped, 0);
  });

  it('moves a publisher\u2019s time that would break the order, and keeps the original beside it', () => {
    const bench = new Bench();
    bench.record({});
    bench.publish({ ...EVENT_OF_C1, time: { sec: 1_600_000_000, nanos: 5 } }, EVENT_OF_C1);
    const memory = bench.readers[1]?.messages[0];
    assert.ok(memory?.type === 'segment-opened');
    const view = new EventView(memory.memory);
    view.at = 64;
    const sources: number[][] = [];
    for (let left = 3; left > 0; left -= 1) {
      const word = view.at >> 2;
      sources.push([view.words[word + EVENT.SOURCE_SEC / 4] ?? 0, view.words[word + EVENT.SOURCE_NANOS / 4] ?? 0]);
      view.at += view.byteLength;
    }
    assert.deepEqual(sources, [
      [0, 0],
      [1_600_000_000, 5],
      [0, 0],
    ]);
    assert.equal(bench.counters.values.timesBumped, 1);
    assert.deepEqual(
      bench.events().map(({ timeNano }) => timeNano),
      [0, 1, 2].map((nanos) => `${BASE_SEC}00000000${nanos}`),
    );
  });

  it('gives a time mark when it is asked for one, which all later events are later than', () => {
    const bench = new Bench();
    bench.record({});
    bench.clock.advance(500);
    bench.collector.receive({ type: 'prompt-time-mark' });
    const mark = { type: 'time-mark', sec: BASE_SEC, nanos: 500, seq: 1 };
    for (const reader of bench.readers) assert.deepEqual(reader.messages.at(-1), mark);
    assert.equal(bench.counters.values.timeMarks, 1);
    bench.record({});
    assert.equal(bench.events().at(-1)?.timeNano, `${BASE_SEC}000000501`);
  });
});

describe('Collector: containers', () => {
  it('shows what an engine said about the container, found by id, name or unique prefix', () => {
    const bench = new Bench();
    bench.put(ID, { name: 'web', image: 'nginx', pid: 9007, labels: { app: 'shop' } });
    bench.record({ name: ID }, { name: 'web' }, { name: 'aaaa' });
    for (const event of bench.events()) {
      assert.equal(event.id, ID);
      assert.equal(event.pid, 9007);
      assert.deepEqual(event.attributes, { image: 'nginx', name: 'web', app: 'shop' });
    }
    assert.equal(bench.counters.values.unknownContainers, 0);
  });

  it('shows a container that nobody described by the record alone, and counts it', () => {
    const bench = new Bench();
    bench.record({ name: 'ghost', pid: 77, value: STOPPED, exitCode: 3, extra: 'a=b' });
    const [event] = bench.events();
    assert.equal(event?.id, 'ghost');
    assert.equal(event?.pid, 77);
    assert.equal(event?.exitCode, 3);
    assert.deepEqual(event?.attributes, { a: 'b' });
    assert.equal(bench.counters.values.unknownContainers, 1);
  });

  it('drops such events where the operator wants that, counts them, and leaves no hole', () => {
    const bench = new Bench({ unknownContainers: 'drop' });
    bench.put('c1');
    bench.record({ name: 'ghost' }, { name: 'c1' }, { name: 'ghost' }, { eventType: 1, value: 2, name: 'busybox' });
    assert.deepEqual(
      bench.events().map(({ seq, id }) => [seq, id]),
      [
        [1, 'c1'],
        [2, 'busybox'],
      ],
    );
    assert.equal(bench.counters.values.unknownDropped, 2);
    assert.equal(bench.counters.values.unknownContainers, 0);
  });

  it('does not list containers whose events it drops', () => {
    const bench = new Bench({ unknownContainers: 'drop' });
    bench.record({ name: 'ghost' });
    assert.deepEqual(bench.collector.containers(), []);
  });

  it('uses a description from the next record on, and drops it with the container', () => {
    const bench = new Bench();
    bench.record({});
    bench.put('c1', { image: 'one' });
    bench.record({});
    bench.put('c1', { image: 'two', name: 'web' });
    bench.record({});
    assert.equal(bench.collector.removeContainer('c1'), true);
    assert.equal(bench.collector.removeContainer('c1'), false);
    assert.deepEqual(
      bench.events().map(({ attributes }) => attributes),
      [{}, { image: 'one' }, { image: 'two', name: 'web' }],
    );
  });

  it('still shows what it knows of a removed container: its last events come late', () => {
    const bench = new Bench();
    bench.put('c1', { image: 'busybox', name: 'web', pid: 5 });
    bench.collector.removeContainer('c1');
    bench.record({ value: STOPPED, exitCode: 2, pid: 5 });
    const [event] = bench.events();
    assert.deepEqual(event?.attributes, { image: 'busybox', name: 'web' });
    assert.equal(event?.exitCode, 2);
  });

  it('refuses a description that it cannot keep', () => {
    const bench = new Bench();
    for (const [id, spec] of [
      ['', {}],
      ['json', {}],
      ['c1', { pid: -1 }],
      ['c1', { labels: { a: 1 } }],
      ['c1', { colour: 'red' }],
    ] as const) {
      assert.throws(() => bench.put(id, spec as ContainerSpec), { code: 'ERR_CONTAINER_INVALID' });
    }
    assert.deepEqual(bench.collector.containers(), []);
  });

  it('says what it knows about each container', () => {
    const bench = new Bench();
    bench.put('c1', { name: 'web', image: 'nginx', pid: 5, labels: { a: 'b' } });
    bench.record({ name: 'c1', value: STOPPED, pid: 5, exitCode: 3 }, { name: 'ghost' });
    assert.deepEqual(bench.collector.containers(), [
      { id: 'c1', name: 'web', image: 'nginx', labels: { a: 'b' }, exitCode: 3, known: true, removed: false },
      { id: 'ghost', running: true, known: false, removed: false },
    ]);
  });

  it('tells shards of those that an engine has described and not removed', () => {
    const bench = new Bench();
    for (const id of ['c1', 'c2']) bench.put(id, { name: id });
    bench.collector.removeContainer('c2');
    bench.record({ name: 'ghost' });
    const reply = bench.collector.answer({ type: 'list-containers', requestId: 7 });
    assert.deepEqual(reply, {
      type: 'containers-listed',
      requestId: 7,
      containers: [{ id: 'c1', name: 'c1', known: true, removed: false }],
    });
  });

  it('counts labels that give way to a built-in attribute', () => {
    const bench = new Bench();
    bench.put('c1', { labels: { image: 'evil' } });
    bench.record({});
    assert.deepEqual(bench.events()[0]?.attributes, {});
    assert.equal(bench.counters.values.attributesShadowed, 1);
  });

  it('marks what cannot hold a secret, wherever in an event one could stand', () => {
    const bench = new Bench();
    bench.put('plain', { name: 'auth', image: 'token:1', labels: { tier: 'front' } });
    bench.put('secret', { labels: { 'db.password': 'x' } });
    bench.record(
      { name: 'plain', value: 14, args: 'ls -l', extra: 'tier=back' },
      { name: 'plain', value: 14, args: 'tool --token x' },
      { name: 'plain', extra: 'pwd=x' },
      { name: 'plain', extra: 'tier=http://me:x@host' },
      { name: 'secret' },
    );
    const { action } = EVENT_OF_C1;
    bench.publish(
      {
        ...EVENT_OF_C1,
        args: 'ls -l',
        attributes: { name: 'auth', image: 'token:1', execID: 'key', url: 'http://x/y' },
      },
      { ...EVENT_OF_C1, action: `${action}: --token x` },
      { ...EVENT_OF_C1, args: '--token x' },
      { ...EVENT_OF_C1, attributes: { name: 'web', 'api-key': 'x' } },
      { ...EVENT_OF_C1, attributes: { url: 'http://me:x@host' } },
    );
    const isPlain = bench.flags().map((flags) => (flags & FLAG_NO_SECRET) !== 0);
    assert.deepEqual(isPlain, [true, false, false, false, false, true, false, false, false, false]);
  });

  it('folds what was mended in records into the counters', () => {
    const bench = new Bench();
    bench.record({ extra: 'nonsense' }, { extra: 'pid=1' }, { value: 14, args: Uint8Array.of(0xff) });
    const { extraDropped, attributesShadowed, utf8Replaced } = bench.counters.values;
    assert.deepEqual([extraDropped, attributesShadowed, utf8Replaced], [1, 1, 1]);
  });

  it('replaces, flags and counts invalid UTF-8 in the name of a container or image', () => {
    const name = Uint8Array.of(0x63, 0xff, 0x31);
    for (const parts of [{ name }, { name, eventType: 1, value: 2 }]) {
      const bench = new Bench();
      bench.record(parts);
      assert.deepEqual(bench.flags(), [FLAG_REPLACED_UTF8 | FLAG_NO_SECRET]);
      assert.equal(bench.counters.values.utf8Replaced, 1);
    }
  });

  it('counts an event with invalid UTF-8 once, wherever and how often it has some', () => {
    const bad = Uint8Array.of(0x61, 0xff);
    const bench = new Bench();
    bench.record({ name: bad, value: 14, args: bad, extra: Uint8Array.of(0x61, 0x3d, 0xff) });
    assert.equal(bench.counters.values.utf8Replaced, 1);
  });

  it('does not count a replacement character that the sender wrote itself', () => {
    const bench = new Bench();
    bench.record({ name: 'c\ufffd' });
    assert.equal(bench.events()[0]?.id, 'c\ufffd');
    assert.equal(bench.counters.values.utf8Replaced, 0);
  });
});

describe('Collector: containers that an engine tells of', () => {
  const event = (
    action: string,
    attributes: Readonly<Record<string, string>>,
    more: Partial<NewEvent> = {},
  ): NewEvent => ({
    type: 'container',
    action,
    id: ID,
    attributes: { image: 'bb:1', name: 'web', ...attributes },
    ...more,
  });
  const shown = (bench: Bench): unknown => bench.collector.containers()[0];

  it('are known by name, image and labels from the event on, and shown with what others tell of them', () => {
    const bench = new Bench();
    bench.tell(event('create', { tier: 'front' }));
    const known = { id: ID, name: 'web', image: 'bb:1', labels: { tier: 'front' }, known: true, removed: false };
    assert.deepEqual(shown(bench), known);
    bench.record({ name: 'web', value: KILL });
    const [, kill] = bench.events();
    assert.deepEqual([kill?.id, kill?.attributes], [ID, { image: 'bb:1', name: 'web', tier: 'front' }]);
  });

  it('change as their events say, and take nothing for a label that is the event\u2019s own', () => {
    const bench = new Bench();
    bench.tell(event('create', { tier: 'front' }), event('start', { tier: 'front' }));
    bench.tell(
      event('rename', { name: 'web2', oldName: '/web', tier: 'front' }),
      event('kill', { name: 'web2', signal: '9' }),
    );
    bench.tell(event('die', { name: 'web2', tier: 'front' }, { exitCode: 137 }));
    const known = { id: ID, name: 'web2', image: 'bb:1', labels: { tier: 'front' }, known: true, removed: false };
    assert.deepEqual(shown(bench), { ...known, exitCode: 137 });
    bench.tell(event('start', { name: 'web2', tier: 'front', containerExitCode: '0', podId: '' }));
    assert.deepEqual(shown(bench), { ...known, running: true });
    bench.tell(event('destroy', { name: 'web2', tier: 'front' }));
    assert.deepEqual(shown(bench), { ...known, removed: true });
  });

  it('keep the pid that they were described with', () => {
    const bench = new Bench();
    bench.put(ID, { name: 'web', image: 'bb:1', pid: 7 });
    bench.tell(event('rename', { name: 'web2', oldName: '/web' }));
    assert.deepEqual(shown(bench), {
      id: ID,
      name: 'web2',
      image: 'bb:1',
      pid: 7,
      running: true,
      known: true,
      removed: false,
    });
  });

  it('are known without their description, and counted, when that is too long', () => {
    const bench = new Bench();
    const long = { long: 'x'.repeat(20_000) };
    bench.tell(event('create', long));
    assert.deepEqual(
      [bench.collector.containers(), bench.events().length],
      [[{ id: ID, known: true, removed: false }], 1],
    );
    bench.tell(event('kill', {}), event('start', long));
    assert.deepEqual(shown(bench), { id: ID, name: 'web', image: 'bb:1', running: true, known: true, removed: false });
    assert.equal(bench.counters.values.containersUndescribed, 2);
    bench.tell(event('start', {}, { id: 'json' }));
    assert.equal(bench.collector.containers().length, 1);
  });

  it('run until they end, paused or not, with an exit code that is not known where none is told', () => {
    const bench = new Bench();
    const states: unknown[] = [];
    for (const action of ['start', 'pause', 'unpause', 'pause', 'die', 'pause', 'start']) {
      bench.tell(event(action, {}));
      const { running = false, paused = false, exitCode = 0 } = bench.collector.containers()[0]!;
      states.push([action, running, paused, exitCode]);
    }
    assert.deepEqual(states, [
      ['start', true, false, 0],
      ['pause', true, true, 0],
      ['unpause', true, false, 0],
      ['pause', true, true, 0],
      ['die', false, false, 125],
      ['pause', true, true, 0],
      ['start', true, false, 0],
    ]);
  });

  it('are none of what publishers tell, nor of other objects', () => {
    const bench = new Bench();
    bench.publish(event('create', {}));
    bench.tell(event('create', {}, { type: 'image' }), event('prune', {}, { id: '' }));
    assert.deepEqual(bench.collector.containers(), []);
  });
});

describe('Collector: states', () => {
  function after(...parts: readonly RecordParts[]) {
    const bench = new Bench();
    bench.put('c1', { pid: 9007 });
    bench.record(...parts);
    return { event: bench.events().at(-1), counters: bench.counters.values, bench };
  }

  it('shows pid and exit code with STOPPED and clears the pid behind it', () => {
    const stop = { value: STOPPED, pid: 9007, exitCode: 137 };
    assert.deepEqual([after(stop).event?.pid, after(stop).event?.exitCode], [9007, 137]);
    const { event } = after(stop, { value: KILL });
    assert.deepEqual([event?.pid, event?.exitCode], [undefined, 137]);
  });

  it('remembers 125 for a STOPPED without exit code and nothing for a good end', () => {
    const stop = { value: STOPPED, pid: 9007 };
    assert.equal(after({ ...stop, exitCode: -1 }, { value: KILL }).event?.exitCode, 125);
    assert.equal(after({ ...stop, exitCode: 0 }, { value: KILL }).event?.exitCode, undefined);
  });

  it('changes nothing for a STOPPED of another process, and counts it', () => {
    for (const pid of [1234, -1, 0]) {
      const { event, counters } = after({ value: STOPPED, pid, exitCode: 1 }, { value: KILL });
      assert.deepEqual([event?.pid, event?.exitCode], [9007, undefined]);
      assert.equal(counters.staleStops, 1);
    }
  });

  it('changes nothing for a second STOPPED of the same process', () => {
    const stop = { value: STOPPED, pid: 9007, exitCode: 137 };
    const { event, counters } = after(stop, { ...stop, exitCode: 1 }, { value: KILL });
    assert.equal(event?.exitCode, 137);
    assert.equal(counters.staleStops, 1);
  });

  it('resets the exit code with START', () => {
    const stop = { value: STOPPED, pid: 9007, exitCode: 137 };
    assert.equal(after(stop, { value: START }, { value: KILL }).event?.exitCode, undefined);
  });

  it('shows no exit code with START itself: iSulad sends it when the new run has begun', () => {
    const stop = { value: STOPPED, pid: 9007, exitCode: 137 };
    assert.equal(after(stop, { value: START }).event?.exitCode, undefined);
  });

  it('changes nothing with any other state', () => {
    const others = Array.from({ length: 29 }, (_, value) => value).filter((value) => value !== STOPPED);
    for (const value of others) {
      const { event } = after({ value, pid: 1, exitCode: 5 }, { value: KILL });
      assert.deepEqual([event?.pid, event?.exitCode], [9007, undefined], String(value));
    }
    assert.equal(after({ value: OOM }, { value: KILL }).counters.staleStops, 0);
  });

  it('keeps no state of a container that nobody described', () => {
    const bench = new Bench();
    bench.record({ name: 'ghost', value: STOPPED, pid: 7, exitCode: 137 }, { name: 'ghost', value: KILL });
    const event = bench.events().at(-1);
    assert.deepEqual([event?.pid, event?.exitCode], [undefined, undefined]);
    assert.equal(bench.counters.values.staleStops, 0);
  });

  it('has a new process from the next description on and keeps the exit code until START', () => {
    const { bench } = after({ value: STOPPED, pid: 9007, exitCode: 137 });
    bench.put('c1', { pid: 9100 });
    bench.record({ value: KILL });
    const event = bench.events().at(-1);
    assert.deepEqual([event?.pid, event?.exitCode], [9100, 137]);
  });

  it('does the same when many records come at once', () => {
    const bench = new Bench();
    bench.put('c1', { pid: 1 });
    bench.put('c2', { pid: 2 });
    const life = (name: string, pid: number): RecordParts[] => [
      { name, value: KILL },
      { name, value: STOPPED, pid, exitCode: pid },
      { name, value: KILL },
      { name, value: START },
      { name, value: KILL },
    ];
    const ofStart = 3;
    bench.record(...life('c1', 1), ...life('c2', 2));
    const shown = bench.events().filter((_, index) => index % 5 !== ofStart);
    assert.deepEqual(
      shown.map(({ pid, exitCode }) => [pid, exitCode]),
      [1, 2].flatMap((pid) => [
        [pid, undefined],
        [pid, pid],
        [undefined, pid],
        [undefined, undefined],
      ]),
    );
  });
});

describe('Collector: which container a client means', () => {
  it('takes an exact id before a name, a name before a prefix', () => {
    const bench = new Bench();
    bench.put('abc', { name: 'other' });
    bench.put('xyz', { name: 'abc' });
    bench.put('abcdef', { name: 'ab' });
    assert.equal(bench.resolve('abc'), 'abc');
    assert.equal(bench.resolve('ab'), 'abcdef');
    assert.equal(bench.resolve('abcd'), 'abcdef');
    assert.equal(bench.resolve('x'), 'xyz');
  });

  it('lists the ids that an ambiguous prefix fits', () => {
    const bench = new Bench();
    for (let index = 0; index < 12; index += 1) bench.put(`abc${index.toString(36)}`);
    const { error } = bench.collector.answer({ type: 'resolve-container', requestId: 5, name: 'abc' });
    assert.equal(error?.code, 'ERR_CONTAINER_AMBIGUOUS');
    assert.match(error?.message ?? '', /abc0, abc1, abc2/);
    assert.match(error?.message ?? '', /12 ids/);
  });

  it('takes a name to its present owner, else to the one of that name that was removed last', () => {
    const bench = new Bench();
    bench.put('one', { name: 'web' });
    bench.collector.removeContainer('one');
    bench.put('two', { name: 'web' });
    assert.equal(bench.resolve('web'), 'two');
    bench.collector.removeContainer('two');
    assert.equal(bench.resolve('web'), 'two');
    bench.put('three', { name: 'shop' });
    bench.collector.removeContainer('three');
    bench.put('one', { name: 'web' });
    bench.collector.removeContainer('one');
    assert.equal(bench.resolve('web'), 'one');
    assert.equal(bench.resolve('shop'), 'three');
  });

  it('finds a removed container by its id and by a unique prefix of it', () => {
    const bench = new Bench();
    bench.put(ID, { name: 'web' });
    bench.collector.removeContainer(ID);
    assert.equal(bench.resolve(ID), ID);
    assert.equal(bench.resolve('aaa'), ID);
  });

  it('finds a container that only events named', () => {
    const bench = new Bench();
    bench.record({ name: 'ghost' });
    assert.equal(bench.resolve('ghost'), 'ghost');
    assert.equal(bench.resolve('gh'), 'ghost');
  });

  it('prefers the present owner of a name to one that events merely called so', () => {
    const bench = new Bench();
    bench.record({ name: 'web' });
    bench.put('c1', { name: 'web' });
    const reply = bench.collector.answer({ type: 'resolve-container', requestId: 1, name: 'web' });
    assert.deepEqual(reply, { type: 'container-resolved', requestId: 1, id: 'c1' });
  });

  it('follows a new name', () => {
    const bench = new Bench();
    bench.put('one', { name: 'old' });
    bench.put('one', { name: 'new' });
    assert.equal(bench.resolve('new'), 'one');
    assert.equal(bench.resolve('old'), 'ERR_CONTAINER_UNKNOWN');
  });

  it('knows, for whoever is limited, no other containers than those', () => {
    const bench = new Bench();
    const limit = ['type=container', 'label=team=web'].map(parseFilterTerm);
    const ask = (name: string, within?: readonly Term[]): unknown => {
      const { id, error } = bench.collector.answer({ type: 'resolve-container', requestId: 1, name, limit: within });
      return id ?? error?.message;
    };
    const labels = { team: 'web' };
    bench.put('abc1', { name: 'one', labels });
    bench.put('abc2', { name: 'two', labels: { team: 'db' } });
    bench.put('abc3', { name: 'one', labels: { team: 'db' } });
    bench.put('b4', { name: 'old', labels });
    bench.collector.removeContainer('b4');
    bench.put('b5', { name: 'old', labels: { team: 'db' } });
    bench.collector.removeContainer('b5');
    bench.put('proto');
    bench.record({ name: 'ghost' });
    assert.equal(ask('abc', limit), 'abc1', 'a prefix is unique among those');
    assert.equal(ask('one', limit), 'abc1', 'the name is had by one of those');
    assert.equal(ask('one'), 'abc3');
    assert.equal(ask('old', limit), 'b4', 'removed last among those');
    assert.equal(ask('old'), 'b5');
    for (const name of ['abc2', 'two', 'abc3', 'b5', 'proto', 'ghost', 'nobody'])
      assert.equal(ask(name, limit), `No such container: ${name}`);
    const list = (within?: readonly Term[]): string[] => {
      const reply = bench.collector.answer({ type: 'list-containers', requestId: 1, limit: within });
      assert.ok(reply.type === 'containers-listed');
      return reply.containers.map(({ id }) => id);
    };
    assert.deepEqual(list(limit), ['abc1']);
    assert.deepEqual(list(), ['abc1', 'abc2', 'abc3', 'proto']);
    for (const other of ['type=image', 'namespace=prod', 'label=constructor', 'label=pid', 'label=team=w'])
      assert.deepEqual(list([parseFilterTerm(other)]), [], other);
    for (const same of ['type=container', 'label=name=one', 'label=team=d*'])
      assert.ok(list([parseFilterTerm(same)]).includes('abc3'), same);
  });

  it('says so when there is none', () => {
    const bench = new Bench();
    const reply = bench.collector.answer({ type: 'resolve-container', requestId: 5, name: 'nobody' });
    assert.equal(reply.requestId, 5);
    assert.equal(reply.error?.code, 'ERR_CONTAINER_UNKNOWN');
    assert.equal(reply.error?.message, 'No such container: nobody');
  });
});

describe('Collector: what it forgets', () => {
  /** A log that is long enough for the table to be looked over at the next commit. */
  function longLog(prepare: (bench: Bench) => void): Bench {
    const bench = new Bench({ segmentBytes: 64 * 1024 });
    prepare(bench);
    for (let batch = 0; batch < 17; batch += 1) {
      bench.record(...Array.from({ length: 1000 }, () => ({ eventType: 1, value: 2, name: 'busybox' })));
      bench.deferred.runAll();
    }
    bench.logState.oldestSeq = 16_900;
    return bench;
  }

  it('forgets removed containers and those that only events named, once no retained event names them', () => {
    const bench = longLog((young) => {
      for (const id of ['gone', 'back', 'kept']) young.put(id, { name: `name-${id}` });
      young.record({ name: 'gone' }, { name: 'back' }, { name: 'ghost' });
      young.collector.removeContainer('gone');
      young.collector.removeContainer('back');
    });
    bench.put('late');
    bench.record({ name: 'late' }, { name: 'phantom' });
    bench.collector.removeContainer('late');
    bench.put('back');
    bench.record({ eventType: 1, value: 2 });
    for (const name of ['gone', 'name-gone', 'ghost']) assert.equal(bench.resolve(name), 'ERR_CONTAINER_UNKNOWN', name);
    for (const name of ['kept', 'back', 'late', 'phantom']) assert.equal(bench.resolve(name), name);
  });

  it('forgets no container whose event is being appended just then', () => {
    const bench = longLog(() => {});
    const ghosts = Array.from({ length: 900 }, (_, index) => ({ name: `ghost${index}x` }));
    bench.record(...ghosts);
    bench.deferred.runAll();
    assert.deepEqual(
      ghosts.filter(({ name }) => bench.resolve(name) !== name),
      [],
    );
  });
});

describe('Collector: the end', () => {
  it('numbers everything that is in the rings before it seals the log', () => {
    const bench = new Bench();
    bench.queue(() => {
      bench.record(...records(2000));
      bench.publish(...publications(1500));
    });
    bench.collector.receive({ type: 'seal' });
    assert.equal(
      bench.readers[1]?.messages.some(({ type }) => type === 'sealed'),
      false,
    );
    bench.deferred.runAll();
    for (const reader of bench.readers) assert.deepEqual(reader.messages.at(-1), { type: 'sealed', seq: 3500 });
    assert.equal(bench.events().length, 3500);
  });

  it('seals an empty log at 0, and once', () => {
    const bench = new Bench();
    bench.collector.receive({ type: 'seal' });
    bench.collector.receive({ type: 'seal' });
    bench.deferred.runAll();
    const sealed = bench.readers[0]?.messages.filter(({ type }) => type === 'sealed');
    assert.deepEqual(sealed, [{ type: 'sealed', seq: 0 }]);
  });

  it('appends nothing and marks no time behind the end', () => {
    const bench = new Bench();
    bench.record({});
    bench.collector.receive({ type: 'seal' });
    bench.record({});
    bench.collector.receive({ type: 'records-available' });
    bench.collector.receive({ type: 'prompt-time-mark' });
    bench.deferred.runAll();
    assert.equal(bench.events().length, 1);
    assert.equal(bench.logState.headSeq, 1);
    assert.deepEqual(bench.readers[1]?.messages.at(-1), { type: 'sealed', seq: 1 });
  });
});
