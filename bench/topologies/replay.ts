import { spawn } from 'node:child_process';
import { startDaemon } from '../../src/cli/bench/daemon.ts';
import { type Context, inRounds, type Row, type Topology } from '../topology.ts';

const EVENTS = 1_000_000;
const HISTORY = ['--history-events', String(EVENTS), '--history-bytes', '1GiB'];

export const replay: Topology = {
  name: 'replay',
  title: 'A million events from history',
  about:
    'Clients that ask for everything since the beginning, all at once; the log is in memory and nothing is added to it.',
  run(context: Context): Promise<Row[]> {
    const cases = [1, 10].map((clients) => ({
      system: 'tocsin',
      params: { clients },
      start: async () => {
        const daemon = await startDaemon({
          doors: ['native'],
          flags: HISTORY,
          main: context.main,
          drain: ['--door', 'native', '--path', '/v1/events?since=0'],
        });
        const load = spawn(context.programs.load, [...daemon.load, String(EVENTS)], { stdio: 'ignore' });
        await new Promise((resolve) => load.once('close', resolve));
        return { ...daemon, load: [] };
      },
      plan: { clients, events: EVENTS, warmup: 0, rate: 0, ahead: EVENTS },
    }));
    return inRounds(context, cases);
  },
};
