import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ListedContainer } from '../../../src/messages/engine-source.ts';
import { EngineModel, type ModelEvent } from '../../support/engine-model.ts';
import { engineLine } from '../../support/engine-memory.ts';
import { settled, SourceBench, timeOf } from '../../support/source-bench.ts';

/** Longer than a connection needs to settle, shorter than anything else that is waited for. */
const SETTLE_MS = 10_000;

const web = (more: Partial<ListedContainer> = {}): ListedContainer => ({
  id: 'w1',
  name: 'web',
  image: 'bb:1',
  labels: { tier: 'front' },
  isRunning: false,
  isPaused: false,
  ...more,
});

let lineNumber = 0;
/** An event of the container `w1`. */
function line(action: string, attributes: Readonly<Record<string, string>> = {}): string {
  lineNumber += 1;
  const { sec, nanos } = timeOf(lineNumber);
  const actor = JSON.stringify({ ID: 'w1', Attributes: { image: 'bb:1', name: 'web', ...attributes } });
  const nano = `${sec}${String(nanos).padStart(9, '0')}`;
  return `{"Type":"container","Action":"${action}","Actor":${actor},"scope":"local","time":${sec},"timeNano":${nano}}\n`;
}

/** A connection that has settled: the list has been asked for. */
async function settle(bench: SourceBench): Promise<void> {
  if (!bench.isListening) bench.pass(SETTLE_MS);
  bench.open();
  bench.pass(SETTLE_MS);
  await settled();
}

/** The engine says what is there, and the source compares it. */
async function list(bench: SourceBench, ...containers: readonly ListedContainer[]): Promise<void> {
  for (const asked of bench.lists.splice(0)) asked.resolve(containers);
  await settled();
  bench.pass(SETTLE_MS);
  await settled();
}

/** What became of the synthetic events since this was asked last. */
async function found(bench: SourceBench, ...containers: readonly ListedContainer[]): Promise<string[]> {
  const before = bench.synthetic.length;
  await settle(bench);
  await list(bench, ...containers);
  return bench.synthetic.slice(before);
}

