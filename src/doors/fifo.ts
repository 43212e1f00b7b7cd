import fs from 'node:fs';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import type { InheritedDescriptor } from './inherited.ts';
import { loadPosix, type Posix } from './posix.ts';

const { O_RDWR, O_NONBLOCK, O_NOFOLLOW } = fs.constants;
/** 1,536 records; what iSulad asks for too. Without the privilege the pipe stays at what it is. */
const PIPE_BYTES = 1 << 20;

/** The monitor FIFO, held by main: actors read through `fd`, which outlives them. */
export interface Fifo {
  readonly path: string;
  readonly fd: number;
  close(): void;
}

/**
 * Creates the FIFO if it is missing, checks that it is one and ours, and locks it. A second daemon is refused and changes
 * nothing.
 * @param inherited its descriptor: what is in the pipe has stayed there, and so has the lock
 * @throws ERR_FIFO_NOT_A_FIFO, ERR_FIFO_FOREIGN, ERR_FIFO_LOCKED, ERR_FIFO_UNUSABLE, ERR_POSIX_UNAVAILABLE
 */
export async function openFifo(path: string, inherited?: InheritedDescriptor): Promise<Fifo> {
  const posix = await loadPosix();
  if (inherited) return hold(posix, path, inherited.fd);
  if (!fs.existsSync(path) && posix.mkfifo(path, 0o600) !== 0 && !fs.existsSync(path)) {
    throw new TocsinError('ERR_FIFO_UNUSABLE', `cannot create the monitor FIFO ${path}`);
  }
  // Looked at before opening: opening a device or another daemon's socket could have effects.
  check(path, fs.lstatSync(path));
  let fd: number;
  try {
    // O_RDWR: the FIFO never reports end of file when senders come and go.
    fd = fs.openSync(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    throw asTocsinError(error, 'ERR_FIFO_UNUSABLE');
  }
  return hold(posix, path, fd);
}

function hold(posix: Posix, path: string, fd: number): Fifo {
  try {
    check(path, fs.fstatSync(fd));
    if (posix.lockDescription(fd) !== 0) {
      throw new TocsinError('ERR_FIFO_LOCKED', `another daemon reads the monitor FIFO ${path}`);
    }
    posix.setPipeSize(fd, PIPE_BYTES);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return { path, fd, close: () => fs.closeSync(fd) };
}

function check(path: string, stat: fs.Stats): void {
  if (!stat.isFIFO()) throw new TocsinError('ERR_FIFO_NOT_A_FIFO', `${path} is not a FIFO`);
  const uid = process.geteuid?.() ?? 0;
  if (stat.uid !== uid) {
    throw new TocsinError('ERR_FIFO_FOREIGN', `${path} belongs to uid ${stat.uid}, not to us (uid ${uid})`);
  }
}
