import { Worker } from 'node:worker_threads';
import { createPipeline } from '../../src/index.ts';
import type { Context, Row, Topology } from '../topology.ts';

const WINDOWS = 5;
const WINDOW_MS = 2_000;
const THREAD = new URL('./state-handlers-thread.js', import.meta.url);

export const stateHandlers: Topology = {
  name: 'state-handlers',
  title: 'State handlers beside the stream',
  about:
    '5,000 die and oom events a second for 1,000 containers, from thread to thread, without handlers and with ones of which some ' +
    `are slow, throw, or never come back. p99 of each window of ${WINDOW_MS / 1000} s. No event was missing.`,
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const handlers of ['none', 'some slow, failing or hanging']) {
      for (const p99us of await once(handlers !== 'none'))
        rows.push({ system: 'tocsin', params: { handlers }, figures: { p99us } });
      context.log(`handlers: ${handlers}`);
    }
    return rows;
  },
};

async function once(withHandlers: boolean): Promise<number[]> {
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
  const { p99s } = await result;
  await ended;
  await handlers?.close();
  await pipeline.close();
  return p99s;
}
