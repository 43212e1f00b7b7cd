import fs from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import { loadPosix } from './posix.ts';

/** A bound unix socket: any number of servers may listen on duplicates of its descriptor. */
export interface Listener {
  readonly path: string;
  /** One's own descriptor of the listening socket; whoever listens on it closes it. */
  duplicate(): number;
  /** Unlinks the path, unless someone else has taken it meanwhile. */
  close(): void;
}

const CONNECT_LIMIT_MS = 1_000;

/**
 * Binds a unix socket under a temporary name and renames it to `path`: a stale socket is replaced atomically, and nothing that
 * closes a server later unlinks the path.
 * @throws ERR_SOCKET_UNUSABLE when something answers on the path already, or it cannot be bound
 */
export async function bindListener(path: string, mode: number): Promise<Listener> {
  const posix = await loadPosix();
  if (await answers(path)) throw new TocsinError('ERR_SOCKET_UNUSABLE', `something listens on ${path} already`);
  if (fs.existsSync(path) && !fs.lstatSync(path).isSocket()) {
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `${path} exists and is not a socket`);
  }
  const folder = dirname(path);
  // Binding there would fail with a permission error, which it is not.
  if (!fs.existsSync(folder)) throw new TocsinError('ERR_SOCKET_UNUSABLE', `there is no folder ${folder}`);
  const temporary = `${path}.${process.pid}.tmp`;
  const server = net.createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: temporary, backlog: 1024 }, resolve);
    });
    fs.chmodSync(temporary, mode);
    fs.renameSync(temporary, path);
  } catch (error) {
    server.close();
    throw asTocsinError(error, 'ERR_SOCKET_UNUSABLE');
  }
  const inode = fs.lstatSync(path).ino;
  // Node has no other way to the descriptor of a listening server.
  const fd = (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
  const held = posix.dup(fd);
  server.close();
  return {
    path,
    duplicate: () => posix.dup(held),
    close() {
      fs.closeSync(held);
      try {
        if (fs.lstatSync(path).ino === inode) fs.unlinkSync(path);
      } catch {
        // Gone already: that is what we want.
      }
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const settle = (does: boolean): void => {
      socket.destroy();
      resolve(does);
    };
    socket.setTimeout(CONNECT_LIMIT_MS, () => settle(true));
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