describe('EngineSource: the containers that its engine has', () => {
  it('tells what was there before it first listened, as if it had happened now', async () => {
    const bench = new SourceBench();
    bench.clock.time = { sec: 1_800_000_000, nanos: 5 };
    const stopped = web({ id: 's1', name: 'old', labels: {} });
    const paused = web({ id: 'p1', name: 'held', isRunning: true, isPaused: true });
    assert.deepEqual(await found(bench, web({ isRunning: true }), stopped, paused), [
      'create w1',
      'start w1',
      'create s1',
      'create p1',
      'start p1',
      'pause p1',
    ]);
    const [create, start] = bench.log.flatMap((entry) => ('synthetic' in entry ? [entry.event] : []));
    assert.deepEqual(create, {
      type: 'container',
      action: 'create',
      id: 'w1',
      source: 'docker',
      attributes: { image: 'bb:1', name: 'web', tier: 'front' },
      time: { sec: 1_800_000_000, nanos: 5 },
    });
    assert.deepEqual(start?.time, { sec: 1_800_000_000, nanos: 6 });
    assert.equal(bench.counters.values.sourceSynthetic, 6);
  });

  it('tells nothing of containers that are as the log knows them, in any connection and in any process', async () => {
    const bench = new SourceBench();
    const containers = [web({ isRunning: true, isPaused: true }), web({ id: 's1', name: 'old' })];
    assert.equal((await found(bench, ...containers)).length, 4);
    bench.cut();
    assert.deepEqual(await found(bench, ...containers), []);
    bench.crash(0);
    assert.deepEqual(await found(bench, ...containers), []);
    assert.deepEqual(bench.gaps, []);
  });

  it('tells each thing that has changed without an event', async () => {
    const bench = new SourceBench();
    await found(bench, web());
    const steps: readonly (readonly [ListedContainer | undefined, readonly string[]])[] = [
      [web({ isRunning: true }), ['start w1']],
      [web({ isRunning: true, isPaused: true }), ['pause w1']],
      [web({ isRunning: true }), ['unpause w1']],
      [web({ isRunning: true, name: 'web2' }), ['rename w1']],
      [web({ name: 'web2' }), ['die w1']],
      [web({ name: 'web2', isRunning: true, isPaused: true }), ['start w1', 'pause w1']],
      [web({ name: 'web2' }), ['die w1']],
      [web({ name: 'web2', isRunning: true }), ['start w1']],
      [undefined, ['die w1', 'destroy w1']],
      [web(), ['create w1']],
    ];
    for (const [container, expected] of steps) {
      bench.cut();
      assert.deepEqual(await found(bench, ...(container ? [container] : [])), expected);
    }
    const rename = bench.log
      .flatMap((entry) => ('synthetic' in entry ? [entry.event] : []))
      .find(({ action }) => action === 'rename');
    assert.deepEqual(rename?.attributes, { image: 'bb:1', name: 'web2', oldName: '/web', tier: 'front' });
  });

  it('leaves to an event what it tells while the list is on its way, before it or behind it', async () => {
    const bench = new SourceBench();
    await found(bench, web());
    // The event comes before the list, which is older.
    bench.cut();
    await settle(bench);
    bench.send(line('start'));
    await list(bench, web());
    assert.deepEqual(bench.synthetic, ['create w1']);
    // The list comes first.
    bench.cut();
    await settle(bench);
    for (const asked of bench.lists.splice(0)) asked.resolve([]);
    await settled();
    bench.send(line('die') + line('destroy'));
    bench.pass(SETTLE_MS);
    await settled();
    assert.deepEqual(bench.synthetic, ['create w1']);
    assert.deepEqual(
      [...bench.containers.list()].map(({ removed }) => removed),
      [true],
    );
  });

  it('tells of a change that the events around the list say nothing of', async () => {
    const bench = new SourceBench();
    await found(bench, web());
    bench.cut();
    await settle(bench);
    bench.send(line('exec_create: ls', { execID: 'e1' }));
    await list(bench, web({ isRunning: true }));
    assert.deepEqual(bench.synthetic, ['create w1', 'start w1']);
  });

  it('compares behind a gap, whose events come first', async () => {
    const bench = new SourceBench();
    bench.clock.time = timeOf(3);
    bench.memory.add(engineLine(1));
    await found(bench, web({ id: 'c1', isRunning: true }));
    bench.cut();
    bench.memory.forget();
    bench.clock.time = timeOf(5000);
    assert.deepEqual(await found(bench), ['die c1', 'destroy c1']);
    assert.deepEqual(bench.log.slice(1), [{ from: timeOf(1), to: timeOf(5000) }, ...bench.log.slice(-2)]);
  });

  it('puts what it finds behind the newest event, and moves none', async () => {
    const bench = new SourceBench();
    await settle(bench);
    const asked = bench.clock.time;
    bench.clock.time = timeOf(900);
    bench.emit(900, true);
    await list(bench, web(), web({ id: 'c4', isRunning: true }));
    const times = bench.log.flatMap((entry) => ('synthetic' in entry ? [entry.event.time] : []));
    const { sec, nanos } = timeOf(900);
    assert.deepEqual(times, [{ sec, nanos: nanos + 1 }]);
    assert.ok(asked.sec <= sec);
  });

  it('asks again a minute later when the engine does not say what it has, and tells the operator once', async () => {
    const bench = new SourceBench();
    for (let turn = 0; turn < 3; turn += 1) {
      if (turn === 0) await settle(bench);
      assert.equal(bench.lists.length, 1);
      for (const asked of bench.lists.splice(0)) asked.reject(new Error('docker.sock answered 403: "no"'));
      await settled();
      assert.deepEqual(new Set(bench.timers.map(({ ms }) => ms)), new Set([30_000, 60_000]));
      const again = bench.timers.find(({ ms }) => ms === 60_000)!;
      bench.timers = bench.timers.filter((timer) => timer !== again);
      again.task();
      await settled();
    }
    assert.deepEqual(
      bench.said.take().map(({ message }) => message),
      ['source docker: docker.sock answered 403: "no"; its containers are not compared with what is known of them'],
    );
    assert.equal(bench.counters.values.sourceListsFailed, 3);
    await list(bench, web());
    assert.deepEqual(bench.synthetic, ['create w1']);
  });

  it('forgets a list whose connection is gone', async () => {
    const bench = new SourceBench();
    await settle(bench);
    for (const asked of bench.lists.splice(0)) asked.resolve([web()]);
    await settled();
    bench.cut();
    bench.pass(SETTLE_MS);
    await settled();
    assert.deepEqual(bench.synthetic, []);
    assert.deepEqual(await found(bench, web()), ['create w1']);
  });

  it('brings the log to what is there, and tells nothing that was told or is yet to come, whatever ends when', async () => {
    const step = fc.oneof(
      { weight: 10, arbitrary: fc.record({ do: fc.constant('act' as const), choice: fc.nat(2 ** 16) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constant('tell' as const), choice: fc.constant(0) }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'crash' as const), choice: fc.nat(40) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'reboot' as const), choice: fc.nat(1) }),
      },
      {
        weight: 9,
        arbitrary: fc.record({ do: fc.constantFrom('open', 'settle', 'list', 'compare', 'answer'), choice: fc.nat(1) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('flood' as const), choice: fc.integer({ min: 200, max: 400 }) }),
      },
    );
    const seen = { synthetic: 0, gaps: 0, crashes: 0, compared: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), fc.boolean(), async (steps, isQuick) => {
        const world = new World(isQuick);
        for (const { do: what, choice } of steps) await world.do(what, choice);
        for (const what of ['tell', 'open', 'settle', 'list', 'compare']) await world.do(what, 0);
        for (let turn = 0; turn < 20; turn += 1) await world.do('answer', 0);
        assert.deepEqual(stateOf(world.bench), new Map(world.model.list().map((one) => [one.id, wordsOf(one)])));
        seen.synthetic += world.bench.synthetic.length;
        seen.gaps += world.bench.gaps.length;
        seen.crashes += world.crashes;
        seen.compared += world.compared;
      }),
      { numRuns: 400, seed: 21 },
    );
    assert.ok(
      seen.synthetic > 400 && seen.gaps > 50 && seen.crashes > 300 && seen.compared > 500,
      JSON.stringify(seen),
    );
  });
});

