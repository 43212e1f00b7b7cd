import fs from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { SocketFile } from '../event/socket-address.ts';
import { accountNumber, GROUP, PASSWD } from './accounts.ts';
import type { InheritedDescriptor } from './inherited.ts';
import { loadPosix, type Posix } from './posix.ts';

/** A bound socket: any number of servers may listen on duplicates of its descriptor. */
export interface Listener {
  /** Of a unix socket; of another one the address, as it was asked for. */
  readonly path: string;
  /** Of the listening socket; open as long as this is. */
  readonly fd: number;
  /** Whoever handed the socket down keeps it and its path. */
  readonly isKept: boolean;
  /** One's own descriptor of the listening socket; whoever listens on it closes it. */
  duplicate(): number;
  /** Another process goes on with the socket: `close` lets it and its path be. */
  leave(): void;
  /** Unlinks the path of a unix socket, unless someone else has taken it meanwhile. */
  close(): void;
}

/** Who may connect. */
export type SocketAccess = Omit<SocketFile, 'path'>;

/** Connections that may wait to be accepted: all there are wait while one daemon takes over from another. The system has a limit, too. */
export const BACKLOG = 4_096;
const CONNECT_LIMIT_MS = 1_000;
const KEEP = -1;

/**
 * Binds a unix socket in a folder of its own that nobody else can enter, and moves it to `path` once it is whose it should be: a
 * stale socket is replaced atomically, nobody connects who may not, and nothing that closes a server later unlinks the path.
 * @param inherited the socket is there already: one that nobody else keeps is given to who should own it now
 * @throws ERR_SOCKET_UNUSABLE when something answers on the path already, it cannot be bound, or not be given to who should own it
 * @throws ERR_OPTION_INVALID for an owner or a group that is not known
 */
export async function bindListener(
  path: string,
  access: SocketAccess,
  inherited?: InheritedDescriptor,
): Promise<Listener> {
  const posix = await loadPosix();
  if (inherited) return adopt(posix, path, access, inherited);
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
      server.listen({ path: temporary, backlog: BACKLOG }, resolve);
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
  return holding(posix, { path, fd: takeListening(server, posix), isKept: false });
}

function adopt(posix: Posix, path: string, access: SocketAccess, { fd, isKept }: InheritedDescriptor): Listener {
  try {
    if (!isKept) {
      fs.chmodSync(path, access.mode);
      give(path, path, access);
    }
    return holding(posix, { path, fd, isKept });
  } catch (error) {
    fs.closeSync(fd);
    throw asTocsinError(error, 'ERR_SOCKET_UNUSABLE');
  }
}

function holding(posix: Posix, socket: InheritedDescriptor & { readonly path: string }): Listener {
  const { path, fd, isKept } = socket;
  const inode = fs.lstatSync(path).ino;
  let isOurs = !isKept;
  return {
    ...socket,
    duplicate: () => posix.dup(fd),
    leave: () => (isOurs = false),
    close() {
      fs.closeSync(fd);
      if (!isOurs) return;
      try {
        if (fs.lstatSync(path).ino === inode) fs.unlinkSync(path);
      } catch {
        // Gone already: that is what we want.
      }
    },
  };
}

/** Takes the listening socket from a server, which it closes. @returns the descriptor */
export function takeListening(server: net.Server, posix: Posix): number {
  // Node has no other way to the descriptor of a listening server.
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const held = posix.dup(fd);
  server.close();
  return held;
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
