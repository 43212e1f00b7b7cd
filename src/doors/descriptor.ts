import fs from 'node:fs';
import type net from 'node:net';

/** The descriptor of a socket, which Node has no other way to. It is the socket's until that is destroyed; undefined then. */
export function descriptorOf(socket: net.Socket): number | undefined {
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/** The low 32 bits; undefined when the descriptor is that of no socket. */
export function inodeOf(fd: number): number | undefined {
  try {
    const stats = fs.fstatSync(fd, { bigint: true });
    return stats.isSocket() ? Number(stats.ino & 0xffff_ffffn) : undefined;
  } catch {
    return undefined;
  }
}