/** An engine whose containers do things, and whose events come some time after that. */
class World {
  readonly bench = new SourceBench();
  readonly model = new EngineModel();
  crashes = 0;
  compared = 0;
  /** What has happened and was not told yet. */
  #untold: ModelEvent[] = [];
  #isOpen = false;
  /** Everything up to here is in the list that came last. */
  #listed = 0;
  /** By container: what a synthetic event told may be told no more by these events of the engine. */
  readonly #covered = new Map<string, number>();
  #checked = 0;

  /** @param isQuick the log takes everything at once */
  constructor(isQuick: boolean) {
    this.bench.isQuick = isQuick;
  }

  async do(what: string, choice: number): Promise<void> {
    const { bench, model } = this;
    if (what === 'act') this.#untold.push(...model.act(choice));
    if (what === 'flood') {
      for (let left = choice; left > 0; left -= 1) this.#untold.push(...model.act(left * 7919));
      this.#tell();
    }
    if (what === 'tell') this.#tell();
    if (what === 'restart' || what === 'reboot') {
      this.#cut();
      this.#untold = [];
      bench.memory.forget();
      if (what === 'reboot') model.reboot();
    }
    if (what === 'cut') this.#cut();
    if (what === 'crash') {
      bench.crash(choice);
      this.#isOpen = false;
      this.crashes += 1;
    }
    if (what === 'open' && !this.#isOpen) {
      bench.pass(SETTLE_MS);
      bench.open();
      this.#isOpen = bench.isListening;
    }
    if (what === 'settle' || what === 'compare') this.#settle();
    if (what === 'list') {
      this.#listed = model.step;
      for (const asked of bench.lists.splice(0)) asked.resolve(model.list());
    }
    if (what === 'answer') await bench.answer();
    await settled();
    this.#check();
  }

  #tell(): void {
    const { bench } = this;
    for (const { step, line: text } of this.#untold.splice(0)) {
      bench.clock.time = timeOf(step + 1);
      bench.memory.add(text);
      if (this.#isOpen) bench.send(text);
    }
  }

  #cut(): void {
    this.bench.cut();
    this.#isOpen = false;
  }

  /** Some seconds pass: what has happened is told by now. */
  #settle(): void {
    this.#tell();
    this.bench.pass(SETTLE_MS);
    this.compared += 1;
  }

  /** No event of the engine tells again what a synthetic one told. */
  #check(): void {
    const { log } = this.bench;
    for (; this.#checked < log.length; this.#checked += 1) {
      const entry = log[this.#checked]!;
      // Of one that waited for the log, it is not known which list it came of.
      if ('synthetic' in entry && this.bench.isQuick) this.#covered.set(entry.event.id, this.#listed);
      else if ('n' in entry) {
        const id = this.bench.idOf(entry.n);
        assert.ok(entry.n > (this.#covered.get(id) ?? 0), `event ${entry.n} of ${id} comes behind a list that has it`);
      }
    }
    assert.equal(new Set(this.bench.numbers).size, this.bench.numbers.length);
  }
}

const wordsOf = ({ name, isRunning, isPaused }: Pick<ListedContainer, 'name' | 'isRunning' | 'isPaused'>): string =>
  `${name} ${isRunning} ${isPaused}`;

/** The containers as the log has them. */
function stateOf(bench: SourceBench): Map<string, string> {
  const present = bench.containers.list().filter(({ removed }) => !removed);
  return new Map(
    present.map(({ id, name = '', running = false, paused = false }) => [
      id,
      wordsOf({ name, isRunning: running, isPaused: paused }),
    ]),
  );
}
