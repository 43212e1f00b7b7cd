import { measureEmbedded } from '../../src/cli/bench/embedded.ts';
import type { Context, Row, Topology } from '../topology.ts';

const RATES = [100, 1_000, 10_000];
const SECONDS = 3;
const BURST = 20_000;

export const embedded: Topology = {
  name: 'embedded',
  title: 'Inside a program: from one thread to another',
  about:
    'One thread publishes, another subscribes, both through a connection of their own. From the moment at which an event was due ' +
    'to the moment at which the subscriber has it as an object. The publisher waits awake for that moment, so that the time its own ' +
    'thread takes to wake is not in the figures, nor is its CPU.',
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (let round = 1; round <= context.rounds; round += 1) {
      for (const rate of RATES) {
        const plan = { clients: 1, rate, events: rate * SECONDS, warmup: BURST + rate, burst: BURST, ahead: 0 };
        const figures = await measureEmbedded(plan);
        rows.push({ system: 'tocsin', params: { rate }, figures: { ...figures } });
        context.log(
          `${round}/${context.rounds} ${rate}/s: p50 ${figures.p50us?.toFixed(0)} p99 ${figures.p99us?.toFixed(0)} us`,
        );
      }
    }
    return rows;
  },
};
