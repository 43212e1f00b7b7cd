import fs from 'node:fs';
import { pageFileName } from './page-file.ts';

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

function targetOf(fd: number): string {
  try {
    return fs.readlinkSync(`${FOLDER}/${fd}`);
  } catch {
    return '';
  }
}

/** Whether it is a unix socket that listens: the number may be that of a connection by now. @param target `socket:[inode]` */
function isListening(target: string): boolean {
  const inode = target.slice('socket:['.length, -1);
  const line = fs
    .readFileSync('/proc/self/net/unix', 'latin1')
    .split('\n')
    .find((candidate) => candidate.split(/\s+/)[6] === inode);
  return line?.split(/\s+/)[3] === ACCEPTS_CONNECTIONS;
}

/** Of the flags in /proc/net/unix. */
const ACCEPTS_CONNECTIONS = '00010000';
