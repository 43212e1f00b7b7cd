import type { MessagePort } from 'node:worker_threads';
import { Fanout } from '../actors/fanout.ts';
import { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import { parseSecretWords } from '../event/secret-names.ts';
import { makeEncoder } from '../codec/formats.ts';
import { Redactor } from '../codec/redactor.ts';
import { ClientTable } from '../messages/client-table.ts';
import type { ClientRow, FanoutControl, Subscription } from '../messages/control.ts';
import { LiveSettings } from '../messages/live-settings.ts';
import { LogState } from '../messages/log-state.ts';
import type { HostInit } from './actor-init.ts';
import type { DoorHooks } from './door-hooks.ts';
import { systemClock } from './clock.ts';
import { serveControl } from './control.ts';
import { countersOf, type Hosted, outbox, standByOf } from './hosting.ts';
import { startPortSink } from './port-sink.ts';

/** Heartbeats are in seconds. */
const HEARTBEAT_TICK_MS = 1000;
/** A step or two. */
const CLOSE_EVENTS = 2_048;

export async function hostFanout(init: HostInit, hooks: DoorHooks): Promise<Hosted> {
  const { recovered, shard, memory } = init;
  const epochs = new Epochs(recovered.epochs);
  const counters = countersOf(init);
  const standBy = standByOf(init);
  const settings = new LiveSettings(memory.settings);
  const fanout = new Fanout({
    shard,
    life: init.life,
    epochs,
    headSeq: recovered.headSeq,
    logState: new LogState(memory.logState),
    clients: new ClientTable(memory.clients),
    counters,
    clock: systemClock(),
    defer: standBy.defer,
    later: standBy.later,
    maxDelayMs: init.options.maxDelay,
    closeEvents: CLOSE_EVENTS,
    limits: {
      get clients() {
        return settings.get('maxClients');
      },
      get replays() {
        return settings.get('maxReplays');
      },
    },
    maxLagBytes: init.options.maxLagBytes,
    redactor: new Redactor(parseSecretWords(init.options.redactNames)),
    makeEncoder: (format) => makeEncoder(format, epochs),
    // Embedding programs get the lane's memory itself, so it must be shareable; sockets are better off with plain memory.
    allocate: (format) => (format === 'packed' ? allocateShared : (bytes) => Buffer.allocUnsafeSlow(bytes)),
    collector: outbox(init, 'collector'),
    buffer: outbox(init, 'buffer'),
    main: outbox(init, 'main'),
  });
  standBy.attend({
    wake: () => fanout.receive({ type: 'appended' }),
    get mayPark() {
      return !fanout.awaitsClients;
    },
  });
  for (const segment of init.segments) fanout.receive({ type: 'segment-opened', memory: segment });
  init.links.listen<Parameters<Fanout['receive']>[0]>((message) => {
    standBy.woken();
    fanout.receive(message);
  });
  // One shard is enough; the file is one more client of it.
  const eventLog =
    shard === 0 && init.options.eventLog
      ? await (await import('./event-log.ts')).openEventLog(
          fanout,
          {
            path: init.options.eventLog,
            after: epochs.cursor(recovered.headSeq),
            redact: init.options.redact,
          },
          counters,
        )
      : undefined;
  const doors = await hooks.openDoors(fanout, init, counters);
  const timer = setInterval(() => fanout.tick(), HEARTBEAT_TICK_MS);
  const addClient = async (subscription: Subscription, port: MessagePort): Promise<ClientRow> => {
    const handle = await fanout.subscribe(subscription);
    startPortSink(handle, port);
    return { row: handle.row, generation: handle.generation };
  };
  const connections = new Set<MessagePort>();
  return {
    relinked(name) {
      if (name === 'buffer' || name === 'collector') fanout.askAgain(name);
    },
    control: {
      clients: () => fanout.clients(),
      latencies: () => fanout.latencies,
      addClient,
      stopListening: (flushLimitMs) => doors.stopListening(flushLimitMs),
      reopenEventLog() {
        eventLog?.reopen();
        return eventLog !== undefined;
      },
      reloadCertificates: () => doors.reloadCertificates(),
      serveConnection(port) {
        connections.add(port);
        port.on('close', () => connections.delete(port));
        serveControl((method, args) => {
          if (method !== 'addClient') throw new TocsinError('ERR_INTERNAL', `a connection has no method ${method}`);
          return addClient(...(args as Parameters<typeof addClient>));
        }, port);
      },
    } satisfies FanoutControl<MessagePort>,
    async stop() {
      clearInterval(timer);
      for (const port of connections) port.close();
      fanout.cutClients(new TocsinError('ERR_PIPELINE_CLOSED', 'the pipeline was stopped'));
      await Promise.all([doors.close(), eventLog?.close()]);
    },
  };
}

function allocateShared(byteLength: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(byteLength));
}
