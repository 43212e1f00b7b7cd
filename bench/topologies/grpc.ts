import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { cpuSeconds, residentBytes } from '../../src/cli/bench/accounting.ts';
import { startDaemon } from '../../src/cli/bench/daemon.ts';
import { CHECKOUT } from '../../test/support/daemon.ts';
import { type Context, inRounds, planFor, type Row, type Topology, tocsinCase } from '../topology.ts';

const CHECK_EVENTS = 200_000;
const CHECK_RATE = 20_000;
const WINDOWS = [65_535, 16 * 1024 * 1024];

export const grpc: Topology = {
  name: 'grpc',
  title: "iSulad's gRPC service, N clients, as fast as it goes",
  about:
    'A C client that speaks HTTP/2: preface, SETTINGS, and a WINDOW_UPDATE whenever half of its window has been used. 64 KiB is ' +
    'what a client has that asks for nothing. As a check a client of libgrpc++, which is what `isula` is made of, gets ' +
    `${CHECK_EVENTS.toLocaleString('en')} events at ${CHECK_RATE.toLocaleString('en')}/s, every one of them once and in order.`,
  async run(context: Context): Promise<Row[]> {
    const cases = [1, 10, 100].flatMap((clients) =>
      WINDOWS.map((window) =>
        tocsinCase(context, 'grpc', { clients, window }, planFor(clients), {
          drain: ['--door', 'grpc', '--window', String(window)],
        }),
      ),
    );
    const rows = await inRounds(context, cases);
    const check = await checkLibrary(context);
    if (check) rows.push(check);
    return rows;
  },
};

/** @returns undefined when the client has not been built; the end-to-end tests do that */
async function checkLibrary(context: Context): Promise<Row | undefined> {
  const program = path.join(CHECKOUT, 'build/native/grpc_client');
  if (!fs.existsSync(program)) {
    context.log('libgrpc++: not measured, build/native/grpc_client is not there (npm run test:e2e builds it)');
    return undefined;
  }
  const daemon = await startDaemon({ doors: ['grpc'], main: context.main });
  try {
    const client = spawn(program, [`unix://${daemon.socket}`, '--last', String(CHECK_EVENTS)]);
    let output = '';
    client.stdout.on('data', (text: Buffer) => (output += text.toString()));
    await once(client.stderr, 'data');
    const before = cpuSeconds(daemon.pid);
    const begunMs = performance.now();
    const load = spawn(context.programs.load, [...daemon.load, String(CHECK_EVENTS), '--rate', String(CHECK_RATE)]);
    await Promise.all([once(client, 'close'), once(load, 'close')]);
    const seconds = (performance.now() - begunMs) / 1000;
    const cpu = cpuSeconds(daemon.pid) - before;
    const { count, bad } = JSON.parse(output) as { readonly count: number; readonly bad: number };
    if (count !== CHECK_EVENTS || bad !== 0) throw new Error(`libgrpc++ got something else: ${output}`);
    return {
      system: 'tocsin',
      params: { door: 'grpc', clients: 1, window: 'libgrpc++', rate: CHECK_RATE },
      figures: {
        eventsPerSecond: count / seconds,
        deliveriesPerSecond: count / seconds,
        cpuPerMillion: (cpu / count) * 1e6,
        cores: cpu / seconds,
        rssMb: residentBytes(daemon.pid) / 1e6,
      },
    };
  } finally {
    await daemon.stop();
  }
}
