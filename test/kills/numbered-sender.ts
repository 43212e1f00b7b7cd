import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { monitorRecord } from '../support/records.ts';

/** What the sender's thread is told: `stop` ends it, and it says how many records it has written. */
export interface SenderTask {
  readonly fifo: string;
  readonly perSecond: number;
  /** Records at once, every so many milliseconds; 0 = none. */
  readonly burst: number;
  readonly burstEveryMs: number;
}

// Writes numbered records into a FIFO, as senders do: blocking, whole records at a time.
const { fifo, perSecond, burst, burstEveryMs } = workerData as SenderTask;
const RECORDS_PER_WRITE = 6;
const TICK_MS = 5;
const fd = fs.openSync(fifo, 'w');
let sent = 0;
let extra = 0;
const begunMs = performance.now();
let burstMs = begunMs;

function write(count: number): void {
  for (let left = count; left > 0; ) {
    const records = Math.min(left, RECORDS_PER_WRITE);
    const bytes = Buffer.concat(
      Array.from({ length: records }, (_, index) =>
        monitorRecord({
          name: `c${(sent + index) % 50}`,
          args: `n=${sent + index + 1}.`,
          value: 3,
          pid: 1,
          exitCode: 0,
        }),
      ),
    );
    for (let from = 0; from < bytes.length; ) from += fs.writeSync(fd, bytes, from);
    sent += records;
    left -= records;
  }
}

const timer = setInterval(() => {
  const nowMs = performance.now();
  if (burst > 0 && nowMs - burstMs >= burstEveryMs) {
    burstMs = nowMs;
    write(burst);
    extra += burst;
  }
  write(Math.max(0, Math.floor(((performance.now() - begunMs) / 1000) * perSecond) - (sent - extra)));
}, TICK_MS);
parentPort!.once('message', () => {
  clearInterval(timer);
  fs.closeSync(fd);
  parentPort!.postMessage(sent);
});
