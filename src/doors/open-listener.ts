import type { AdminAddress } from '../event/admin-address.ts';
import type { ListenerAddress } from '../event/listener-address.ts';
import type { Inherited } from './inherited.ts';
import { bindListener, type Listener } from './listener.ts';

/** The socket of this address: one that was handed down for it, or else one that is bound there. @throws as bindListener, bindTcpListener */
export async function openListener(address: ListenerAddress | AdminAddress, inherited: Inherited): Promise<Listener> {
  if ('path' in address) return bindListener(address.path, address, inherited.takeSocket(address.path));
  const { bindTcpListener } = await import('./tcp-listener.ts');
  return bindTcpListener(address, inherited);
}
