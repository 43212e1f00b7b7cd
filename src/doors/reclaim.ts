import fs from 'node:fs';
import type { OpenSocket } from '../messages/descriptor-table.ts';
import { inodeOf } from './descriptor.ts';
import { pageFileName } from './page-file.ts';
import type { Posix } from './posix.ts';

const FOLDER = '/proc/self/fd';

/**
 * Closes what the thread of a dead shard left open: its file of pages, which Node knows nothing of, and duplicates of listening
 * sockets that it was given and had not come to listen on. To be called before others are made for its successor.
 */
export function reclaimDescriptors(life: number, listenFds: readonly number[]): void {
  for (const name of fs.readdirSync(FOLDER)) {
    const fd = Number(name);
    const target = targetOf(fd);
    const isOurs = target.startsWith(`/memfd:${pageFileName(life)} `);
    if (isOurs || (listenFds.includes(fd) && target.startsWith('socket:') && isListening(target))) fs.closeSync(fd);
  }
}

/**
 * Takes from a thread that hangs what it has not read yet, and what could still come: its clients hear of the end, and so does the thread
 * if it reads once more. For Node reads on for a moment when it ends a thread, without its JavaScript, and aborts the process over an
 * HTTP/2 request that it reads then.
 */
export function deafenSockets(posix: Posix, sockets: readonly OpenSocket[]): void {
  for (const { fd, inode } of sockets) {
    if (inodeOf(fd) !== inode) continue;
    posix.shutdown(fd);
    posix.discard(fd);
  }
}

function targetOf(fd: number): string {
  try {
    return fs.readlinkSync(`${FOLDER}/${fd}`);
  } catch {
    return '';
  }
}

/** What the kernel says of sockets, and how it says there that one listens. Columns are counted from 0. */
const TABLES = [
  { file: '/proc/self/net/unix', inodeAt: 6, stateAt: 3, listens: '00010000' },
  { file: '/proc/self/net/tcp', inodeAt: 9, stateAt: 3, listens: '0A' },
  { file: '/proc/self/net/tcp6', inodeAt: 9, stateAt: 3, listens: '0A' },
] as const;

/** Whether the socket listens: the number may be that of a connection by now. @param target `socket:[inode]` */
function isListening(target: string): boolean {
  const inode = target.slice('socket:['.length, -1);
  return TABLES.some(({ file, inodeAt, stateAt, listens }) =>
    linesOf(file).some((line) => {
      const columns = line.trim().split(/\s+/);
      return columns[inodeAt] === inode && columns[stateAt] === listens;
    }),
  );
}

/** None where the machine has no such sockets. */
function linesOf(file: string): readonly string[] {
  try {
    return fs.readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}
