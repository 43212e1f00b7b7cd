import net from 'node:net';
import { TocsinError } from '../event/errors.ts';
import { isLoopback } from '../event/host-and-port.ts';
import { listenerPlace, type TcpListener } from '../event/listener-address.ts';
import { holdListening, type Listener } from './listener.ts';
import { serverOptions } from './tls-handshakes.ts';
import { loadPosix } from './posix.ts';

/**
 * Binds a TCP socket, for TLS once its certificates have been read.
 * @throws ERR_SOCKET_UNUSABLE when it cannot be bound, or is none of this machine alone and without TLS
 * @throws ERR_LISTENER_TLS
 */
export async function bindTcpListener(address: TcpListener): Promise<Listener> {
  const { host, port, tls } = address;
  const place = listenerPlace(address);
  const posix = await loadPosix();
  // What nobody could connect to should not begin to listen.
  if (tls) serverOptions(tls);
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new TocsinError('ERR_SOCKET_UNUSABLE', `cannot listen on ${place}: ${cause.message}`, { cause })),
    );
    server.listen({ host, port, backlog: 1024 }, resolve);
  });
  const bound = server.address() as net.AddressInfo;
  // A name is what the machine takes it for.
  if (!tls && !isLoopback(bound.address)) {
    server.close();
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `${place} is ${bound.address}, which is not this machine alone`);
  }
  return holdListening(server, posix);
}
