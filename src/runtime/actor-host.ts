import { TocsinError } from '../event/errors.ts';
import type { ActorInit } from './actor-init.ts';
import { serveControl } from './control.ts';
import type { DoorHooks } from './door-hooks.ts';
import type { Hosted } from './hosting.ts';

/**
 * Brings one actor to life on the current thread, worker or main: makes its ports of the links, gives it a clock, and serves
 * its control methods. `start` answers when the actor works; `stop` when it holds nothing any more.
 */
export function hostActor(init: ActorInit, hooks: DoorHooks): void {
  let starting: Promise<Hosted> | undefined;
  const start = (): Promise<Hosted> => (starting ??= host(init, hooks));
  serveControl(async (method, args) => {
    if (method === 'start') {
      await start();
      return;
    }
    if (method === 'stop') {
      // An actor that could not start holds nothing.
      const hosted = await starting?.catch(() => undefined);
      await hosted?.stop();
      for (const port of Object.values(init.links)) port?.close();
      // The answer still has to leave through this port.
      setImmediate(() => init.control.close());
      return;
    }
    const call = (await start()).control[method];
    if (!call) throw new TocsinError('ERR_INTERNAL', `${init.name} has no control method ${method}`);
    return call(...(args as never[]));
  }, init.control);
}

/** Each thread loads the code of its own actor only: that is a good part of what an idle thread weighs. */
async function host(init: ActorInit, hooks: DoorHooks): Promise<Hosted> {
  switch (init.name) {
    case 'monitored':
      return (await import('./host-monitored.ts')).hostMonitored(init, hooks);
    case 'sources':
      return (await import('./host-sources.ts')).hostSources(init, hooks);
    case 'collector':
      return (await import('./host-collector.ts')).hostCollector(init);
    case 'buffer':
      return (await import('./host-buffer.ts')).hostBuffer(init);
    case 'clients-checker':
      return (await import('./host-clients-checker.ts')).hostClientsChecker(init);
    default:
      return (await import('./host-fanout.ts')).hostFanout(init, hooks);
  }
}
