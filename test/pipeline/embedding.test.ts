import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { createPipeline, openConnection, type Pipeline } from '../../src/index.ts';
import { waitFor } from '../support/daemon.ts';
import { type ConnectedThread, REPORT } from './support/connected.ts';

const THREAD = new URL('./support/connected-thread.js', import.meta.url);
const COUNT = 100_000;

function start(thread: ConnectedThread): Worker {
  return new Worker(THREAD, { workerData: thread, transferList: [thread.port] });
}

function ended(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
}

async function pair(pipeline: Pipeline, name: string, events: number) {
  const report = new SharedArrayBuffer(REPORT.WORDS * 4);
  const receiver = start({ role: 'receive', port: await pipeline.connect(), report, name, events });
  const words = new Int32Array(report);
  await waitFor(() => words[REPORT.READY] === 1, 'the receiver');
  const publisher = start({ role: 'publish', port: await pipeline.connect(), report, name, events });
  return { words, done: Promise.all([ended(receiver), ended(publisher)]) };
}

/** What a pipeline must leave as it was. */
function footprint(): unknown {
  const listeners = process.eventNames().map((name) => `${String(name)} ${process.listenerCount(name)}`);
  const handles = process.getActiveResourcesInfo().filter((kind) => !/Immediate|Timeout|Req$/.test(kind));
  return { listeners: listeners.sort(), handles: handles.sort() };
}

async function asBefore(before: unknown): Promise<void> {
  const isAsBefore = (): boolean => JSON.stringify(footprint()) === JSON.stringify(before);
  await waitFor(isAsBefore, 'everything to be as before', 10_000).catch(() => {});
  assert.deepEqual(footprint(), before);
}

