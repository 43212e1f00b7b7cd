import { spawn } from 'node:child_process';
import { buildDrain, buildNative, sendRecords } from '../test/e2e/support/native.ts';
import { startDaemon, statsOf, waitFor } from '../test/support/daemon.ts';
import { cpuSeconds, median, pause, residentMb, spread } from './process.ts';
import { machine, report } from './report.ts';

/**
 * FIFO -> N clients, on every door, as fast as the sender can. The drain client checks every client's sequence; a run in which
 * one of them missed, repeated or reordered an event has no figure.
 *
 *   npm run bench [-- --runs 5] [--records 300000] [--clients 1,10,100] [--door docker] [--write]
 */
const flag = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return (at < 0 ? undefined : process.argv[at + 1]) ?? fallback;
};
const RUNS = Number(flag('runs', '5'));
const RECORDS = Number(flag('records', '300000'));
const ONLY = flag('door', '');
const CLIENTS = flag('clients', '1,10,100').split(',').map(Number);

/** What iSulad and moby did on such a machine, with events of 300 bytes (docs/benchmarks.md). */
const ANCHORS: Readonly<Record<string, string>> = {
  'native 1': 'moby 60-80 k/s',
  'native 10': 'moby 56-84 k/s',
  'native 100': 'moby 34-50 k/s, 10-13 s/M',
  'docker 1': 'moby 60-80 k/s',
  'docker 10': 'moby 56-84 k/s',
  'docker 100': 'moby 34-50 k/s, 10-13 s/M',
  'docker<1.52 1': 'moby 13 k/s',
  'docker<1.52 10': 'moby 20-24 k/s',
  'docker<1.52 100': 'moby 11 k/s, 44-50 s/M',
  'grpc 1': 'iSulad 9.4 k/s',
  'grpc 10': 'iSulad 9.5-17 k/s, 32 s/M',
  'grpc 100': 'iSulad 15-17 k/s, 35-38 s/M',
};

interface Drained {
  readonly done: number;
  readonly clients: number;
  readonly bad: number;
  readonly events: number;
  readonly bytes: number;
  readonly firstToLastSeconds: number;
}

const programs = buildNative();
const drain = buildDrain();

/** What the drain client is told of each door. */
const DOORS = {
  native: ['--door', 'native'],
  docker: ['--door', 'docker'],
  'docker<1.52': ['--door', 'docker', '--path', '/v1.41/events'],
  grpc: ['--door', 'grpc'],
} as const;
type Door = keyof typeof DOORS;

async function once(
  door: Door,
  clients: number,
): Promise<{ perSecond: number; deliveries: number; cpuPerMillion: number; rss: number; bytes: number }> {
  // History holds twice what is sent, so that nobody has a gap, whatever its speed.
  const daemon = await startDaemon(['--history-events', String(2 * RECORDS), '--history-bytes', '2GiB']);
  try {
    const child = spawn(
      drain,
      [daemon.events, String(clients), String(RECORDS), ...DOORS[door], '--timeout', '120', '--ready-fd'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
    const finished = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await waitFor(async () => (await statsOf(daemon)).counters['clientsAttached'] === clients, 'the clients');
    await pause(300);
    const cpuBefore = cpuSeconds(daemon.pid);
    await sendRecords(programs, daemon.fifo, RECORDS);
    await finished;
    const cpu = cpuSeconds(daemon.pid) - cpuBefore;
    const result = JSON.parse(output.trim().split('\n').at(-1)!) as Drained;
    if (result.done !== clients || result.bad !== 0 || result.events !== clients * RECORDS) {
      throw new Error(`not every client got exactly what was sent: ${output}`);
    }
    const seconds = result.firstToLastSeconds;
    return {
      perSecond: RECORDS / seconds,
      deliveries: (clients * RECORDS) / seconds,
      cpuPerMillion: (cpu / (clients * RECORDS)) * 1e6,
      rss: residentMb(daemon.pid),
      bytes: result.bytes / result.events,
    };
  } finally {
    await daemon.stop();
  }
}

const lines = [
  `${machine()}. FIFO (596-byte records from a C sender) to N clients (one C program, epoll) over unix sockets; ` +
    `${RECORDS} records, ${RUNS} runs, median (min-max). CPU is that of the whole daemon, all threads.`,
  '',
  '| door | clients | events/s | deliveries/s | CPU s per million deliveries | RSS MB | bytes per event | anchor |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
];
for (const door of Object.keys(DOORS) as Door[]) {
  if (ONLY && door !== ONLY) continue;
  for (const clients of CLIENTS) {
    const runs = [];
    for (let run = 0; run < RUNS; run += 1) runs.push(await once(door, clients));
    const cells = [
      door,
      clients,
      `${spread(
        runs.map(({ perSecond }) => perSecond / 1e3),
        0,
      )} k`,
      `${spread(
        runs.map(({ deliveries }) => deliveries / 1e6),
        2,
      )} M`,
      spread(
        runs.map(({ cpuPerMillion }) => cpuPerMillion),
        3,
      ),
      median(runs.map(({ rss }) => rss)).toFixed(0),
      median(runs.map(({ bytes }) => bytes)).toFixed(0),
      ANCHORS[`${door} ${clients}`] ?? '',
    ];
    lines.push(`| ${cells.join(' | ')} |`);
    process.stderr.write(`${lines.at(-1)}\n`);
  }
}
report('doors', lines);
