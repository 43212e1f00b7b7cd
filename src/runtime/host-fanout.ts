import type { MessagePort } from 'node:worker_threads';
import { Fanout } from '../actors/fanout.ts';
import { TocsinError } from '../event/errors.ts';
import { makeEncoder } from '../codec/formats.ts';
import { ClientTable } from '../messages/client-table.ts';
import type { FanoutControl } from '../messages/control.ts';
import { LogState } from '../messages/log-state.ts';
import type { ActorInit } from './actor-init.ts';
import type { DoorHooks } from './door-hooks.ts';
import { systemClock } from './clock.ts';
import { countersOf, defer, type Hosted, listen, outbox } from './hosting.ts';
import { startPortSink } from './port-sink.ts';

/** Heartbeats are in seconds. */
const HEARTBEAT_TICK_MS = 1000;

export async function hostFanout(init: ActorInit, hooks: DoorHooks): Promise<Hosted> {
  const { epoch, shard, memory } = init;
  const counters = countersOf(init);
  const fanout = new Fanout({
    shard,
    epoch,
    logState: new LogState(memory.logState),
    clients: new ClientTable(memory.clients),
    counters,
    clock: systemClock(),
    defer,
    makeEncoder: (format) => makeEncoder(format, epoch),
    // Embedding programs get the lane's memory itself, so it must be shareable; sockets are better off with plain memory.
    allocate: (format) => (format === 'packed' ? allocateShared : (bytes) => Buffer.allocUnsafeSlow(bytes)),
    collector: outbox(init, 'collector'),
    buffer: outbox(init, 'buffer'),
    main: outbox(init, 'main'),
  });
  listen<Parameters<Fanout['receive']>[0]>(init, (message) => fanout.receive(message));
  const doors = await hooks.openDoors(fanout, init, counters);
  const timer = setInterval(() => fanout.tick(), HEARTBEAT_TICK_MS);
  return {
    control: {
      clients: () => fanout.clients(),
      async addClient(subscription, port) {
        const handle = await fanout.subscribe(subscription);
        startPortSink(handle, port);
        return { row: handle.row, generation: handle.generation };
      },
    } satisfies FanoutControl<MessagePort>,
    async stop() {
      clearInterval(timer);
      fanout.cutClients(new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline was stopped'));
      await doors.close();
    },
  };
}

function allocateShared(byteLength: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(byteLength));
}
