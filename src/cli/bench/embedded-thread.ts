import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { openConnection } from '../../runtime/connection.ts';
import { threadCpuSeconds } from './accounting.ts';

/** One of the two threads of `embedded.ts`: publishes stamped events at a rate, or receives them and says how late they were. */
export interface EmbeddedTask {
  readonly role: 'publish' | 'receive';
  readonly port: MessagePort;
  readonly clients: number;
  readonly events: number;
  readonly warmup: number;
  /** Events per second; 0 = as fast as the log takes them. */
  readonly rate: number;
  /** So many come as fast as the log takes them all the same, before the others. */
  readonly burst: number;
}

export interface Received {
  readonly deliveries: number;
  readonly seconds: number;
  /** Of each delivery behind the warm-up, or of a sample of them. */
  readonly latenciesUs: Float64Array;
}

export interface Published {
  /** Of the thread: it waits awake. */
  readonly cpuSeconds: number;
}

const MAX_LATENCIES = 1_000_000;
const MAX_BATCH = 256;
/** Before an event is due. */
const AWAKE_MS = 0.3;
const NOTHING = new Int32Array(new SharedArrayBuffer(4));
const now = (): number => performance.timeOrigin + performance.now();
const task = workerData as EmbeddedTask;
const last = task.warmup + task.events;
const connection = await openConnection(task.port);

async function receive(): Promise<void> {
  const every = Math.max(1, Math.ceil((task.clients * task.events) / MAX_LATENCIES));
  const latencies: number[] = [];
  let begunMs = 0;
  let deliveries = 0;
  let warm = 0;
  const follow = async (): Promise<void> => {
    let expected = 0;
    for await (const event of await connection.subscribe({ since: '0' })) {
      expected += 1;
      if ('missed' in event || event.seq !== expected) throw new Error(`an event is missing: ${JSON.stringify(event)}`);
      if (expected === task.warmup && (warm += 1) === task.clients) begunMs = now();
      if (expected <= task.warmup) continue;
      deliveries += 1;
      if (deliveries % every === 0) latencies.push((now() - Number(event.args)) * 1000);
      if (expected === last) return;
    }
  };
  const following = Array.from({ length: task.clients }, follow);
  parentPort?.postMessage('ready');
  await Promise.all(following);
  const seconds = (now() - begunMs) / 1000;
  parentPort?.postMessage({ deliveries, seconds, latenciesUs: Float64Array.from(latencies) } satisfies Received);
}

/** Each event says in its arguments when it was to be published, in milliseconds. */
async function publish(): Promise<void> {
  let begunMs = now();
  const event = (sent: number, atMs: number) => ({
    type: 'container',
    action: 'start',
    id: `c${sent % 500}`,
    args: String(atMs),
    attributes: { image: 'nginx:1.27', seq: String(sent + 1) },
  });
  for (let sent = 0; sent < last; ) {
    if (task.rate === 0 || sent < task.burst) {
      const upTo = task.rate === 0 ? last : task.burst;
      const batch = Array.from({ length: Math.min(MAX_BATCH, upTo - sent) }, (_, index) => event(sent + index, now()));
      await connection.publishDurable(batch);
      sent += batch.length;
      begunMs = now();
      continue;
    }
    const momentOf = (number: number): number => begunMs + ((number - task.burst) * 1000) / task.rate;
    const due = Math.min(last, task.burst + ((now() - begunMs) * task.rate) / 1000);
    for (; sent < due; sent += 1) connection.publish(event(sent, momentOf(sent)));
    await new Promise((resolve) => setImmediate(resolve));
    // Awake when the moment comes: how long its own thread takes to wake is not what is measured.
    Atomics.wait(NOTHING, 0, 0, Math.max(0, momentOf(sent) - now() - AWAKE_MS));
    while (now() < momentOf(sent));
  }
  parentPort?.postMessage({ cpuSeconds: threadCpuSeconds() } satisfies Published);
}

await (task.role === 'receive' ? receive() : publish());
await connection.close();
