import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createPipeline } from '../../create-pipeline.ts';
import { TocsinError } from '../../event/errors.ts';
import { cpuSeconds, machineTime, residentBytes, stealPercent } from './accounting.ts';
import type { EmbeddedTask, Published, Received } from './embedded-thread.ts';
import type { Measurement, Plan } from './measure.ts';

const THREAD = new URL('./embedded-thread.js', import.meta.url);

/**
 * A pipeline in this process: one thread publishes, another has all the subscribers. CPU is that of the whole process but the
 * publisher, which waits awake, from the start of the first event on.
 * @throws ERR_BENCH_INVALID
 */
export async function measureEmbedded(plan: Plan): Promise<Measurement> {
  const { clients, events, warmup, rate, burst = 0 } = plan;
  const all = warmup + events;
  const pipeline = await createPipeline({ historyEvents: 2 * all, historyBytes: 2 ** 31 });
  try {
    const start = async (role: EmbeddedTask['role']): Promise<Worker> => {
      const port = await pipeline.connect();
      const task: EmbeddedTask = { role, port, clients, events, warmup, rate, burst };
      return new Worker(THREAD, { workerData: task, transferList: [port] });
    };
    const receiver = await start('receive');
    await once(receiver, 'message');
    const cpuBefore = cpuSeconds(process.pid);
    const machineBefore = machineTime();
    const publisher = await start('publish');
    const published = once(publisher, 'message');
    const ended = once(publisher, 'exit');
    const [received] = (await once(receiver, 'message')) as [Received];
    const [{ cpuSeconds: publisherCpu }] = (await published) as [Published];
    const cpu = cpuSeconds(process.pid) - cpuBefore - publisherCpu;
    await ended;
    const { deliveries, seconds } = received;
    if (deliveries !== clients * events)
      throw new TocsinError('ERR_BENCH_INVALID', `${deliveries} deliveries of ${clients * events}`);
    const latencies = received.latenciesUs.sort();
    const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
    return {
      clients,
      seconds,
      eventsPerSecond: events / seconds,
      deliveriesPerSecond: deliveries / seconds,
      cpuSeconds: cpu,
      cpuPerMillion: (cpu / (clients * all)) * 1e6,
      cores: cpu / (seconds * (all / events)),
      rssMb: residentBytes(process.pid) / 1e6,
      payloadBytes: Number.NaN,
      wireBytes: Number.NaN,
      p50us: at(0.5),
      p99us: at(0.99),
      p999us: at(0.999),
      clientCpuSeconds: Number.NaN,
      stealPercent: stealPercent(machineBefore, machineTime()),
    };
  } finally {
    await pipeline.close();
  }
}
