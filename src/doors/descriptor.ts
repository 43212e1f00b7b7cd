import fs from 'node:fs';
import type net from 'node:net';

/** The descriptor of a socket, which Node has no other way to. It is the socket's until that is destroyed; undefined then. */
export function descriptorOf(socket: net.Socket): number | undefined {
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/** The low 32 bits; undefined when there is no such descriptor. */
export function inodeOf(fd: number): number | undefined {
  try {
    return Number(fs.fstatSync(fd, { bigint: true }).ino & 0xffff_ffffn);
  } catch {
    return undefined;
  }
}
