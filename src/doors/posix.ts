import { TocsinError } from '../event/errors.ts';

/** The few POSIX calls that Node does not offer. Each returns -1 on failure. */
export interface Posix {
  mkfifo(path: string, mode: number): number;
  /** Takes a write lock of the open file description; -1 when another one holds it. */
  lockDescription(fd: number): number;
  /** @returns the size that the pipe has now */
  setPipeSize(fd: number, bytes: number): number;
  dup(fd: number): number;
  /** SO_PEERCRED of a unix socket: pid, uid and gid of the other end; undefined when there is none. */
  peer(fd: number): readonly [pid: number, uid: number, gid: number] | undefined;
  /** SO_PEERGROUPS: its supplementary groups. */
  peerGroups(fd: number): readonly number[];
  /** Without waiting and without a signal. @returns bytes that were sent */
  send(fd: number, bytes: Uint8Array, length: number): number;
  /** @returns bytes that were sent */
  sendFile(to: number, from: number, offset: number, length: number): number;
  close(fd: number): number;
  /** A file without a name, in memory. @returns its descriptor, for `close`: Node does not know of it */
  memoryFile(name: string): number;
  /** Frees the pages of a part of a file. */
  punchHole(fd: number, offset: number, length: number): number;
  /** Gives the system back what the C library keeps of freed memory. @returns 1 when there was some */
  trimMemory(): number;
}

const F_OFD_SETLK = 37;
const F_SETPIPE_SZ = 1031;
const F_WRLCK = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
/** NGROUPS_MAX of Linux. */
const MAX_GROUPS = 65_536;
const MFD_CLOEXEC = 1;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

let loaded: Promise<Posix> | undefined;

/** Loads koffi, once a thread. @throws ERR_POSIX_UNAVAILABLE where it has no build for the platform */
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
    const close = libc.func('int close(int fd)') as (fd: number) => number;
    const dup = libc.func('int dup(int fd)') as (fd: number) => number;
    const send = libc.func('long send(int fd, void *bytes, size_t length, int flags)') as (
      fd: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
    ) => number;
    const sendfile = libc.func('long sendfile(int to, int from, void *offset, size_t length)') as (
      to: number,
      from: number,
      offset: Uint32Array,
      length: number,
    ) => number;
    const memfdCreate = libc.func('int memfd_create(const char *name, uint flags)') as (
      name: string,
      flags: number,
    ) => number;
    const fallocate = libc.func('int fallocate(int fd, int mode, int64 offset, int64 length)') as (
      fd: number,
      mode: number,
      offset: number,
      length: number,
    ) => number;
    const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)') as (
      fd: number,
      level: number,
      name: number,
      value: Uint32Array,
      length: Uint32Array,
    ) => number;
    /** @returns the words that there are; undefined when it fails */
    const socketOption = (fd: number, name: number, words: number): Uint32Array | undefined => {
      const value = new Uint32Array(words);
      const length = new Uint32Array([value.byteLength]);
      if (getsockopt(fd, SOL_SOCKET, name, value, length) !== 0) return undefined;
      return value.subarray(0, length[0]! / Uint32Array.BYTES_PER_ELEMENT);
    };
    const mallocTrim = libc.func('int malloc_trim(size_t pad)') as (pad: number) => number;
    // An off_t for sendfile, which moves it on.
    const offset = new Uint32Array(2);
    const lock = koffi.struct({ l_type: 'short', l_whence: 'short', l_start: 'long', l_len: 'long', l_pid: 'int' });
    const lockPointer = koffi.pointer(lock);
    return {
      mkfifo,
      dup,
      close,
      peer(fd) {
        const [pid, uid, gid] = socketOption(fd, SO_PEERCRED, 3) ?? [];
        return pid === undefined || uid === undefined || gid === undefined ? undefined : [pid, uid, gid];
      },
      peerGroups: (fd) => [...(socketOption(fd, SO_PEERGROUPS, MAX_GROUPS) ?? [])],
      send: (fd, bytes, length) => send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL),
      sendFile(to, from, at, length) {
        offset[0] = at;
        offset[1] = at / 0x100000000;
        return sendfile(to, from, offset, length);
      },
      trimMemory: () => mallocTrim(0),
      memoryFile: (name) => memfdCreate(name, MFD_CLOEXEC),
      punchHole: (fd, at, length) => fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, at, length),
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
