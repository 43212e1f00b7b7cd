import { once } from 'node:events';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import { EventPacker } from '../../src/codec/event-packer.ts';
import { EventView } from '../../src/codec/event-record.ts';
import { Segment } from '../../src/history/segment.ts';
import { EVENT, SEGMENT } from '../../src/messages/layout.ts';
import { LogState } from '../../src/messages/log-state.ts';
import { type Context, inRounds, planFor, type Row, type Topology, tocsinCase } from '../topology.ts';
import type { ShardTask } from './shards-thread.ts';

const LANES = 100;
const EVENTS = 120_000;
const SHARDS = [1, 2, 4, 8];
const THREAD = new URL('./shards-thread.js', import.meta.url);

export const shards: Topology = {
  name: 'shards',
  title: 'Shards over cores',
  about:
    '`lanes`: shards alone, with 100 lanes of which every one encodes every event, and sinks that do nothing: what CPU-bound ' +
    'work gains. `sockets`: the daemon with 100 native clients. With more shards than cores nothing is left to gain.',
  async run(context: Context): Promise<Row[]> {
    const rows: Row[] = [];
    const memory = makeLog();
    for (let round = 1; round <= context.rounds; round += 1) {
      for (const count of SHARDS) {
        const seconds = await encode(memory, count);
        const params = { work: 'lanes', shards: count, cores: os.availableParallelism() };
        rows.push({ system: 'tocsin', params, figures: { seconds, deliveriesPerSecond: (LANES * EVENTS) / seconds } });
        context.log(`${round}/${context.rounds} ${count} shards: ${((LANES * EVENTS) / seconds / 1e6).toFixed(2)} M/s`);
      }
    }
    const cases = SHARDS.filter((count) => count <= Math.max(2, os.availableParallelism())).map((count) =>
      tocsinCase(
        context,
        'native',
        { work: 'sockets', shards: count, cores: os.availableParallelism() },
        planFor(100),
        {
          flags: ['--fanouts', String(count)],
        },
      ),
    );
    rows.push(...(await inRounds(context, cases)));
    return rows;
  },
};

async function encode(segments: readonly SharedArrayBuffer[], count: number): Promise<number> {
  const workers = Array.from({ length: count }, (_, shard) => {
    const logState = LogState.allocate();
    new LogState(logState).headSeq = EVENTS;
    const lanes = Math.floor((LANES * (shard + 1)) / count) - Math.floor((LANES * shard) / count);
    const task: ShardTask = { lanes, firstLane: Math.floor((LANES * shard) / count), logState, segments };
    return new Worker(THREAD, { workerData: task });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const begun = performance.now();
  const done = workers.map((worker) => once(worker, 'message'));
  for (const worker of workers) worker.postMessage('go');
  const results = (await Promise.all(done)) as [{ delivered: number }][];
  const seconds = (performance.now() - begun) / 1000;
  const delivered = results.reduce((sum, [result]) => sum + result.delivered, 0);
  if (delivered !== LANES * EVENTS) throw new Error(`${delivered} deliveries of ${LANES * EVENTS}`);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return seconds;
}

/** A log of so many events, as the collector would leave it. */
function makeLog(): SharedArrayBuffer[] {
  const memories: SharedArrayBuffer[] = [];
  let segment: Segment | undefined;
  let pos = 0;
  const packer = new EventPacker();
  for (let seq = 1; seq <= EVENTS; seq += 1) {
    const attributes = { image: 'nginx:1.27', name: 'web', seq: String(seq).padStart(10, '0') };
    packer.clear();
    packer.add({ type: 'container', action: 'start', id: '0'.repeat(64), attributes });
    const record = packer.records(0, 1);
    if (!segment || pos + record.length > segment.byteLength) {
      segment?.commit(pos);
      segment = Segment.create(1024 * 1024, seq, memories.length + 1);
      memories.push(segment.memory);
      pos = SEGMENT.HEADER_BYTES;
    }
    segment.view.bytes.set(record, pos);
    const view = new EventView(segment.memory);
    view.words[(pos + EVENT.SEQ_LOW) >> 2] = seq;
    view.words[(pos + EVENT.TIME_SEC) >> 2] = 1_800_000_000;
    view.words[(pos + EVENT.TIME_NANOS) >> 2] = seq;
    pos += record.length;
  }
  segment?.commit(pos);
  return memories;
}
