import { startNats, startRedis } from '../systems/brokers.ts';
import { AHEAD, type Case, type Context, inRounds, type Row, type Topology, tocsinCase } from '../topology.ts';

const CLIENTS = 100;
const RATES = [200, 2_000, 20_000];
const SECONDS = 3;
const BURST = 20_000;

export const latency: Topology = {
  name: 'latency',
  title: 'How late events are, at a given rate to 100 clients',
  about:
    'From the moment at which an event was to be sent, which it carries, to the moment at which a client had read it; over all ' +
    `clients, ${SECONDS} s a run. Tocsin has its default of \`--max-delay 1ms\`.`,
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const rate of RATES) {
      const plan = {
        clients: CLIENTS,
        rate,
        events: rate * SECONDS,
        warmup: BURST + rate / 2,
        burst: BURST,
        ahead: AHEAD,
        latency: true,
      };
      const params = { clients: CLIENTS, rate };
      const cases: Case[] = [
        tocsinCase(context, 'native', params, plan),
        { system: 'redis', params, start: startRedis, plan: { ...plan, load: ['--batch', '16', '--depth', '256'] } },
        { system: 'nats', params, start: startNats, plan },
      ];
      rows.push(...(await inRounds(context, cases)));
    }
    return rows;
  },
};
