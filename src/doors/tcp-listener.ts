import net from 'node:net';
import { TocsinError } from '../event/errors.ts';
import { isLoopback } from '../event/host-and-port.ts';
import { listenerPlace, type TcpListener } from '../event/listener-address.ts';
import fs from 'node:fs';
import type { Inherited, InheritedDescriptor } from './inherited.ts';
import { BACKLOG, type Listener, takeListening } from './listener.ts';
import { serverOptions } from './tls-handshakes.ts';
import { loadPosix, type Posix } from './posix.ts';

/**
 * Binds a TCP socket, for TLS once its certificates have been read, or takes the one that was handed down for the same address.
 * @throws ERR_SOCKET_UNUSABLE when it cannot be bound, or is none of this machine alone and without TLS
 * @throws ERR_LISTENER_TLS
 */
export async function bindTcpListener(address: TcpListener, inherited: Inherited): Promise<Listener> {
  const { host, port, tls } = address;
  const place = listenerPlace(address);
  const posix = await loadPosix();
  // What nobody could connect to should not begin to listen.
  if (tls) serverOptions(tls);
  const handedDown = inherited.takePort(place);
  if (handedDown) return holding(posix, place, handedDown);
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new TocsinError('ERR_SOCKET_UNUSABLE', `cannot listen on ${place}: ${cause.message}`, { cause })),
    );
    server.listen({ host, port, backlog: BACKLOG }, resolve);
  });
  const bound = server.address() as net.AddressInfo;
  // A name is what the machine takes it for.
  if (!tls && !isLoopback(bound.address)) {
    server.close();
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `${place} is ${bound.address}, which is not this machine alone`);
  }
  return holding(posix, place, { fd: takeListening(server, posix), isKept: false });
}

function holding(posix: Posix, path: string, { fd, isKept }: InheritedDescriptor): Listener {
  return { path, fd, isKept, duplicate: () => posix.dup(fd), leave() {}, close: () => fs.closeSync(fd) };
}
