import type { Disk, SegmentSink } from '../../src/history/disk.ts';
import type { Random } from '../support/random.ts';

/** What one write or sync of a file reaches at least: the rest of it may be old or new after a loss of power. */
const SECTOR_BYTES = 512;

/** A disk went away under the process, or the process under the disk: nothing that it still does counts. */
export class Crashed extends Error {}

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A file, whatever its name is: what the system holds, and what the medium does. */
class SimulatedFile {
  cached = new Uint8Array(256);
  length = 0;
  durable: Uint8Array = new Uint8Array(0);
  /** The sync that made it so. */
  durableSince = 0;
  /** What `tag` said when what is durable was asked for. */
  safeTag = 0;
  /** Written, then given up by a sync that failed: later ones think it safe. In order, apart from each other. */
  given: Stretch[] = [];

  get bytes(): Uint8Array {
    return this.cached.subarray(0, this.length);
  }

  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.cached.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.cached.length));
      larger.set(this.bytes);
      this.cached = larger;
    }
    this.cached.set(bytes, this.length);
    this.length = length;
  }

  truncate(length: number): void {
    const { bytes } = this;
    if (length <= this.length) this.cached.fill(0, length, this.length);
    else this.append(new Uint8Array(length - bytes.length));
    this.length = length;
    this.given = this.given
      .filter(({ from }) => from < length)
      .map(({ from, to }) => ({ from, to: Math.min(to, length) }));
  }

  /** What a sync that begins now makes durable. */
  image(): Uint8Array {
    const image = this.bytes.slice();
    for (const { from, to } of this.given) {
      image.fill(0, from, to);
      image.set(this.durable.subarray(from, Math.max(from, Math.min(to, this.durable.length))), from);
    }
    return image;
  }

  /** The system has tried, and tells once. */
  giveUp(): void {
    const from = commonLength(this.durable, this.bytes);
    this.given = this.given.filter((stretch) => stretch.to <= from);
    if (from < this.length) this.given.push({ from, to: this.length });
  }

  /** Only the medium is left: of what was not synced, anything may be there. */
  losePower(random: Random): void {
    const [before, now] = [this.durable, this.image()];
    let left = now;
    switch (random.below(4)) {
      case 0:
        left = before.slice();
        break;
      case 1:
        break;
      case 2: {
        const kept = commonLength(before, now);
        left = now.subarray(0, kept + random.below(now.length - kept + 1));
        break;
      }
      default:
        left = mixed(before, now, random);
    }
    this.cached = left.slice();
    this.length = left.length;
    this.durable = left.slice();
    this.given = [];
  }
}

interface PendingSync {
  readonly file: SimulatedFile;
  readonly image: Uint8Array;
  /** Which of the disk's syncs it is. */
  readonly turn: number;
  /** Whether its sink's folder has been synced; it is with each that begins before one has ended. */
  readonly folder: { isSynced: boolean };
  readonly tag: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A folder on a disk whose every weakness can be called up: what the process wrote is in the system's memory, what was synced
 * is on the medium, and names are files of their own kind. Nothing happens by itself: a sync ends when `syncs` is told so.
 */
export class SimulatedDisk implements Disk {
  #names = new Map<string, SimulatedFile>();
  #durableNames = new Map<string, SimulatedFile>();
  #pending: PendingSync[] = [];
  #turn = 0;
  #hasCrashed = false;
  /** Nothing more fits. */
  isFull = false;
  /** The next sync that ends fails. */
  failsNextSync = false;
  /** Changes of the disk until the process dies in the middle of one; negative = it does not. */
  fuse = -1;
  /** Of writes that are cut, how much is taken: 0 up to but not including 1. */
  cut: () => number = () => 0.5;
  /** Asked when a sync begins, told when it ends. */
  tag: () => number = () => 0;
  onSynced: (tag: number) => void = () => {};
  /** @param safeTag of the newest sync of that file that did not fail */
  onSyncFailed: (safeTag: number) => void = () => {};
  /** Whatever the process has done before, others may have seen by now. */
  onChange: () => void = () => {};
  /** A file begins. */
  onBegun: () => void = () => {};

