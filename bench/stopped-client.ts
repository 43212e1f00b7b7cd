import { spawn } from 'node:child_process';
import { buildDrain, buildNative, startSender } from '../test/e2e/support/native.ts';
import { startDaemon, statsOf, waitFor } from '../test/support/daemon.ts';
import { median, pause } from './process.ts';
import { machine, report } from './report.ts';

/**
 * One of 21 clients stopped with SIGSTOP for a minute under 5,000 events/s: the latency of the other 20 before and meanwhile,
 * as the median of five windows' p99. `node build/bench/stopped-client.js [--write]`
 */
const RATE = 5_000;
const WINDOW_S = 12;
const BEFORE_WINDOWS = 5;
const STOPPED_WINDOWS = 5;
const TAIL_S = 10;
const TOTAL = RATE * (WINDOW_S * (BEFORE_WINDOWS + STOPPED_WINDOWS) + TAIL_S);

const programs = buildNative();
const drain = buildDrain();
const daemon = await startDaemon();
const fast = spawn(
  drain,
  [
    daemon.events,
    '20',
    String(TOTAL),
    '--door',
    'native',
    '--timeout',
    '240',
    '--latency',
    '--window-seconds',
    String(WINDOW_S),
  ],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
let output = '';
fast.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
const finished = new Promise<void>((resolve) => fast.once('close', () => resolve()));
const slow = spawn('curl', ['-sN', '--unix-socket', daemon.events, 'http://tocsin/v1/events'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
let slowEvents = 0;
const gaps: string[] = [];
let rest = '';
slow.stdout.on('data', (piece: Buffer) => {
  const lines = (rest + piece.toString('latin1')).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    if (line.startsWith('{"type":"gap"')) gaps.push(line);
    else slowEvents += 1;
  }
});
await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === 21, 'the clients');
const sender = startSender(programs, daemon.fifo, TOTAL, ['--rate', String(RATE), '--stamp']);
await pause(WINDOW_S * BEFORE_WINDOWS * 1000);
slow.kill('SIGSTOP');
await pause(WINDOW_S * STOPPED_WINDOWS * 1000);
slow.kill('SIGCONT');
await sender.done;
await finished;
await waitFor(
  () =>
    rest === '' && slowEvents + gaps.reduce((sum, gap) => sum + Number(/"missed":(\d+)/.exec(gap)?.[1]), 0) === TOTAL,
  'the stopped client',
);
slow.kill();
const result = JSON.parse(output.trim().split('\n').at(-1)!) as {
  done: number;
  bad: number;
  events: number;
  windows: number[];
};
const before = result.windows.slice(0, BEFORE_WINDOWS);
const meanwhile = result.windows.slice(BEFORE_WINDOWS, BEFORE_WINDOWS + STOPPED_WINDOWS);
await daemon.stop();
if (result.bad !== 0 || result.events !== 20 * TOTAL) throw new Error(`the other clients lost something: ${output}`);
report('stopped-client', [
  `${machine()}. p99 from the stamp of the sender to the client, in windows of ${WINDOW_S} s.`,
  '',
  '| | p99 us per window | median |',
  '| --- | --- | --- |',
  `| before | ${before.join(', ')} | ${median(before)} |`,
  `| while one of 21 is stopped | ${meanwhile.join(', ')} | ${median(meanwhile)} |`,
  '',
  `Ratio ${(median(meanwhile) / median(before)).toFixed(2)}. The 20 others got all ${TOTAL} events each; the stopped one, ` +
    `continued, got ${slowEvents} and ${gaps.length} gap line for the rest: \`${gaps.join(' ')}\``,
]);
