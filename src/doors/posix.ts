import { TocsinError } from '../event/errors.ts';

/** The few POSIX calls that Node does not offer. Each returns -1 on failure. */
export interface Posix {
  mkfifo(path: string, mode: number): number;
  /** Takes a write lock of the open file description; -1 when another one holds it. */
  lockDescription(fd: number): number;
  /** @returns the size that the pipe has now */
  setPipeSize(fd: number, bytes: number): number;
  dup(fd: number): number;
}

const F_OFD_SETLK = 37;
const F_SETPIPE_SZ = 1031;
const F_WRLCK = 1;

let loaded: Promise<Posix> | undefined;

/** Loads koffi, once, on the main thread. @throws ERR_POSIX_UNAVAILABLE where it has no build for the platform */
export function loadPosix(): Promise<Posix> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Posix> {
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load('libc.so.6');
    const mkfifo = libc.func('int mkfifo(const char *path, uint mode)') as (path: string, mode: number) => number;
    // fcntl is variadic in C; the third argument's type has to be named at each call.
    const fcntl = libc.func('int fcntl(int fd, int cmd, ...)') as (
      fd: number,
      cmd: number,
      ...rest: unknown[]
    ) => number;
    const dup = libc.func('int dup(int fd)') as (fd: number) => number;
    const lock = koffi.struct({ l_type: 'short', l_whence: 'short', l_start: 'long', l_len: 'long', l_pid: 'int' });
    const lockPointer = koffi.pointer(lock);
    return {
      mkfifo,
      dup,
      setPipeSize: (fd, bytes) => fcntl(fd, F_SETPIPE_SZ, 'int', bytes),
      // Whole file; an open-file-description lock wants pid 0 and survives that others in the process close the FIFO.
      lockDescription: (fd) =>
        fcntl(fd, F_OFD_SETLK, lockPointer, { l_type: F_WRLCK, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }),
    };
  } catch (error) {
    throw new TocsinError('ERR_POSIX_UNAVAILABLE', `koffi cannot be loaded on ${process.platform}-${process.arch}`, {
      cause: error,
    });
  }
}