  list(): string[] {
    return [...this.#names.keys()];
  }

  size(name: string): number {
    return this.#file(name).length;
  }

  read(name: string, offset: number, into: Uint8Array): number {
    const bytes = this.#file(name).bytes.subarray(offset, offset + into.length);
    into.set(bytes);
    return bytes.length;
  }

  write(name: string, bytes: Uint8Array): void {
    this.#change();
    if (this.isFull) throw fault('ENOSPC', 'no space left on device');
    const file = new SimulatedFile();
    file.append(bytes);
    file.safeTag = this.tag();
    if (name.endsWith('.log')) this.onBegun();
    this.#names.set(name, file);
  }

  remove(name: string): void {
    this.#file(name);
    this.#change();
    this.#names.delete(name);
  }

  rename(from: string, to: string): void {
    const file = this.#file(from);
    this.#change();
    this.#names.delete(from);
    this.#names.set(to, file);
  }

  async sync(names: readonly string[]): Promise<void> {
    const folder = { isSynced: false };
    const files = names.flatMap((name) => this.#names.get(name) ?? []);
    await Promise.all(files.map((file) => this.#ask(file, folder)));
  }

  open(name: string, length: number): SegmentSink {
    this.#change();
    let file = this.#names.get(name);
    if (!file) {
      file = new SimulatedFile();
      file.safeTag = this.tag();
      this.#names.set(name, file);
    }
    file.truncate(length);
    return this.#sink(file, length);
  }

  /** Syncs that have not ended, oldest first; each call ends one. */
  get syncs(): readonly (() => void)[] {
    return this.#pending.map((sync) => () => this.#end(sync));
  }

  /** Files of the history that are written no more, oldest first. */
  get oldFiles(): readonly string[] {
    const names = this.list().filter((name) => name.endsWith('.log'));
    return names.sort().slice(0, -2);
  }

  /** One bit of a file is not what was written: on the medium, and in what is on its way there. */
  flip(name: string, bit: number): void {
    const file = this.#file(name);
    const at = bit >> 3;
    file.cached[at]! ^= 1 << (bit & 7);
    file.durable = file.durable.slice();
    for (const copy of [file.durable, ...this.#pending.filter((sync) => sync.file === file).map(({ image }) => image)])
      if (at < copy.length) copy[at]! ^= 1 << (bit & 7);
  }

  /** The process is gone, in the middle of something perhaps. */
  get hasCrashed(): boolean {
    return this.#hasCrashed;
  }

  /** The next process comes: the system has kept what it was given, and tries again to write it. */
  restart(): void {
    this.#pending = [];
    this.#hasCrashed = false;
    this.fuse = -1;
    this.failsNextSync = false;
    for (const file of this.#names.values()) file.given = [];
  }

  /** The power fails, the machine starts again. */
  losePower(random: Random): void {
    const names = new Map(this.#durableNames);
    // Changes of a folder reach the medium in order, as far as they do.
    const changed = [...new Set([...this.#names.keys(), ...names.keys()])].filter(
      (name) => this.#names.get(name) !== names.get(name),
    );
    for (const name of changed.slice(0, random.below(changed.length + 1))) {
      const file = this.#names.get(name);
      if (file) names.set(name, file);
      else names.delete(name);
    }
    for (const file of new Set(names.values())) file.losePower(random);
    this.#names = names;
    this.#durableNames = new Map(names);
    this.restart();
  }

  #file(name: string): SimulatedFile {
    const file = this.#names.get(name);
    if (!file) throw fault('ENOENT', `no such file: ${name}`);
    return file;
  }

  /** @throws Crashed when the process does not live to see the end of the change */
  #change(): void {
    if (this.#hasCrashed) throw new Crashed();
    this.onChange();
    if (this.fuse === 0) {
      this.#hasCrashed = true;
      throw new Crashed();
    }
    if (this.fuse > 0) this.fuse -= 1;
  }

  #end(sync: PendingSync): void {
    this.#pending.splice(this.#pending.indexOf(sync), 1);
    if (this.failsNextSync) {
      this.failsNextSync = false;
      sync.file.giveUp();
      this.onSyncFailed(sync.file.safeTag);
      return sync.reject(fault('EIO', 'input/output error'));
    }
    // One that began earlier knows less.
    if (sync.turn > sync.file.durableSince) {
      sync.file.durable = sync.image;
      sync.file.durableSince = sync.turn;
      sync.file.safeTag = sync.tag;
    }
    if (!sync.folder.isSynced) this.#durableNames = new Map(this.#names);
    sync.folder.isSynced = true;
    this.onSynced(sync.tag);
    sync.resolve();
  }

  #ask(file: SimulatedFile, folder: { isSynced: boolean }): Promise<void> {
    this.#turn += 1;
    const asked = { file, image: file.image(), turn: this.#turn, folder, tag: this.tag() };
    return new Promise((resolve, reject) => this.#pending.push({ ...asked, resolve, reject }));
  }

  #sink(file: SimulatedFile, at: number): SegmentSink {
    let length = at;
    let isClosed = false;
    const folder = { isSynced: false };
    return {
      get length() {
        return length;
      },
      append: (bytes) => {
        try {
          this.#change();
        } catch (error) {
          if (this.fuse === 0) file.append(bytes.subarray(0, Math.floor(this.cut() * (bytes.length + 1))));
          this.fuse = -1;
          throw error;
        }
        if (this.isFull) {
          file.append(bytes.subarray(0, Math.floor(this.cut() * bytes.length)));
          throw fault('ENOSPC', 'no space left on device');
        }
        file.append(bytes);
        length += bytes.length;
      },
      sync: () => (isClosed ? Promise.resolve() : this.#ask(file, folder)),
      truncate: (to) => {
        this.#change();
        file.truncate(to);
        length = to;
      },
      close: () => {
        isClosed = true;
      },
    };
  }
}

function commonLength(left: Uint8Array, right: Uint8Array): number {
  const end = Math.min(left.length, right.length);
  let at = 0;
  while (at < end && left[at] === right[at]) at += 1;
  return at;
}

/** Each sector as it was or as it is; what was not there yet is zero. */
function mixed(before: Uint8Array, now: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(random.chance(0.7) ? now.length : Math.max(before.length, now.length));
  for (let at = 0; at < out.length; at += SECTOR_BYTES) {
    const source = random.chance(0.5) ? before : now;
    out.set(source.subarray(at, at + SECTOR_BYTES).subarray(0, out.length - at), at);
  }
  return out;
}

function fault(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
