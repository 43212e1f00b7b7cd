import { startRedis } from '../systems/brokers.ts';
import {
  brokerPlanFor,
  type Case,
  type Context,
  inMemoryCase,
  inRounds,
  planFor,
  type Row,
  type Topology,
  tocsinCase,
} from '../topology.ts';

const CLIENTS = [1, 10, 100];
const PIPELINE = 16;
const LINES = 512;

export const publish: Topology = {
  name: 'publish',
  title: 'The publish API, N clients, as fast as it goes',
  about:
    `Batches of ${LINES} JSON lines to \`POST /v1/events\`, four requests on their way, against pipelined PUBLISH. Every batch is ` +
    'acknowledged when it is in the log, which is on disk except in rows `tocsin, in memory`. Redis keeps nothing.',
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const clients of CLIENTS) {
      const plan = planFor(clients);
      const batches = { ...plan, load: ['--batch', String(LINES)] };
      const load = ['--batch', String(PIPELINE), '--depth', String(16 * PIPELINE)];
      const cases: Case[] = [
        tocsinCase(context, 'native', { clients, intake: 'http' }, batches, { intake: 'http' }),
        inMemoryCase(context, 'native', { clients, intake: 'http' }, batches, { intake: 'http' }),
        {
          system: 'redis',
          params: { clients, pipeline: PIPELINE },
          start: startRedis,
          plan: { ...brokerPlanFor(clients), load },
        },
      ];
      rows.push(...(await inRounds(context, cases)));
    }
    return rows;
  },
};
