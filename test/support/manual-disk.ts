import type { Disk, SegmentSink } from '../../src/history/disk.ts';

/** A folder in memory whose writes and syncs a test lets through, or fails. */
export class ManualDisk implements Disk {
  readonly files = new Map<string, Uint8Array>();
  /** Writes and new files are refused. */
  isFull = false;
  /** Syncs that wait for the test, oldest first. */
  readonly syncs: { readonly name: string; resolve(): void; reject(error: Error): void }[] = [];
  writes = 0;

  list(): string[] {
    return [...this.files.keys()];
  }

  size(name: string): number {
    return this.file(name).length;
  }

  read(name: string, offset: number, into: Uint8Array): number {
    const part = this.file(name).subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  write(name: string, bytes: Uint8Array): void {
    this.files.set(name, bytes.slice());
  }

  remove(name: string): void {
    this.files.delete(name);
  }

  rename(from: string, to: string): void {
    this.files.set(to, this.file(from));
    this.files.delete(from);
  }

  async sync(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.wait(name)));
  }

  open(name: string, length: number): SegmentSink {
    if (this.isFull && !this.files.has(name)) throw new Error('no space left');
    this.files.set(name, (this.files.get(name) ?? new Uint8Array(0)).slice(0, length));
    return new ManualSink(this, name);
  }

  /** Until the test lets this sync through. */
  wait(name: string): Promise<void> {
    return new Promise((resolve, reject) => this.syncs.push({ name, resolve, reject }));
  }

  file(name: string): Uint8Array {
    const bytes = this.files.get(name);
    if (!bytes) throw new Error(`no file ${name}`);
    return bytes;
  }
}

class ManualSink implements SegmentSink {
  readonly #disk: ManualDisk;
  readonly #name: string;

  constructor(disk: ManualDisk, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  get length(): number {
    return this.#disk.size(this.#name);
  }

  append(bytes: Uint8Array): void {
    const disk = this.#disk;
    disk.writes += 1;
    const taken = disk.isFull ? bytes.subarray(0, bytes.length >> 1) : bytes;
    disk.files.set(this.#name, Buffer.concat([disk.file(this.#name), taken]));
    if (disk.isFull) throw new Error('no space left');
  }

  sync(): Promise<void> {
    return this.#disk.wait(this.#name);
  }

  truncate(length: number): void {
    this.#disk.files.set(this.#name, this.#disk.file(this.#name).slice(0, length));
  }

  close(): void {}
}
