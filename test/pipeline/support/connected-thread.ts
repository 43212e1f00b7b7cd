import { parentPort, workerData } from 'node:worker_threads';
import { openConnection } from '../../../src/index.ts';
import { type ConnectedThread, REPORT } from './connected.ts';

const BATCH = 500;

const { role, port, report, name, events } = workerData as ConnectedThread;
const words = new Int32Array(report);
const connection = await openConnection(port);

async function receive(): Promise<void> {
  const subscriber = await connection.subscribe({ since: '0' });
  Atomics.add(words, REPORT.READY, 1);
  let next = 1;
  for await (const delivery of subscriber) {
    if ('missed' in delivery) Atomics.add(words, REPORT.GAPS, 1);
    else if (delivery.id !== name || delivery.attributes['n'] !== String(next)) Atomics.add(words, REPORT.BREAKS, 1);
    next += 1;
    if (Atomics.add(words, REPORT.RECEIVED, 1) + 1 === events) break;
  }
  Atomics.store(words, REPORT.DONE, 1);
  Atomics.notify(words, REPORT.DONE);
}

async function publish(): Promise<void> {
  for (let from = 1; from <= events; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, events - from + 1) }, (_, index) => ({
      type: 'container',
      action: 'start',
      id: name,
      attributes: { n: String(from + index) },
    }));
    await connection.publishDurable(batch, { publisher: name, sequence: from });
  }
}

await (role === 'receive' ? receive() : publish());
await connection.close();
parentPort?.close();
