import fs from 'node:fs';
import process from 'node:process';
import { workerData } from 'node:worker_threads';
import { keepInput, replayHint } from './finding.ts';
import { WATCH, type Watched } from './watchdog.ts';

const LOOK_MS = 100;
/** Processor time that one input may take, not counting that of a process that is stopped. */
const MAX_CPU_MS = 1_500;
/** Looks in which one input may wait for something. */
const MAX_LOOKS = 300;
const MAX_RSS_BYTES = 1.5 * 1024 ** 3;

const { memory, target, folder } = workerData as Watched;
const words = new Int32Array(memory, 0, WATCH.WORDS);
let count = 0;
let looks = 0;
let cpuMs = 0;
let used = process.cpuUsage();

setInterval(() => {
  const { user, system } = process.cpuUsage(used);
  used = process.cpuUsage();
  const now = Atomics.load(words, WATCH.COUNT);
  if (now !== count || Atomics.load(words, WATCH.ACTIVE) === 0) {
    count = now;
    looks = 0;
    cpuMs = 0;
    return;
  }
  looks += 1;
  cpuMs += (user + system) / 1000;
  if (cpuMs > MAX_CPU_MS) end(`hangs: one input took ${Math.round(cpuMs)} ms of the processor`);
  else if (looks > MAX_LOOKS) end(`hangs: one input waited for ${(looks * LOOK_MS) / 1000} s`);
  else if (process.memoryUsage.rss() > MAX_RSS_BYTES) end('grows: one input took the memory');
}, LOOK_MS);

function end(what: string): void {
  const input = new Uint8Array(memory, 4 * WATCH.WORDS, words[WATCH.LENGTH]).slice();
  const file = keepInput(folder, target, input);
  fs.writeSync(1, `FOUND ${target}: ${what}\n  ${replayHint(target, file)}\n`);
  process.kill(process.pid, 'SIGKILL');
}
