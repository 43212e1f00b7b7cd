import { startNats, startRedis } from '../systems/brokers.ts';
import { startKernelLimit, startNodeLimit, startPagesLimit } from '../systems/limits.ts';
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

const CLIENTS = [1, 10, 100, 1000];
/** Commands that Redis's publisher joins: what `redis-benchmark -P 16` does, and as many as Redis reads at once. */
const PIPELINES = [16, 64];

export const fanout: Topology = {
  name: 'fanout',
  title: 'One source, N clients, as fast as it goes',
  about:
    'Tocsin takes 596-byte records from its FIFO, formats and numbers them; Redis and NATS are given the finished 300 bytes by a ' +
    'pipelining publisher. All clients are connections of one C program, which checks every event of each. NATS has no unix ' +
    'sockets and uses TCP on the loopback interface. The limits write 64 KiB of the same bytes again and again; `pages` is without ' +
    'a copy into each socket, as Tocsin does it. Redis and NATS keep nothing; Tocsin writes every event to disk, except in rows `tocsin, in memory`.',
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    for (const clients of CLIENTS) rows.push(...(await inRounds(context, casesOf(context, clients))));
    return rows;
  },
};

function casesOf(context: Context, clients: number): Case[] {
  const plan = planFor(clients);
  const ofBrokers = brokerPlanFor(clients);
  const params = { clients };
  const raw = { ...plan, events: plan.events * 2, warmup: 0 };
  const cases = [tocsinCase(context, 'native', params, plan), tocsinCase(context, 'docker', params, plan)];
  // Where there is one client, the disk is a good part of the cost.
  if (clients === 1)
    cases.push(...(['native', 'docker'] as const).map((door) => inMemoryCase(context, door, params, plan)));
  if (clients === 100) cases.push(tocsinCase(context, 'docker-legacy', params, plan));
  for (const pipeline of clients === 1 ? PIPELINES : PIPELINES.slice(0, 1)) {
    const load = ['--batch', String(pipeline), '--depth', String(16 * pipeline)];
    cases.push({ system: 'redis', params: { clients, pipeline }, start: startRedis, plan: { ...ofBrokers, load } });
  }
  cases.push({ system: 'nats', params, start: startNats, plan: ofBrokers });
  cases.push({
    system: 'kernel limit',
    params,
    start: () => startKernelLimit(context.programs, clients, raw.events),
    plan: raw,
  });
  cases.push({
    system: 'kernel limit, pages',
    params,
    start: () => startPagesLimit(context.programs, clients, raw.events),
    plan: raw,
  });
  cases.push({
    system: 'Node limit',
    params,
    start: () => startNodeLimit(context.programs, clients, raw.events),
    plan: raw,
  });
  return cases;
}
