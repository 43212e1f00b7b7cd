import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { openConnection } from '../../src/index.ts';

/**
 * One of the two threads of state-handlers.ts: publishes 5,000 events a second, stamped, or receives them and reports the p99
 * of each window in microseconds, and how many there were.
 */
const { role, port, windows, windowMs } = workerData as {
  role: 'publish' | 'receive';
  port: MessagePort;
  windows: number;
  windowMs: number;
};
const PER_MS = 5;
const CONTAINERS = 1_000;
const now = (): number => performance.timeOrigin + performance.now();
const connection = await openConnection(port);

async function receive(): Promise<void> {
  const p99s: number[] = [];
  let latencies: number[] = [];
  let expected = 0;
  let windowEnd = Infinity;
  for await (const event of await connection.subscribe({ since: '0' })) {
    if ('missed' in event || event.seq !== (expected += 1)) throw new Error('an event is missing');
    const at = now();
    if (windowEnd === Infinity) windowEnd = at + windowMs;
    latencies.push((at - Number(event.attributes['at'])) * 1000);
    if (at < windowEnd) continue;
    latencies.sort((a, b) => a - b);
    p99s.push(latencies.at(Math.floor(latencies.length * 0.99)) ?? Number.NaN);
    latencies = [];
    windowEnd += windowMs;
    if (p99s.length === windows) break;
  }
  parentPort?.postMessage({ p99s, events: expected });
}

async function publish(): Promise<void> {
  const begun = performance.now();
  for (let sent = 0; sent < windows * windowMs * PER_MS * 1.1; ) {
    const due = (performance.now() - begun) * PER_MS;
    for (; sent < due; sent += 1) {
      const action = sent % 2 === 0 ? 'die' : 'oom';
      const attributes = { at: String(now()) };
      connection.publish({ type: 'container', action, id: `c${sent % CONTAINERS}`, attributes });
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

await (role === 'receive' ? receive() : publish());
await connection.close();
