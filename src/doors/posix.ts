import { TocsinError } from '../event/errors.ts';

/** The few POSIX calls that Node does not offer. Each returns -1 on failure. */
export interface Posix {
  mkfifo(path: string, mode: number): number;
  /** Takes a write lock of the open file description; -1 when another one holds it. */
  lockDescription(fd: number): number;
  /** @returns the size that the pipe has now */
  setPipeSize(fd: number, bytes: number): number;
  /** The new descriptor is not handed down to other programs. */
  dup(fd: number): number;
  /** Of a socket, in both directions. */
  shutdown(fd: number): number;
  /** Takes what has come over a socket and was not read. */
  discard(fd: number): void;
  /** Keeps a descriptor that was inherited from being handed down to other programs. */
  closeOnExec(fd: number): number;
  /** The path that a unix socket is bound to; undefined for what is none, and where it has no path. */
  boundPath(fd: number): string | undefined;
  /** Sends a datagram, and descriptors with it, without waiting. @param address of a unix socket: a path, or `@` and a name */
  sendDatagram(address: string, message: Uint8Array, fds: readonly number[]): number;
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

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_OFD_SETLK = 37;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_WRLCK = 1;
const MSG_DONTWAIT = 0x40;
const SHUT_RDWR = 2;
const DISCARD_BYTES = 64 * 1024;
const MSG_NOSIGNAL = 0x4000;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x8_0000;
/** Family, and a path of 107 bytes with a zero behind it. */
const SOCKADDR_UN_BYTES = 110;
const SCM_RIGHTS = 1;
/** Length, level and type of a control message, before its descriptors. */
const CMSG_HEAD_BYTES = 16;
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
    const shutdown = libc.func('int shutdown(int fd, int how)') as (fd: number, how: number) => number;
    const recv = libc.func('long recv(int fd, void *bytes, size_t length, int flags)') as (
      fd: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
    ) => number;
    const close = libc.func('int close(int fd)') as (fd: number) => number;
    const getsockname = libc.func('int getsockname(int fd, void *address, void *length)') as (
      fd: number,
      address: Uint8Array,
      length: Uint32Array,
    ) => number;
    const socket = libc.func('int socket(int family, int type, int protocol)') as (
      family: number,
      type: number,
      protocol: number,
    ) => number;
    const iovec = koffi.struct({ base: 'void *', length: 'size_t' });
    const msghdr = koffi.struct({
      name: 'void *',
      nameLength: 'uint32',
      parts: koffi.pointer(iovec),
      partCount: 'size_t',
      control: 'void *',
      controlLength: 'size_t',
      flags: 'int',
    });
    const sendmsg = libc.func('sendmsg', 'long', ['int', koffi.pointer(msghdr), 'int']) as (
      fd: number,
      message: Readonly<Record<string, unknown>>,
      flags: number,
    ) => number;
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
      shutdown: (fd) => shutdown(fd, SHUT_RDWR),
      discard(fd) {
        const bytes = new Uint8Array(DISCARD_BYTES);
        while (recv(fd, bytes, bytes.length, MSG_DONTWAIT) > 0);
      },
      dup: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0),
      closeOnExec: (fd) => fcntl(fd, F_SETFD, 'int', FD_CLOEXEC),
      boundPath(fd) {
        const address = Buffer.alloc(SOCKADDR_UN_BYTES);
        const length = new Uint32Array([address.length]);
        if (getsockname(fd, address, length) !== 0 || address.readUInt16LE(0) !== AF_UNIX) return undefined;
        const path = address.subarray(2, length[0]);
        const end = path.indexOf(0);
        return path.toString('utf8', 0, end < 0 ? path.length : end) || undefined;
      },
      sendDatagram(address, message, fds) {
        const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0) return fd;
        const name = socketAddress(address);
        const control = fds.length > 0 ? rights(fds) : null;
        const sent = sendmsg(
          fd,
          {
            name,
            nameLength: name.length,
            parts: [{ base: message, length: message.length }],
            partCount: 1,
            control,
            controlLength: control?.length ?? 0,
            flags: 0,
          },
          MSG_DONTWAIT | MSG_NOSIGNAL,
        );
        close(fd);
        return sent;
      },
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

/** A sockaddr_un; a name that begins with `@` is none of a file. */
function socketAddress(address: string): Buffer {
  const isAbstract = address.startsWith('@');
  const path = Buffer.from(isAbstract ? `\0${address.slice(1)}` : `${address}\0`);
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, path]);
}

/** A control message with descriptors. */
function rights(fds: readonly number[]): Buffer {
  const bytes = CMSG_HEAD_BYTES + fds.length * Int32Array.BYTES_PER_ELEMENT;
  const control = Buffer.alloc(Math.ceil(bytes / 8) * 8);
  control.writeBigUInt64LE(BigInt(bytes), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  fds.forEach((fd, index) => control.writeInt32LE(fd, CMSG_HEAD_BYTES + index * Int32Array.BYTES_PER_ELEMENT));
  return control;
}
