import type { Results } from './results.ts';
import { valuesOf } from './results.ts';
import { median } from './statistics.ts';
import { IN_MEMORY, type Result } from './topology.ts';

/** What we set out to reach, and what was measured. */
export interface Claim {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly isMet: boolean | undefined;
}

type Params = Readonly<Record<string, string | number>>;

/** iSulad and moby on a machine of this class, November 2026 (300 bytes, saturated). */
const ISULAD_AT_100 = 16_000;
const MOBY_AT_100 = 42_000;

/** All claims about which the results say something. @param isOfClass the machine is of the kind that those figures are from */
export function claims(results: Results, isOfClass = true): Claim[] {
  const fanout = results.read('fanout');
  const rate = (result: Result | undefined, system: string, params: Params): number =>
    median(valuesOf(result, system, params, 'deliveriesPerSecond'));
  const cpu = (result: Result | undefined, system: string, params: Params): number =>
    median(valuesOf(result, system, params, 'cpuPerMillion'));
  const list: Claim[] = [];
  const times = (what: string, value: number, least: number): void => void list.push(atLeast(what, value, least, ' x'));

  for (const door of ['native', 'docker']) {
    const own = (clients: number): number => rate(fanout, 'tocsin', { door, clients });
    const redis = (clients: number): number => rate(fanout, 'redis', { clients, pipeline: 16 });
    const nats = (clients: number): number => rate(fanout, 'nats', { clients });
    times(`${door}, 100 clients, over Redis`, own(100) / redis(100), 3);
    times(`${door}, 100 clients, over NATS`, own(100) / nats(100), 6);
    times(`${door}, 1,000 clients, over Redis`, own(1000) / redis(1000), 6);
    times(`${door}, 1,000 clients, over NATS`, own(1000) / nats(1000), 6);
    times(`${door}, 1 client, from the FIFO, over Redis`, own(1) / redis(1), 0.8);
    times(
      `${door}, 1 client, from the FIFO, over Redis, without a disk`,
      rate(fanout, IN_MEMORY, { door, clients: 1 }) / redis(1),
      0.8,
    );
    if (isOfClass) times(`${door}, 100 clients, over moby's 34-50 k/s`, own(100) / MOBY_AT_100, 20);
    list.push(atMost(`${door}, 100 clients, CPU s per million`, cpu(fanout, 'tocsin', { door, clients: 100 }), 0.13));
    list.push(atMost(`${door}, 1,000 clients, CPU s per million`, cpu(fanout, 'tocsin', { door, clients: 1000 }), 0.1));
    list.push(
      atMost(
        `${door}, CPU per delivery at 1,000 clients over that at 10`,
        cpu(fanout, 'tocsin', { door, clients: 1000 }) / cpu(fanout, 'tocsin', { door, clients: 10 }),
        1,
        ' x',
      ),
    );
  }
  const publish = results.read('publish');
  for (const [clients, least] of [
    [10, 1.2],
    [1, 1],
  ] as const) {
    const redis = rate(publish, 'redis', { clients });
    const what = `publish API, ${clients} client${clients > 1 ? 's' : ''}, over Redis`;
    times(what, rate(publish, 'tocsin', { clients }) / redis, least);
    times(`${what}, without a disk`, rate(publish, IN_MEMORY, { clients }) / redis, least);
  }
  const grpc = results.read('grpc');
  for (const window of [65_535, 16 * 1024 * 1024]) {
    const params = { clients: 100, window };
    list.push(atLeast(`gRPC, 100 clients, window ${window}, M deliveries/s`, rate(grpc, 'tocsin', params) / 1e6, 1.5));
    list.push(atMost(`gRPC, 100 clients, window ${window}, CPU s per million`, cpu(grpc, 'tocsin', params), 0.6));
    times(
      `gRPC, 100 clients, window ${window}, over iSulad's 15-17 k/s`,
      rate(grpc, 'tocsin', params) / ISULAD_AT_100,
      50,
    );
  }
  list.push(
    atLeast(
      'FIFO to log, k records/s',
      median(
        valuesOf(results.read('ingest'), 'tocsin', { durability: 'async', recordsPerWrite: 6 }, 'eventsPerSecond'),
      ) / 1e3,
      500,
    ),
    atMost(
      'formatting, us of one core per event',
      median(valuesOf(results.read('ingest'), 'tocsin', { durability: 'async', recordsPerWrite: 6 }, 'collectorUs')),
      1.5,
    ),
  );
  const past = results.read('history');
  const ofPast = (system: string, figure: string): number => median(valuesOf(past, system, {}, figure));
  const ingest = results.read('ingest');
  list.push(
    atLeast(
      'FIFO to log, sync, k records/s',
      median(valuesOf(ingest, 'tocsin', { durability: 'sync', recordsPerWrite: 6 }, 'eventsPerSecond')) / 1e3,
      100,
    ),
    atMost('10 million events on disk: start, ms', ofPast('start', 'readyMs'), 1000),
    atLeast(
      '10 million events on disk: replay of a million, k events/s',
      ofPast('replay', 'eventsPerSecond') / 1e3,
      1000,
    ),
    atLeast('10 million events on disk: scan on two cores, M events/s', ofPast('scan', 'eventsPerSecond') / 1e6, 6),
    atMost('10 million events on disk: a filter that shows one in 10,000, s', ofPast('filter', 'seconds'), 3),
    atMost('memory with 100 stopped clients over that without', ofPast('stopped clients', 'rssRatio'), 1.2, ' x'),
    atMost('live p99 beside 8 scans of history over that without', ofPast('live beside 8 scans', 'p99Ratio'), 2, ' x'),
  );
  const latency = results.read('latency');
  for (const eventsPerSecond of [200, 2_000]) {
    const ratio = (figure: string): number =>
      median(valuesOf(latency, 'tocsin', { rate: eventsPerSecond }, figure)) /
      median(valuesOf(latency, 'redis', { rate: eventsPerSecond }, figure));
    list.push(atMost(`${eventsPerSecond}/s to 100 clients, p99 over Redis's`, ratio('p99us'), 1, ' x'));
    list.push(atMost(`${eventsPerSecond}/s to 100 clients, CPU over Redis's`, ratio('cores'), 1, ' x'));
  }
  list.push(
    atMost(
      'embedded, 1,000/s, p50 us',
      median(valuesOf(results.read('embedded'), 'tocsin', { rate: 1000 }, 'p50us')),
      200,
    ),
  );
  const stalled = results.read('stalled');
  const ofStalled = (load: string, besides: string, figure: string): number =>
    median(valuesOf(stalled, 'tocsin', { load, besides }, figure));
  times(
    'one of 100 stalled, full load: rate of the others',
    ofStalled('full', 'stalled', 'deliveriesPerSecond') / ofStalled('full', 'nobody', 'deliveriesPerSecond'),
    0.95,
  );
  list.push(
    atMost(
      'one of 100 stalled, 20,000/s: p99 of the others',
      ofStalled('20000/s', 'stalled', 'p99us') / ofStalled('20000/s', 'nobody', 'p99us'),
      1 / 0.95,
      ' x',
    ),
    atMost(
      'one of 100 stalled, full load: further RSS, MB',
      ofStalled('full', 'stalled', 'rssMb') - ofStalled('full', 'nobody', 'rssMb'),
      20,
    ),
    atMost(
      'RSS at full load to 100 clients, MB',
      median(valuesOf(fanout, 'tocsin', { door: 'native', clients: 100 }, 'rssMb')),
      300,
    ),
  );
  const filters = results.read('filters');
  const filtered = (count: number, figure: string): number =>
    median(valuesOf(filters, 'tocsin', { filters: count }, figure));
  list.push(
    atLeast('1,000 clients with a container each, k events/s', filtered(1000, 'eventsPerSecond') / 1e3, 100),
    atMost(
      'CPU per event, 1,000 such filters over one',
      filtered(1000, 'cpuPerMillion') / filtered(1, 'cpuPerMillion'),
      2,
      ' x',
    ),
  );
  for (const [load, how] of [
    ['paced', '373 a second'],
    ['closed', 'as fast as they go'],
  ] as const)
    times(
      `calls of a Docker engine, ${how}, with 1,021 listeners behind Tocsin over those without`,
      median(valuesOf(results.read('engine'), 'tocsin', { filtered: 1000, load }, 'ofDetached')),
      0.9,
    );
  const shards = results.read('shards');
  const cores = shards?.machine.cores ?? 0;
  const withShards = (count: number): number => rate(shards, 'tocsin', { work: 'lanes', shards: count });
  if (cores >= 2) times('two shards over one, 100 lanes', withShards(2) / withShards(1), 1.7);
  const idle = results.read('idle');
  for (const [door, most] of [
    ['native', 24],
    ['docker', 24],
    ['grpc', 40],
  ] as const)
    list.push(atMost(`idle ${door} client, KiB`, median(valuesOf(idle, 'tocsin', { door }, 'kibPerClient')), most));
  return list.filter(({ isMet }) => isMet !== undefined);
}

function atLeast(what: string, value: number, least: number, unit = ''): Claim {
  return claim(what, `at least ${least}${unit}`, value, unit, value >= least);
}

function atMost(what: string, value: number, most: number, unit = ''): Claim {
  return claim(what, `at most ${Number(most.toFixed(2))}${unit}`, value, unit, value <= most);
}

function claim(what: string, wanted: string, value: number, unit: string, isMet: boolean): Claim {
  const measured = `${value.toFixed(Math.abs(value) < 10 ? 3 : 0)}${unit}`;
  return { what, wanted, measured, isMet: Number.isFinite(value) ? isMet : undefined };
}
