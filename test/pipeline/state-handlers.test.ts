import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPipeline, type NewEvent, type Pipeline, type StateHandlers, type TocsinEvent } from '../../src/index.ts';
import { waitFor } from '../support/daemon.ts';

const CONTAINERS = 1_000;
const PER_CONTAINER = 10;

/** Event `n` of container `id`: stopped and out of memory in turn. */
function stop(id: number, n: number): NewEvent {
  return { type: 'container', action: n % 2 === 0 ? 'die' : 'oom', id: `c${id}`, attributes: { n: String(n) } };
}

async function publishAll(pipeline: Pipeline, events: readonly NewEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 500) await pipeline.publishDurable(events.slice(from, from + 500));
}

function done({ stats }: StateHandlers): number {
  return stats.handled + stats.failed + stats.dropped;
}

describe('state handlers', () => {
  it('keep the order of each of 1,000 containers, whatever slow, failing and hanging ones among them do', async () => {
    const pipeline = await createPipeline({ historyEvents: 100_000 });
    const began = new Map<string, number[]>();
    const running = new Set<string>();
    const errors = new Map<string, number>();
    const handlers = await pipeline.handleStates({
      timeoutMs: 2_000,
      concurrency: 64,
      async handle(event, { signal }) {
        assert.ok(!running.has(event.id), `two calls of ${event.id} at once`);
        running.add(event.id);
        began.set(event.id, [...(began.get(event.id) ?? []), Number(event.attributes['n'])]);
        const kind = Number(event.id.slice(1)) % 100;
        // Of a hundred containers one hangs for ever, five are slow and five throw.
        if (kind === 0) return new Promise(() => assert.ok(!signal.aborted));
        if (kind <= 5) await new Promise((resolve) => setTimeout(resolve, 2));
        running.delete(event.id);
        if (kind > 5 && kind <= 10) throw new Error('no');
      },
      onError: ({ code }) => errors.set(code, (errors.get(code) ?? 0) + 1),
    });
    const events: NewEvent[] = [];
    for (let n = 0; n < PER_CONTAINER; n += 1) for (let id = 0; id < CONTAINERS; id += 1) events.push(stop(id, n));
    await publishAll(pipeline, [{ type: 'container', action: 'start', id: 'c1' }, ...events]);

    const hung = CONTAINERS / 100;
    await waitFor(
      () => handlers.stats.held === hung && done(handlers) === events.length - hung * PER_CONTAINER,
      'the calls',
    );
    const { stats } = handlers;
    console.log(`# handlers ${JSON.stringify(stats)}`);
    const failing = 5 * hung * PER_CONTAINER;
    assert.deepEqual(stats, {
      handled: events.length - hung * PER_CONTAINER - failing,
      failed: failing,
      timedOut: hung,
      dropped: 0,
      missed: 0,
      waiting: hung * (PER_CONTAINER - 1),
      held: hung,
    });
    assert.deepEqual(Object.fromEntries(errors), { ERR_HANDLER_FAILED: failing, ERR_HANDLER_TIMEOUT: hung });
    const inOrder = Array.from({ length: PER_CONTAINER }, (_, n) => n);
    for (const [id, calls] of began) assert.deepEqual(calls, Number(id.slice(1)) % 100 === 0 ? [0] : inOrder, id);
    const { counters } = pipeline.stats();
    assert.deepEqual(
      [counters.handlersRun, counters.handlersFailed, counters.handlersTimedOut],
      [stats.handled, failing, hung],
    );
    // The first call of all hangs: nothing may be taken for done with.
    assert.equal(handlers.cursor, `${pipeline.epoch}-0`);
    await handlers.close();
    await pipeline.close();
  });

  it('begin again with what was not done with', async () => {
    const pipeline = await createPipeline({ threads: 'inline' });
    const first: string[] = [];
    const one = await pipeline.handleStates({
      handle: ({ id }) => {
        first.push(id);
        return id === 'c2' ? new Promise<void>(() => {}) : undefined;
      },
    });
    await publishAll(
      pipeline,
      [1, 2, 3, 4].map((id) => stop(id, 0)),
    );
    await waitFor(() => one.stats.handled === 3, 'three calls');
    const { cursor } = one;
    assert.equal(cursor, `${pipeline.epoch}-1`);
    await one.close();
    const second: TocsinEvent[] = [];
    const two = await pipeline.handleStates({ after: cursor, handle: (event) => void second.push(event) });
    await waitFor(() => second.length === 3, 'the others');
    assert.deepEqual(
      second.map(({ seq }) => seq),
      [2, 3, 4],
    );
    await waitFor(() => two.cursor === `${pipeline.epoch}-4`, 'the end of the log');
    await pipeline.close();
  });

  it('hold only the container whose call took too long, and let it go on when that comes back', async () => {
    const pipeline = await createPipeline({ threads: 'inline' });
    const calls: string[] = [];
    let release: () => void = () => {};
    let reason: unknown;
    const handlers = await pipeline.handleStates({
      timeoutMs: 20,
      concurrency: 1,
      async handle({ id, attributes }, { signal }) {
        calls.push(`${id}.${attributes['n']}`);
        if (id !== 'c1' || attributes['n'] !== '0') return;
        await new Promise<void>((resolve) => (release = resolve));
        reason = signal.reason;
      },
    });
    await publishAll(pipeline, [stop(1, 0), stop(1, 1), stop(2, 0)]);
    await waitFor(() => calls.includes('c2.0'), 'the other container');
    assert.deepEqual([calls, handlers.stats.held], [['c1.0', 'c2.0'], 1]);
    release();
    await waitFor(() => calls.includes('c1.1'), 'the container that was held');
    assert.equal((reason as { code: string }).code, 'ERR_HANDLER_TIMEOUT');
    assert.equal(handlers.stats.held, 0);
    await pipeline.close();
    assert.deepEqual(await handlers.finished(), undefined);
  });

  it('finish what was accepted when the pipeline closes, and abort what does not end', async () => {
    const pipeline = await createPipeline({ threads: 'inline', drainTimeout: 200 });
    let aborted = false;
    let handled = 0;
    await pipeline.handleStates({
      async handle({ id }, { signal }) {
        if (id !== 'c0') return void (handled += 1);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        aborted = true;
      },
    });
    await publishAll(
      pipeline,
      [0, 1, 2, 3].map((id) => stop(id, 0)),
    );
    await pipeline.close();
    await waitFor(() => aborted, 'the abort');
    assert.equal(handled, 3);
  });

  it('keep no process alive with a call that does not end', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const pipeline = await createPipeline({ threads: 'inline', drainTimeout: 100 });
    let isCalled = false;
    await pipeline.handleStates({
      handle() {
        isCalled = true;
        return new Promise(() => {});
      },
    });
    await publishAll(pipeline, [stop(0, 0)]);
    await waitFor(() => isCalled, 'the call');
    await pipeline.close();
    assert.equal(timers(), before);
  });

  it('refuse options that mean nothing', async () => {
    const pipeline = await createPipeline({ threads: 'inline' });
    for (const options of [{ handle: 1 }, { handle() {}, timeoutMs: 0 }, { handle() {}, concurrency: 1.5 }])
      await assert.rejects(pipeline.handleStates(options as never), { code: 'ERR_OPTION_INVALID' });
    await assert.rejects(pipeline.handleStates({ handle() {}, after: 'x' }), { code: 'ERR_CURSOR_INVALID' });
    await pipeline.close();
  });
});
