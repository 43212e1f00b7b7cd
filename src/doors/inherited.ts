import fs from 'node:fs';
import path from 'node:path';
import type { Posix } from './posix.ts';

/** Where systemd puts the first descriptor, and whoever else hands some down. */
export const FIRST_INHERITED_FD = 3;
/** Descriptors from a process of ours, and what it is to this one: JSON, `HandedDown`. */
export const HANDED_DOWN = 'TOCSIN_HANDED_DOWN';

/** What a process of ours says to the one that it starts. systemd's protocol needs the pid of who gets them, which nobody knows yet. */
export interface HandedDown {
  /** By their order, from 3 on. */
  readonly descriptors: readonly {
    /** The path that it is for: a socket does not know its own once it has been moved. */
    readonly path: string;
    /** Whoever handed it down keeps it, and its path. */
    readonly isKept: boolean;
  }[];
  /** Another daemon still has the history; whoever started us says when it has let go. */
  readonly hasPredecessor: boolean;
  /** Whoever started us stays, and this daemon ends when that does. */
  readonly hasParent: boolean;
}

export interface InheritedDescriptor {
  readonly fd: number;
  /** Not ours to unlink. */
  readonly isKept: boolean;
}

interface Entry extends InheritedDescriptor {
  /** Undefined: a FIFO, which is known by its inode. */
  readonly path: string | undefined;
}

/** Descriptors that were open when the process began: each serves its path in the place of one that would be opened there. */
export class Inherited {
  readonly hasPredecessor: boolean;
  readonly hasParent: boolean;
  readonly #entries: Entry[];

  private constructor(entries: Entry[], { hasPredecessor, hasParent }: Omit<HandedDown, 'descriptors'>) {
    this.#entries = entries;
    this.hasPredecessor = hasPredecessor;
    this.hasParent = hasParent;
  }

  /** Of a process that was started by nobody in particular. */
  static none(): Inherited {
    return new Inherited([], { hasPredecessor: false, hasParent: false });
  }

  /**
   * Those that a process of ours or systemd's LISTEN_FDS announces. Takes the announcement out of `env`: it is meant for this
   * process and not for those that it starts.
   */
  static take(env: Record<string, string | undefined>, pid: number, posix: Posix): Inherited {
    const { [HANDED_DOWN]: handedDown, LISTEN_PID, LISTEN_FDS } = env;
    for (const name of [HANDED_DOWN, 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) delete env[name];
    if (handedDown !== undefined) {
      const said = JSON.parse(handedDown) as HandedDown;
      const entries = said.descriptors.map((one, index) => ({ ...one, fd: FIRST_INHERITED_FD + index }));
      return new Inherited(
        entries.map((one) => marked(posix, one)),
        said,
      );
    }
    if (LISTEN_PID !== String(pid)) return Inherited.none();
    const count = Number(LISTEN_FDS);
    if (!Number.isSafeInteger(count) || count <= 0) return Inherited.none();
    const entries = Array.from({ length: count }, (_, index) => {
      const fd = FIRST_INHERITED_FD + index;
      return marked(posix, { fd, path: posix.boundPath(fd), isKept: true });
    });
    return new Inherited(entries, { hasPredecessor: false, hasParent: false });
  }

  /** How many nobody has taken yet. */
  get count(): number {
    return this.#entries.length;
  }

  /** The listening socket for this path; undefined when there is none. The caller owns the descriptor. */
  takeSocket(file: string): InheritedDescriptor | undefined {
    // What is not there any more nobody can connect to.
    if (!isSocket(file)) return undefined;
    const place = placeOf(file);
    return this.#take(
      (entry) => entry.path !== undefined && placeOf(entry.path) === place && fs.fstatSync(entry.fd).isSocket(),
    );
  }

  /** The listening socket for an address of TCP, from a process of ours. The caller owns the descriptor. */
  takePort(place: string): InheritedDescriptor | undefined {
    return this.#take((entry) => entry.path === place && fs.fstatSync(entry.fd).isSocket());
  }

  /** The FIFO at this path, if it is still the same one. The caller owns the descriptor. */
  takeFifo(file: string): InheritedDescriptor | undefined {
    const there = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!there?.isFIFO()) return undefined;
    return this.#take(({ fd }) => {
      const { ino, dev } = fs.fstatSync(fd);
      return ino === there.ino && dev === there.dev;
    });
  }

  /** Closes what nobody has taken. @returns the paths, as far as they are known */
  closeRest(): string[] {
    return this.#entries.splice(0).map(({ fd, path: file }) => {
      fs.closeSync(fd);
      return file ?? 'something without a path';
    });
  }

  #take(isIt: (entry: Entry) => boolean): InheritedDescriptor | undefined {
    const index = this.#entries.findIndex(isIt);
    return index < 0 ? undefined : this.#entries.splice(index, 1)[0];
  }
}

function marked(posix: Posix, entry: Entry): Entry {
  posix.closeOnExec(entry.fd);
  return entry;
}

/** The same for every way to name a folder. */
function placeOf(file: string): string {
  try {
    return path.join(fs.realpathSync(path.dirname(file)), path.basename(file));
  } catch {
    return path.resolve(file);
  }
}

function isSocket(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.isSocket() ?? false;
}
