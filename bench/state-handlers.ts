import { Worker } from 'node:worker_threads';
import { createPipeline } from '../src/index.ts';
import { spread, median } from './process.ts';
import { machine, report } from './report.ts';

/**
 * What state handlers cost the stream: one thread publishes 5,000 die and oom events a second for 1,000 containers, another
 * receives them; p99 per window without handlers, then with ones of which some are slow, throw or never come back.
 * `node build/bench/state-handlers.js [--write]`
 */
const WINDOWS = 5;
const WINDOW_MS = 2_000;
const THREAD = new URL('./state-handlers-thread.js', import.meta.url);

async function once(withHandlers: boolean): Promise<{ readonly p99s: number[]; readonly counts: string }> {
  const pipeline = await createPipeline({ historyEvents: 200_000, historyBytes: 1024 ** 3 });
  const handlers = withHandlers
    ? await pipeline.handleStates({
        timeoutMs: 200,
        async handle({ id }) {
          const kind = Number(id.slice(1)) % 100;
          if (kind === 0) return new Promise(() => {});
          if (kind <= 5) await new Promise((resolve) => setTimeout(resolve, 2));
          if (kind > 5 && kind <= 10) throw new Error('no');
        },
      })
    : undefined;
  const start = async (role: string): Promise<Worker> => {
    const port = await pipeline.connect();
    const data = { role, port, windows: WINDOWS, windowMs: WINDOW_MS };
    return new Worker(THREAD, { workerData: data, transferList: [port] });
  };
  const receiver = await start('receive');
  const result = new Promise<{ p99s: number[]; events: number }>((resolve, reject) => {
    receiver.once('message', resolve);
    receiver.once('error', reject);
  });
  const publisher = await start('publish');
  const ended = new Promise((resolve) => publisher.once('exit', resolve));
  const { p99s, events } = await result;
  await ended;
  const counts = handlers ? JSON.stringify(handlers.stats) : `${events} events`;
  await handlers?.close();
  await pipeline.close();
  return { p99s, counts };
}

const without = await once(false);
const withHandlers = await once(true);
const ratio = median(withHandlers.p99s) / median(without.p99s);
report('state-handlers', [
  `${machine()}. 5,000 die and oom events a second for 1,000 containers, from thread to thread; p99 in us, ${WINDOWS} windows of ${WINDOW_MS / 1000} s, median (min-max). ` +
    'No event was missing in either run.',
  '',
  '| | p99 us | |',
  '| --- | --- | --- |',
  `| without handlers | ${spread(without.p99s, 0)} | ${without.counts} |`,
  `| with handlers, some slow, failing or hanging | ${spread(withHandlers.p99s, 0)} | ${withHandlers.counts} |`,
  '',
  `Ratio ${ratio.toFixed(2)}.`,
]);
