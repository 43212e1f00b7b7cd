import { readdirSync } from 'node:fs';
import type { Metric } from 'prom-client';
import { LATENCY_BUCKETS } from '../actors/latency-tally.ts';
import { VERSION } from '../event/version.ts';
import type { ClientInfo, LatencyCounts } from '../messages/control.ts';
import { COUNTER_TABLE, type CounterId, metricName } from '../messages/counters.ts';
import type { Observation } from '../runtime/observation.ts';

/** Clients whose lag is told apart: those that are furthest behind. A name for each of thousands would burden whoever collects. */
const MOST_LAGGING = 100;

/** What became of events that somebody did not get, by the counter that counts them. */
const DROPPED: readonly (readonly [reason: string, counter: CounterId])[] = [
  ['unknown-container', 'unknownDropped'],
  ['source-line', 'sourceRefused'],
  ['client-gap', 'eventsMissed'],
  ['state-handler', 'handlersDropped'],
];

export interface MetricsText {
  readonly contentType: string;
  readonly text: string;
}

/** In Prometheus' text format, version 0.0.4. Made when it is asked for: nothing is measured for it that costs an event anything. */
export async function metricsText(observed: Observation): Promise<MetricsText> {
  // Most embedded pipelines are never asked.
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];
  type Labels = Readonly<Record<string, string>>;
  const each = (
    metric: { inc(labels: Labels, value: number): void },
    rows: readonly (readonly [Labels, number])[],
  ): void => {
    for (const [labels, value] of rows) metric.inc(labels, value);
  };
  const gauge = (name: string, help: string, value: number): void => new Gauge({ name, help, registers }).set(value);
  const { stats, intake, held, clients, latencies } = observed;
  const { counters } = stats;

  new Gauge({ name: 'tocsin_build_info', help: 'What runs.', labelNames: ['version', 'node'], registers }).set(
    { version: VERSION, node: process.versions.node },
    1,
  );
  each(
    new Counter({
      name: 'tocsin_events_ingested_total',
      help: 'Events appended to the log, by the source that told them.',
      labelNames: ['source', 'type', 'action'],
      registers,
    }),
    intake.map(({ count, ...labels }) => [labels, count]),
  );
  each(
    new Counter({
      name: 'tocsin_events_dropped_total',
      help: 'Events that did not come into the log, or that a reader did not get.',
      labelNames: ['reason'],
      registers,
    }),
    DROPPED.map(([reason, counter]) => [{ reason }, counters[counter]]),
  );
  for (const [id, { meaning }] of Object.entries(COUNTER_TABLE))
    new Counter({ name: metricName(id as CounterId), help: meaning, registers }).inc(counters[id as CounterId]);

  each(
    new Gauge({ name: 'tocsin_clients', help: 'Clients that are attached.', labelNames: ['door', 'state'], registers }),
    clients.map(({ door, state }) => [{ door, state }, 1]),
  );
  each(
    new Gauge({
      name: 'tocsin_client_lag_events',
      help: `Events that a client is behind; of the ${MOST_LAGGING} that are furthest behind.`,
      labelNames: ['client', 'door'],
      registers,
    }),
    mostLagging(clients).map(({ id, door, lagEvents }) => [{ client: id, door }, lagEvents]),
  );
  registry.registerMetric(latencyMetric(latencies));

  gauge('tocsin_history_first_seq', 'Number of the oldest event that is kept.', stats.oldestSeq);
  gauge('tocsin_history_last_seq', 'Number of the newest event.', stats.headSeq);
  gauge('tocsin_history_bytes', 'Bytes of the events that are kept.', held.bytes);
  if (held.oldestSec !== undefined)
    gauge(
      'tocsin_history_oldest_seconds',
      'Age of the oldest file of events, or of the oldest segment in memory.',
      Math.max(0, Date.now() / 1000 - held.oldestSec),
    );
  gauge('tocsin_history_writable', 'Whether the disk takes events: 1, or 0.', observed.isHistoryWritable ? 1 : 0);
  addProcess(new Counter({ name: 'process_cpu_seconds_total', help: 'CPU time of all threads.', registers }), gauge);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function addProcess(
  cpu: { inc(value: number): void },
  gauge: (name: string, help: string, value: number) => void,
): void {
  const { user, system } = process.cpuUsage();
  cpu.inc((user + system) / 1e6);
  gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss());
  gauge(
    'process_start_time_seconds',
    'When the process began, in seconds since 1970.',
    Date.now() / 1000 - process.uptime(),
  );
  try {
    // One of them is the folder itself.
    gauge('process_open_fds', 'Open file descriptors.', readdirSync('/proc/self/fd').length - 1);
  } catch {
    // Elsewhere than on Linux nobody knows.
  }
}

function mostLagging(clients: readonly ClientInfo[]): readonly ClientInfo[] {
  return clients.toSorted((left, right) => right.lagEvents - left.lagEvents).slice(0, MOST_LAGGING);
}

/** The shards have counted already, which the library's own histogram cannot take. */
function latencyMetric(shards: readonly LatencyCounts[]): Metric {
  const name = 'tocsin_ingest_to_deliver_seconds';
  const values: { metricName: string; labels: Record<string, string>; value: number }[] = [];
  let count = 0;
  for (const [place, bound] of [...LATENCY_BUCKETS, Infinity].entries()) {
    for (const { counts } of shards) count += counts[place] ?? 0;
    values.push({
      metricName: `${name}_bucket`,
      labels: { le: bound === Infinity ? '+Inf' : String(bound) },
      value: count,
    });
  }
  const sum = shards.reduce((seconds, { sumSeconds }) => seconds + sumSeconds, 0);
  values.push(
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  );
  const help =
    'From the time of an event to its being written to the clients that wait for it, once for each batch of them.';
  const found = { name, help, type: 'histogram', aggregator: 'sum', values };
  return { name, get: () => Promise.resolve(found) } as unknown as Metric;
}
