import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Disk, SegmentSink } from '../../../src/history/disk.ts';

/** A disk for one run, empty, and what has to be done while it syncs and when the run is over. */
export interface DiskUnderTest {
  readonly disk: Disk;
  /** Lets syncs come to their end. */
  readonly endSyncs: () => void;
  readonly dispose: () => void;
}

const NAMES = ['a.log', 'b.log', 'c.idx'] as const;
const anyName = fc.constantFrom(...NAMES);
const anyBytes = fc.uint8Array({ maxLength: 40 });

type Operation =
  | { readonly do: 'write'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly do: 'remove' | 'close'; readonly name: string }
  | { readonly do: 'rename'; readonly name: string; readonly to: string }
  | { readonly do: 'open' | 'truncate'; readonly name: string; readonly share: number }
  | { readonly do: 'append'; readonly name: string; readonly bytes: Uint8Array }
  | { readonly do: 'sync'; readonly name: string }
  | { readonly do: 'read'; readonly name: string; readonly share: number; readonly bytes: Uint8Array };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ do: fc.constant('write' as const), name: anyName, bytes: anyBytes }),
  fc.record({ do: fc.constantFrom('remove' as const, 'close' as const), name: anyName }),
  fc.record({ do: fc.constant('rename' as const), name: anyName, to: anyName }),
  fc.record({ do: fc.constantFrom('open' as const, 'truncate' as const), name: anyName, share }),
  fc.record({ do: fc.constant('append' as const), name: anyName, bytes: anyBytes }),
  fc.record({ do: fc.constant('append' as const), name: anyName, bytes: anyBytes }),
  fc.record({ do: fc.constant('sync' as const), name: anyName }),
  fc.record({ do: fc.constant('read' as const), name: anyName, share, bytes: anyBytes }),
);

/** What everything that keeps a history has to do; `make` gives an empty one. */
export function describeDisk(what: string, make: () => DiskUnderTest): void {
  describe(`${what}, as a disk for the history`, () => {
    it('does what a table of names and bytes would do, whatever is asked in whatever order', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyOperation, { maxLength: 40 }), async (operations) => {
          const under = make();
          try {
            await new Comparison(under).run(operations);
          } finally {
            under.dispose();
          }
        }),
        { numRuns: 200 },
      );
    });

    it('throws for files that are not there', () => {
      const { disk, dispose } = make();
      for (const call of [
        () => disk.size('a.log'),
        () => disk.read('a.log', 0, new Uint8Array(1)),
        () => disk.remove('a.log'),
        () => disk.rename('a.log', 'b.log'),
      ])
        assert.throws(call, { code: 'ENOENT' });
      dispose();
    });

    it('takes the bytes of an append before it returns: they may be used again', () => {
      const { disk, dispose } = make();
      const sink = disk.open('a.log', 0);
      const bytes = new Uint8Array([1, 2, 3]);
      sink.append(bytes);
      bytes.fill(9);
      const read = new Uint8Array(4);
      assert.equal(disk.read('a.log', 0, read), 3);
      assert.deepEqual(read, new Uint8Array([1, 2, 3, 0]));
      sink.close();
      dispose();
    });

    it('syncs files by their names, and passes over those that are not there', async () => {
      const { disk, endSyncs, dispose } = make();
      disk.write('a.log', new Uint8Array([1]));
      const synced = disk.sync(['a.log', 'b.log']);
      endSyncs();
      await synced;
      assert.deepEqual(disk.list(), ['a.log']);
      dispose();
    });

    it('ends a sync that began before the file was closed', async () => {
      const { disk, endSyncs, dispose } = make();
      const sink = disk.open('a.log', 0);
      sink.append(new Uint8Array([1]));
      const synced = sink.sync();
      sink.close();
      endSyncs();
      await synced;
      await sink.sync();
      dispose();
    });
  });
}

/** A disk beside what it should be. */
class Comparison {
  readonly #under: DiskUnderTest;
  readonly #files = new Map<string, Uint8Array>();
  readonly #sinks = new Map<string, SegmentSink>();

  constructor(under: DiskUnderTest) {
    this.#under = under;
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      await this.#do(operation);
      this.#compare();
    }
    for (const sink of this.#sinks.values()) sink.close();
  }

  async #do(operation: Operation): Promise<void> {
    const { disk } = this.#under;
    const { name } = operation;
    const file = this.#files.get(name);
    const sink = this.#sinks.get(name);
    switch (operation.do) {
      case 'write':
        if (sink) return;
        disk.write(name, operation.bytes);
        this.#files.set(name, operation.bytes);
        return;
      case 'remove':
        if (!file || sink) return;
        disk.remove(name);
        this.#files.delete(name);
        return;
      case 'rename':
        if (!file || sink || this.#sinks.has(operation.to)) return;
        disk.rename(name, operation.to);
        this.#files.delete(name);
        this.#files.set(operation.to, file);
        return;
      case 'open': {
        sink?.close();
        const length = Math.floor((file?.length ?? 0) * operation.share);
        this.#sinks.set(name, disk.open(name, length));
        this.#files.set(name, (file ?? new Uint8Array(0)).slice(0, length));
        return;
      }
      case 'truncate': {
        if (!file || !sink) return;
        const length = Math.floor(file.length * operation.share);
        sink.truncate(length);
        this.#files.set(name, file.slice(0, length));
        return;
      }
      case 'append':
        if (!file || !sink) return;
        sink.append(operation.bytes);
        this.#files.set(name, new Uint8Array([...file, ...operation.bytes]));
        return;
      case 'sync': {
        const synced = sink?.sync();
        this.#under.endSyncs();
        return synced;
      }
      case 'close':
        sink?.close();
        this.#sinks.delete(name);
        return;
      case 'read': {
        if (!file) return;
        const offset = Math.floor(file.length * operation.share);
        const into = operation.bytes.slice();
        const expected = operation.bytes.slice();
        expected.set(file.subarray(offset, offset + expected.length));
        const read = disk.read(name, offset, into);
        assert.equal(read, Math.min(into.length, file.length - offset));
        assert.deepEqual(into, expected);
      }
    }
  }

  #compare(): void {
    const { disk } = this.#under;
    assert.deepEqual(disk.list().sort(), [...this.#files.keys()].sort());
    for (const [name, bytes] of this.#files) {
      assert.equal(disk.size(name), bytes.length);
      const read = new Uint8Array(bytes.length + 1);
      assert.equal(disk.read(name, 0, read), bytes.length);
      assert.deepEqual(read.subarray(0, bytes.length), bytes);
      const sink = this.#sinks.get(name);
      if (sink) assert.equal(sink.length, bytes.length);
    }
  }
}
