import { TocsinError } from '../event/errors.ts';
import type { ActorInit, ActorName } from './actor-init.ts';
import { serveControl } from './control.ts';
import type { DoorHooks } from './door-hooks.ts';
import type { Hosted } from './hosting.ts';

/**
 * Brings one actor to life on the current thread, worker or main: makes its ports of the links, gives it a clock, and serves
 * its control methods. `start` answers when the actor works; `stop` when it holds nothing any more.
 */
export function hostActor(init: ActorInit, hooks: DoorHooks, loading = loadActor(init.name)): void {
  let starting: Promise<Hosted> | undefined;
  const start = (): Promise<Hosted> => (starting ??= loading.then((host) => host(init, hooks)));
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

type Host = (init: ActorInit, hooks: DoorHooks) => Hosted | Promise<Hosted>;

/** Each thread loads the code of its own actor only: that is a good part of what an idle thread weighs. */
export async function loadActor(name: ActorName): Promise<Host> {
  switch (name) {
    case 'monitored':
      return (await import('./host-monitored.ts')).hostMonitored;
    case 'sources':
      return (await import('./host-sources.ts')).hostSources;
    case 'collector':
      return (await import('./host-collector.ts')).hostCollector;
    case 'buffer':
      return (await import('./host-buffer.ts')).hostBuffer;
    case 'clients-checker':
      return (await import('./host-clients-checker.ts')).hostClientsChecker;
    default:
      return (await import('./host-fanout.ts')).hostFanout;
  }
}
