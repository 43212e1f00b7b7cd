import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import sonicBoom from 'sonic-boom';
import { type Disk, isMissing, type SegmentSink } from '../history/disk.ts';

const FILE_MODE = 0o600;
/** Files that stay open for reading. */
const KEPT_OPEN = 8;
const TEMPORARY = '.tmp';

export const crc32 = (bytes: Uint8Array): number => zlib.crc32(bytes);

/** A folder of the machine's as the history wants it. */
export class HistoryFolder implements Disk {
  readonly #folder: string;
  readonly #open = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  list(): string[] {
    return fs.readdirSync(this.#folder).filter((name) => !name.endsWith(TEMPORARY));
  }

  size(name: string): number {
    return fs.statSync(this.#path(name)).size;
  }

  read(name: string, offset: number, into: Uint8Array): number {
    const fd = this.#reading(name);
    let filled = 0;
    while (filled < into.length) {
      const read = fs.readSync(fd, into, filled, into.length - filled, offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return filled;
  }

  write(name: string, bytes: Uint8Array): void {
    const temporary = this.#path(name + TEMPORARY);
    try {
      fs.writeFileSync(temporary, bytes, { mode: FILE_MODE });
      fs.renameSync(temporary, this.#path(name));
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    this.#forget(name);
  }

  /** Removes what a process left that ended in the middle of a write. Only for who has the folder to himself. */
  tidy(): void {
    for (const name of fs.readdirSync(this.#folder))
      if (name.endsWith(TEMPORARY)) fs.rmSync(this.#path(name), { force: true });
  }

  remove(name: string): void {
    this.#forget(name);
    fs.unlinkSync(this.#path(name));
  }

  rename(from: string, to: string): void {
    this.#forget(from);
    this.#forget(to);
    fs.renameSync(this.#path(from), this.#path(to));
  }

  async sync(names: readonly string[]): Promise<void> {
    for (const name of names) await syncFile(this.#path(name));
    if (names.length > 0) await syncPath(this.#folder);
  }

  open(name: string, length: number): SegmentSink {
    this.#forget(name);
    return new FileSink(this.#path(name), this.#folder, length);
  }

  /** Lets go of the files that are open for reading. */
  close(): void {
    for (const name of this.#open.keys()) this.#forget(name);
  }

  #path(name: string): string {
    return path.join(this.#folder, name);
  }

  #reading(name: string): number {
    const open = this.#open.get(name);
    // Another file may have got the name.
    if (open !== undefined && fs.fstatSync(open).nlink > 0) return open;
    this.#forget(name);
    const fd = fs.openSync(this.#path(name), 'r');
    this.#open.set(name, fd);
    const [oldest = ''] = this.#open.keys();
    if (this.#open.size > KEPT_OPEN) this.#forget(oldest);
    return fd;
  }

  #forget(name: string): void {
    const fd = this.#open.get(name);
    if (fd === undefined) return;
    this.#open.delete(name);
    fs.closeSync(fd);
  }
}

/**
 * A file that grows, through sonic-boom. It writes at once and keeps nothing back: what it has returned from, the system has.
 * Leaving that to another thread would be dearer than the write itself, which is a copy into memory.
 */
class FileSink implements SegmentSink {
  readonly #fd: number;
  readonly #file: sonicBoom.SonicBoom;
  readonly #folder: string;
  #length: number;
  #error: Error | undefined;
  /** Its name may not be on disk: of a new file, or one that a process before this one began. */
  #isNew = true;
  #syncing = 0;
  #isClosed = false;

  constructor(file: string, folder: string, length: number) {
    this.#folder = folder;
    this.#length = length;
    this.#fd = fs.openSync(file, 'a', FILE_MODE);
    this.#file = new sonicBoom.SonicBoom({
      fd: this.#fd,
      sync: true,
      contentMode: 'buffer',
      minLength: 0,
      retryEAGAIN: () => false,
    });
    this.#file.on('error', (error: Error) => {
      this.#error ??= error;
    });
    try {
      fs.ftruncateSync(this.#fd, length);
    } catch (error) {
      this.#file.destroy();
      throw error;
    }
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    if (!this.#error) this.#file.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) as unknown as string);
    if (this.#error) throw this.#error;
    this.#length += bytes.length;
  }

  async sync(): Promise<void> {
    if (this.#isClosed) return;
    this.#syncing += 1;
    try {
      await new Promise<void>((resolve, reject) =>
        fs.fdatasync(this.#fd, (error) => (error ? reject(error) : resolve())),
      );
      if (this.#isNew) await syncPath(this.#folder);
      this.#isNew = false;
    } finally {
      this.#syncing -= 1;
      if (this.#isClosed) this.close();
    }
  }

  truncate(length: number): void {
    fs.ftruncateSync(this.#fd, length);
    this.#length = length;
  }

  close(): void {
    this.#isClosed = true;
    // The descriptor must not go to another file while it is being synced.
    if (this.#syncing === 0) this.#file.destroy();
  }
}

/** One that somebody removes meanwhile needs it no more. */
async function syncFile(file: string): Promise<void> {
  try {
    await syncPath(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Of a file or a folder, whoever writes it. */
async function syncPath(name: string): Promise<void> {
  const handle = await fs.promises.open(name, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
