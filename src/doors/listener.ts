import fs from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { SocketFile } from '../event/socket-address.ts';
import { accountNumber, GROUP, PASSWD } from './accounts.ts';
import { loadPosix, type Posix } from './posix.ts';

/** A bound socket: any number of servers may listen on duplicates of its descriptor. */
export interface Listener {
  /** One's own descriptor of the listening socket; whoever listens on it closes it. */
  duplicate(): number;
  /** Unlinks the path of a unix socket, unless someone else has taken it meanwhile. */
  close(): void;
}

/** Who may connect. */
export type SocketAccess = Omit<SocketFile, 'path'>;

const CONNECT_LIMIT_MS = 1_000;
const KEEP = -1;

/**
 * Binds a unix socket in a folder of its own that nobody else can enter, and moves it to `path` once it is whose it should be: a
 * stale socket is replaced atomically, nobody connects who may not, and nothing that closes a server later unlinks the path.
 * @throws ERR_SOCKET_UNUSABLE when something answers on the path already, it cannot be bound, or not be given to who should own it
 * @throws ERR_OPTION_INVALID for an owner or a group that is not known
 */
export async function bindListener(path: string, access: SocketAccess): Promise<Listener> {
  const posix = await loadPosix();
  if (await answers(path)) throw new TocsinError('ERR_SOCKET_UNUSABLE', `something listens on ${path} already`);
  if (fs.existsSync(path) && !fs.lstatSync(path).isSocket()) {
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `${path} exists and is not a socket`);
  }
  const folder = dirname(path);
  // Binding there would fail with a permission error, which it is not.
  if (!fs.existsSync(folder)) throw new TocsinError('ERR_SOCKET_UNUSABLE', `there is no folder ${folder}`);
  const server = net.createServer();
  let closet: string | undefined;
  try {
    closet = fs.mkdtempSync(`${path}.`);
    const temporary = join(closet, 's');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: temporary, backlog: 1024 }, resolve);
    });
    fs.chmodSync(temporary, access.mode);
    give(temporary, path, access);
    fs.renameSync(temporary, path);
  } catch (error) {
    server.close();
    throw asTocsinError(error, 'ERR_SOCKET_UNUSABLE');
  } finally {
    if (closet !== undefined) fs.rmSync(closet, { recursive: true, force: true });
  }
  const inode = fs.lstatSync(path).ino;
  const held = holdListening(server, posix);
  return {
    duplicate: () => held.duplicate(),
    close() {
      held.close();
      try {
        if (fs.lstatSync(path).ino === inode) fs.unlinkSync(path);
      } catch {
        // Gone already: that is what we want.
      }
    },
  };
}

/** Takes the listening socket from a server, which it closes. */
export function holdListening(server: net.Server, posix: Posix): Listener {
  // Node has no other way to the descriptor of a listening server.
  const fd = (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
  const held = posix.dup(fd);
  server.close();
  return { duplicate: () => posix.dup(held), close: () => fs.closeSync(held) };
}

function give(file: string, path: string, { owner, group }: SocketAccess): void {
  if (owner === undefined && group === undefined) return;
  const uid = owner === undefined ? KEEP : accountNumber(owner, PASSWD);
  const gid = group === undefined ? KEEP : accountNumber(group, GROUP);
  try {
    fs.chownSync(file, uid, gid);
  } catch (cause) {
    const to = [owner && `owner ${owner}`, group && `group ${group}`].filter(Boolean).join(' and ');
    throw new TocsinError('ERR_SOCKET_UNUSABLE', `${path} cannot be given to ${to}; only root gives to anybody`, {
      cause,
    });
  }
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