describe('threads of the embedding program', () => {
  it('publish and receive while the main thread is blocked for two seconds and more', async () => {
    const before = footprint();
    const pipeline = await createPipeline({ historyEvents: 2 * COUNT, historyBytes: 1024 ** 3 });
    assert.deepEqual((footprint() as { listeners: unknown }).listeners, (before as { listeners: unknown }).listeners);
    const { words, done } = await pair(pipeline, 'a', COUNT);
    // The worker's code needs main to be loaded; from its first event on it does not.
    await waitFor(() => words[REPORT.RECEIVED]! > 0, 'the first event');
    const blockedFrom = performance.now();
    const atStart = words[REPORT.RECEIVED]!;
    Atomics.wait(words, REPORT.DONE, 0, 60_000);
    const left = 2_000 - (performance.now() - blockedFrom);
    if (left > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left);
    const blockedMs = performance.now() - blockedFrom;
    // Nothing has been awaited since: whatever arrived did so without this thread.
    assert.deepEqual([...words], [1, COUNT, 0, 0, 1]);
    assert.ok(atStart < COUNT && blockedMs >= 2_000);
    assert.deepEqual(await done, [0, 0]);
    await pipeline.close();
    await asBefore(before);
    // Only now: the first output opens a handle.
    console.log(
      `# main blocked for ${Math.round(blockedMs)} ms: ${COUNT - atStart} of ${COUNT} events meanwhile, none missing`,
    );
  });

  it('of two pipelines side by side do not hear each other', async () => {
    const before = footprint();
    const pipelines = await Promise.all([createPipeline(), createPipeline({ threads: 'inline' })]);
    const pairs = await Promise.all(pipelines.map((pipeline, index) => pair(pipeline, `p${index}`, 2_000)));
    await Promise.all(pairs.map(({ done }) => done));
    for (const { words } of pairs) assert.deepEqual([...words], [1, 2_000, 0, 0, 1]);
    for (const pipeline of pipelines) assert.equal(pipeline.stats().headSeq, 2_000);
    await Promise.all(pipelines.map((pipeline) => pipeline.close()));
    await asBefore(before);
  });

  it('may vanish: the pipeline goes on, and forgets them', async () => {
    const pipeline = await createPipeline();
    const report = new SharedArrayBuffer(REPORT.WORDS * 4);
    const worker = start({ role: 'receive', port: await pipeline.connect(), report, name: 'x', events: 10 });
    await waitFor(async () => (await pipeline.clients()).length === 1, 'the subscription');
    await worker.terminate();
    await waitFor(async () => (await pipeline.clients()).length === 0, 'the subscription to go');
    assert.equal(pipeline.publish({ type: 'a', action: 'b', id: 'c' }), 'accepted');
    await pipeline.close();
  });

  it('find a pipeline that has ended closed', async () => {
    const pipeline = await createPipeline();
    const connection = await openConnection(await pipeline.connect());
    const subscriber = await connection.subscribe();
    await connection.publishDurable([{ type: 'a', action: 'b', id: 'c' }]);
    assert.equal((await subscriber.next()).value?.type, 'a');
    await pipeline.close();
    await connection.closed;
    assert.deepEqual(await subscriber.next(), { value: undefined, done: true });
    assert.equal(connection.publish({ type: 'a', action: 'b', id: 'c' }), 'closed');
    await assert.rejects(connection.publishDurable([{ type: 'a', action: 'b', id: 'c' }]), {
      code: 'ERR_PIPELINE_CLOSED',
    });
    await assert.rejects(connection.subscribe(), { code: 'ERR_PIPELINE_CLOSED' });
    await connection.close();
  });

  it('cannot connect through a port that leads nowhere', async () => {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    await assert.rejects(openConnection(port1), { code: 'ERR_PIPELINE_CLOSED' });
  });

  it('publish batches that are recognised, and refused when one is missing', async () => {
    const pipeline = await createPipeline({ threads: 'inline' });
    const event = (n: number) => ({ type: 'a', action: 'b', id: String(n) });
    const first = await pipeline.publishDurable([event(1), event(2)], { publisher: 'p', sequence: 1 });
    assert.deepEqual(first, { cursor: `${pipeline.epoch}-2`, appended: 2, repeated: 0 });
    const overlap = await pipeline.publishDurable([event(2), event(3)], { publisher: 'p', sequence: 2 });
    assert.deepEqual(overlap, { cursor: `${pipeline.epoch}-3`, appended: 1, repeated: 1 });
    await assert.rejects(pipeline.publishDurable([event(9)], { publisher: 'p', sequence: 9 }), {
      code: 'ERR_PUBLISHER_SEQUENCE',
      detail: { expected: 4 },
    });
    await assert.rejects(pipeline.publishDurable([event(4), { ...event(5), id: 5 as never }]), {
      code: 'ERR_EVENT_INVALID',
    });
    const many = await pipeline.publishDurable(Array.from({ length: 30_000 }, (_, index) => event(index)));
    assert.deepEqual(many, { cursor: `${pipeline.epoch}-30003`, appended: 30_000, repeated: 0 });
    await pipeline.close();
    await assert.rejects(pipeline.publishDurable([event(1)]), { code: 'ERR_PIPELINE_CLOSED' });
  });

  it('import a past with its times, before anything else comes', async () => {
    const pipeline = await createPipeline({ threads: 'inline' });
    const past = (sec: number) => ({ type: 'a', action: 'b', id: String(sec), time: { sec, nanos: 7 } });
    // A bound that has passed already makes the log promise something about its time; the import takes that back.
    await (await pipeline.subscribe({ until: '0s' })).next();
    const importing = pipeline.importHistory([[past(100), past(200)], [past(4_000_000_000)]]);
    assert.equal(pipeline.publish({ type: 'a', action: 'b', id: 'c' }), 'full');
    await assert.rejects(pipeline.publishDurable([past(1)]), { code: 'ERR_IMPORT_RUNNING' });
    assert.equal((await importing).appended, 3);
    const times = [];
    for await (const event of await pipeline.subscribe({ since: '0', follow: false }))
      if (!('missed' in event)) times.push(event.timeNano);
    assert.deepEqual(times, ['100000000007', '200000000007', '4000000000000000007']);
    await assert.rejects(pipeline.importHistory([]), { code: 'ERR_LOG_NOT_EMPTY' });
    await pipeline.close();
  });
});
