import { ManualDisk } from '../support/manual-disk.ts';

/** A folder in memory on which nothing fails but what a real one would not have either. */
export class MemoryDisk extends ManualDisk {
  constructor(files: Iterable<readonly [string, Uint8Array]> = []) {
    super();
    for (const [name, bytes] of files) this.files.set(name, bytes);
  }

  override file(name: string): Uint8Array {
    if (!this.files.has(name)) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' });
    return super.file(name);
  }

  override remove(name: string): void {
    this.file(name);
    super.remove(name);
  }
}
