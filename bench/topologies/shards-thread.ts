import { parentPort, workerData } from 'node:worker_threads';
import type { Sink } from '../../src/actors/client.ts';
import { Fanout } from '../../src/actors/fanout.ts';
import { Epochs } from '../../src/event/epochs.ts';
import { Redactor } from '../../src/codec/redactor.ts';
import { makeEncoder } from '../../src/codec/formats.ts';
import { ClientTable } from '../../src/messages/client-table.ts';
import { counterBytes, Counters } from '../../src/messages/counters.ts';
import { Segment } from '../../src/history/segment.ts';
import { LogState } from '../../src/messages/log-state.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { StandBy } from '../../src/runtime/stand-by.ts';

/** One shard of shards.ts: its lanes, all different, with a sink that takes everything and does nothing. */
export interface ShardTask {
  readonly lanes: number;
  /** Filters are numbered, so that no two lanes are alike. */
  readonly firstLane: number;
  readonly logState: SharedArrayBuffer;
  readonly segments: readonly SharedArrayBuffer[];
}

const task = workerData as ShardTask;
const nobody = { post: () => {} };
const logState = new LogState(task.logState);
const { defer, later } = new StandBy(undefined);
const head = logState.headSeq;
logState.headSeq = 0;
const epochs = new Epochs([{ epoch: 'aaaaaaaa', firstSeq: 1 }]);
const fanout = new Fanout({
  shard: 0,
  life: 1,
  epochs,
  headSeq: 0,
  logState,
  clients: new ClientTable(ClientTable.allocate(1)),
  counters: new Counters(new SharedArrayBuffer(counterBytes(1)), 0),
  clock: systemClock(),
  defer,
  later,
  maxDelayMs: 0,
  closeEvents: 2_048,
  limits: { clients: 0, replays: 0 },
  maxLagBytes: 0,
  makeEncoder: (format) => makeEncoder(format, epochs),
  allocate: () => (bytes) => Buffer.allocUnsafeSlow(bytes),
  redactor: new Redactor(),
  collector: nobody,
  buffer: nobody,
  main: nobody,
});
let delivered = 0;
const sink: Sink = {
  write(_, events) {
    delivered += events;
    return true;
  },
  isClear: () => true,
  gap: () => true,
  heartbeat() {},
  end() {},
};
for (let lane = 0; lane < task.lanes; lane += 1) {
  const handle = await fanout.subscribe({
    door: 'bench',
    peer: 'bench',
    format: 'json-chunked',
    start: { from: 'live' },
    follow: true,
    // Shows everything, and is nobody else's filter.
    filter: [{ key: 'label', op: '!=', value: `lane${task.firstLane + lane}` }],
    lagLimit: 0,
    heartbeatMs: 0,
  });
  handle.start(sink);
}
parentPort?.once('message', () => {
  const begun = performance.now();
  logState.headSeq = head;
  let opened = 0;
  const wait = (): void => {
    // A segment at a time: there is no buffer that would have the older ones.
    const next = task.segments[opened];
    if (next && delivered === (Segment.of(next).firstSeq - 1) * task.lanes) {
      opened += 1;
      fanout.receive({ type: 'segment-opened', memory: next });
    }
    if (delivered < head * task.lanes) return void setImmediate(wait);
    parentPort?.postMessage({ ms: performance.now() - begun, delivered });
    process.exit();
  };
  wait();
});
parentPort?.postMessage('ready');
