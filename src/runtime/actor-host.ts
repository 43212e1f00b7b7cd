import { TocsinError } from '../event/errors.ts';
import type { MessagePort } from 'node:worker_threads';
import type { ActorInit, ActorName, HostInit } from './actor-init.ts';
import { serveControl } from './control.ts';
import type { DoorHooks } from './door-hooks.ts';
import type { Hosted } from './hosting.ts';
import { Links } from './links.ts';
import { ownThreadId } from './pulse.ts';

/**
 * Brings one actor to life on the current thread, worker or main: makes its ports of the links, gives it a clock, and serves
 * its control methods. `start` answers with the number of its thread when the actor works; `stop` when it holds nothing any more; `relink` when whatever came
 * from an actor that has died was heard, and its successor can be.
 */
export function hostActor(init: ActorInit, hooks: DoorHooks, loading = loadActor(init.name)): void {
  let starting: Promise<Hosted> | undefined;
  const links = new Links(init.links);
  const start = (): Promise<Hosted> => (starting ??= loading.then((host) => host({ ...init, links }, hooks)));
  serveControl(async (method, args) => {
    if (method === 'start') {
      await start();
      return ownThreadId();
    }
    if (method === 'stop') {
      // An actor that could not start holds nothing.
      const hosted = await starting?.catch(() => undefined);
      await hosted?.stop();
      links.close();
      // The answer still has to leave through this port.
      setImmediate(() => init.control.close());
      return;
    }
    const running = await start();
    if (method === 'relink') {
      const [name, port] = args as [ActorName, MessagePort];
      links.relink(name, port);
      running.relinked?.(name);
      return;
    }
    const call = running.control[method];
    if (!call) throw new TocsinError('ERR_INTERNAL', `${init.name} has no control method ${method}`);
    return call(...(args as never[]));
  }, init.control);
}

type Host = (init: HostInit, hooks: DoorHooks) => Hosted | Promise<Hosted>;

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
