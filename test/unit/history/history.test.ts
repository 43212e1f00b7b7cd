import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { Epochs } from '../../../src/event/epochs.ts';
import type { NewBatch } from '../../../src/history/batch.ts';
import { indexOf } from '../../../src/history/folder-listing.ts';
import { fileName } from '../../../src/history/history-file.ts';
import { HistoryWriter } from '../../../src/history/history-writer.ts';
import type { SavedState } from '../../../src/history/saved-state.ts';
import { crc32, HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { HISTORY_BATCH, HISTORY_FILE } from '../../../src/messages/layout.ts';
import { eventsOf, readAll, TestHistory } from '../../support/history.ts';
import { at, BASE_SEC } from '../../support/log.ts';
import { ManualDisk } from '../../support/manual-disk.ts';

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to + 1 - from) }, (_, index) => from + index);
}

async function withHistory(use: (history: TestHistory) => void | Promise<void>): Promise<void> {
  const history = new TestHistory();
  try {
    await use(history);
  } finally {
    await history.remove();
  }
}

const texts = (count: number, bytes = 100): string[] => Array.from({ length: count }, () => 'x'.repeat(bytes));
const publisher = (next: number, name = 'p'): SavedState => ({ publisher: { name, next, seq: next } });

describe('a history on disk', () => {
  it('gives every event back, from any number on, however it was written and begun anew', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ append: fc.integer({ min: 1, max: 30 }), bytes: fc.nat(400) }) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
      { weight: 1, arbitrary: fc.constant('close' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), (steps, where) =>
        withHistory(async (history) => {
          for (const what of steps) {
            if (what === 'close') await history.writer.close(history.nextSeq);
            if (typeof what === 'object') history.append(texts(what.append, what.bytes));
            else assert.equal(history.start().headSeq, history.headSeq);
          }
          const from = 1 + Math.floor(where * history.headSeq);
          for (const files of [history.files(), (history.start(), history.files())]) {
            const { seqs, reasons } = readAll(files, from, history.headSeq);
            assert.deepEqual(seqs, numbers(from, history.headSeq));
            assert.deepEqual(reasons, []);
          }
          assert.equal(history.epochs.spans.length, 1, 'nothing was lost');
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('begins a file when one is large or old enough, named by its first event', () =>
    withHistory((history) => {
      history.fileAgeSec = 60;
      history.start();
      for (let batch = 0; batch < 8; batch += 1) history.append(texts(10));
      const firsts = history.opened.map(({ firstSeq }) => firstSeq);
      assert.ok(firsts.length > 2);
      assert.deepEqual(
        history.names().filter((name) => name.endsWith('.log')),
        firsts.map((seq) => `${String(seq).padStart(16, '0')}.log`),
      );
      const before = history.opened.length;
      history.nowSec += 59;
      history.append(['in time']);
      assert.ok(history.opened.length <= before + 1);
      const again = history.opened.length;
      history.nowSec += 60;
      history.append(['late']);
      assert.equal(history.opened.length, again + 1);
      assert.deepEqual(history.opened.at(-1)?.after, at(81));
      assert.equal(history.opened.at(-1)?.createdSec, history.nowSec);
    }));

  it('cuts off a batch that was not written to its end, and says how much', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600 }), (missing) =>
        withHistory((history) => {
          history.fileBytes = 1e9;
          history.start();
          history.append(texts(3));
          const [name] = history.names() as [string];
          const whole = history.disk.size(name);
          history.append(texts(5, 200));
          const length = Math.max(whole + 1, history.disk.size(name) - missing);
          history.cut(name, length);
          const { headSeq, truncatedBytes, epochs } = history.start();
          assert.deepEqual([headSeq, truncatedBytes, epochs.length], [3, length - whole, 1]);
          assert.equal(history.disk.size(name), whole);
          history.append(['again']);
          assert.deepEqual(readAll(history.files(), 1, 4).seqs, [1, 2, 3, 4]);
        }),
      ),
      { numRuns: 40 },
    );
  });

  it('begins another epoch where something that had been written is gone, and leads old cursors there', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      const epoch = history.epochs.current;
      history.append(texts(3));
      const [name] = history.names() as [string];
      const whole = history.disk.size(name);
      history.append(texts(2));
      history.damage(name, whole + 80);
      const { headSeq, epochs } = history.start();
      assert.equal(headSeq, 3);
      assert.equal(epochs.length, 2);
      assert.deepEqual(epochs[1]?.firstSeq, 4);
      history.append(['other', 'other']);
      const { resolve } = { resolve: (cursor: string) => history.epochs.resolve(cursor, history.headSeq) };
      assert.deepEqual(resolve(`${epoch}-2`), { seq: 2, lostUpTo: undefined });
      assert.deepEqual(resolve(`${epoch}-5`), { seq: 3, lostUpTo: 5 });
      assert.deepEqual(resolve(`${history.epochs.current}-5`), { seq: 5, lostUpTo: undefined });
      assert.deepEqual(readAll(history.files(), 1, 5).seqs, [1, 2, 3, 4, 5]);
    }));

  it('begins another epoch after a loss of power under async, none under sync, none when it was closed', async () => {
    for (const [durability, closed, lives] of [
      ['async', false, 2],
      ['sync', false, 1],
      ['async', true, 1],
    ] as const) {
      await withHistory(async (history) => {
        history.durability = durability;
        history.start();
        history.append(texts(3));
        if (closed) await history.writer.close(history.nextSeq);
        history.boot = 'boot-2';
        assert.equal(history.start().epochs.length, lives, `${durability}, closed: ${closed}`);
        assert.equal(history.recovered.wasClosed, closed);
        history.append(texts(1));
        assert.deepEqual(readAll(history.files(), 1, 4).seqs, [1, 2, 3, 4]);
        // What has been said once is not forgotten.
        assert.equal(history.start().epochs.length, lives);
      });
    }
  });

  it('passes over a batch in the middle that is damaged, says what is missing, and keeps it aside', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(7), fc.nat(500), (which, offset) =>
        withHistory((history) => {
          history.fileBytes = 1e9;
          history.start();
          const places: number[] = [];
          history.append(texts(1));
          const [name] = history.names() as [string];
          for (let batch = 0; batch < 9; batch += 1) {
            places.push(history.disk.size(name));
            history.append(texts(3));
          }
          const [from, to] = [places[which]!, places[which + 1]!];
          const hit = from + (offset % (to - from));
          const byte = new Uint8Array(1);
          history.disk.read(name, hit, byte);
          history.damage(name, hit, Uint8Array.of(byte[0]! ^ 0x55));
          const [first, last] = [2 + 3 * which, 4 + 3 * which];
          const corrupt: number[] = [];
          const { epochs, headSeq } = history.start();
          assert.deepEqual([headSeq, epochs.length], [28, 1]);
          const files = history.files({}, (bytes) => corrupt.push(bytes));
          const { seqs, reasons } = readAll(files, 1, 28);
          assert.deepEqual(seqs, [...numbers(1, first - 1), ...numbers(last + 1, 28)]);
          assert.deepEqual(reasons, [`${first}-${last} corruption`]);
          readAll(files, 1, 28);
          assert.deepEqual(corrupt, [to - from], 'once');
          assert.equal(history.names().filter((entry) => entry.endsWith('.corrupt')).length, 1);
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('goes on with the file before when the newest one was begun and no more', () =>
    withHistory((history) => {
      history.append(texts(2));
      for (const bytes of [0, 10, HISTORY_FILE.BYTES]) {
        const [name] = history.names() as [string];
        const begun = new Uint8Array(bytes);
        history.disk.read(name, 0, begun);
        // Under its own name the header would have to say that name's number.
        history.disk.write('0000000000000003.log', begun);
        assert.equal(history.start().headSeq, 2);
      }
      history.append(['third']);
      assert.deepEqual(readAll(history.files(), 1, 3).seqs, [1, 2, 3]);
    }));

  it('looks for nothing where the index of a file that lost its end and its successor says', () =>
    withHistory((history) => {
      history.durability = 'sync';
      history.fileBytes = 600;
      history.start();
      history.append([], [publisher(3)]);
      const [name = ''] = history.names();
      const begun = history.disk.size(name);
      history.append(texts(10));
      history.append(texts(1));
      const [, , next = ''] = history.names();
      assert.deepEqual(history.names(), [name.replace('.log', '.idx'), name, next]);
      // Neither end nor successor had reached the medium, the index had.
      history.disk.remove(next);
      history.cut(name, begun);
      history.fileBytes = 1e9;
      assert.equal(history.start().headSeq, 0);
      for (let batch = 0; batch < 20; batch += 1) history.append(texts(1, 10));
      assert.deepEqual(history.names(), [name]);
      for (const files of [history.files(), (history.start(), history.files())]) {
        const { seqs, reasons } = readAll(files, 1, 20);
        assert.deepEqual(seqs, numbers(1, 20));
        assert.deepEqual(reasons, []);
      }
    }));

  it('goes back to the file before for what the newest one no longer says', () =>
    withHistory((history) => {
      history.fileAgeSec = 60;
      history.start();
      history.append(texts(2), [publisher(3)]);
      history.nowSec += 61;
      const { current } = history.epochs;
      history.append(texts(2), [publisher(9, 'q')]);
      history.damage(history.names().at(-1)!, HISTORY_FILE.BYTES + HISTORY_BATCH.BYTES);
      const { publishers, epochs, headSeq } = history.start();
      assert.equal(headSeq, 4);
      assert.deepEqual(
        publishers.map(({ name, next }) => [name, next]),
        [
          ['p', 3],
          ['q', 9],
        ],
      );
      assert.deepEqual(epochs[0], { epoch: current, firstSeq: 1 });
    }));

  it('goes on with a file without an event, however old it is: the next one would have its name', () =>
    withHistory((history) => {
      history.fileAgeSec = 60;
      history.start();
      history.append([], [publisher(3)]);
      const [name = ''] = history.names();
      const size = history.disk.size(name);
      history.nowSec += 61;
      history.append([], [publisher(4)]);
      assert.deepEqual(history.names(), [name]);
      assert.ok(history.disk.size(name) > size);
      history.append(texts(1));
      history.append(texts(1));
      assert.equal(history.opened.length, 2);
    }));

  it('gives events behind a hole that a loss of power left an epoch of their own: the old one may have stood in it', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      history.append(texts(2));
      const [name = ''] = history.names();
      const { current } = history.epochs;
      history.start();
      const offset = history.disk.size(name);
      history.append(texts(2));
      history.append(texts(2));
      history.damage(name, offset + HISTORY_BATCH.BYTES);
      history.boot = 'boot-2';
      const { epochs, headSeq } = history.start();
      assert.equal(headSeq, 6);
      assert.deepEqual(
        epochs.map(({ epoch, firstSeq }) => [epoch === current, firstSeq]),
        [
          [true, 1],
          [false, 5],
          [false, 7],
        ],
      );
      // Clients may have seen it, though nothing could be written since.
      assert.equal(history.start().epochs[1]?.epoch, epochs[1]?.epoch);
    }));

  it('begins no file while batches wait that its snapshot would know of', () =>
    withHistory((history) => {
      history.fileAgeSec = 60;
      history.start();
      history.append(texts(1));
      history.nowSec += 61;
      history.append(texts(1), [], at, false);
      assert.equal(history.opened.length, 1);
      history.append(texts(1));
      assert.equal(history.opened.length, 2);
    }));

  it('tells of a file under sync when it is safe: then older ones may go', () =>
    withHistory(async (history) => {
      history.durability = 'sync';
      history.start();
      history.append(texts(1));
      assert.deepEqual(history.opened, []);
      await history.writer.sync();
      assert.equal(history.opened.length, 1);
    }));

  it('lets nothing go before what follows it would survive a loss of power, snapshot and all', () =>
    withHistory(async (history) => {
      history.fileAgeSec = 60;
      history.start();
      history.append(texts(2), [publisher(3)]);
      await history.writer.sync();
      const files = history.files({ bytes: 1 });
      history.nowSec += 61;
      history.append(texts(2));
      files.opened(history.opened.at(-1)!);
      assert.equal(files.retain(at(9), 4), 0);
      assert.equal(files.oldestSeq, 1);
      await history.writer.sync();
      assert.deepEqual(history.secured, [1, 3]);
      files.secured(3);
      assert.equal(files.retain(at(9), 4), 1);
      assert.equal(files.oldestSeq, 3);
    }));

  it('syncs again what a writer that died had asked for, and says only then that it is safe', async () => {
    const disk = new ManualDisk();
    const said: string[] = [];
    const writer = (inherited?: { readonly safeBefore: number }): HistoryWriter =>
      new HistoryWriter(
        {
          disk,
          crc32,
          epochs: new Epochs([{ epoch: 'abcdefgh', firstSeq: 1 }]),
          writer: { boot: 'b', durability: 'async' },
          inherited,
          nowSec: () => 0,
          fileBytes: 1,
          fileAgeSec: 1e9,
          snapshot: () => [],
          opened: ({ firstSeq }) => said.push(`opened ${firstSeq}`),
          secured: (firstSeq) => said.push(`secured ${firstSeq}`),
        },
        at(1),
      );
    const batch = (seq: number): NewBatch => ({
      events: new Uint8Array(8),
      count: 1,
      firstSeq: seq,
      first: at(seq),
      last: at(seq),
      state: [],
    });
    const first = writer();
    first.reopen(undefined, 1);
    for (const seq of [1, 2, 3]) first.append(batch(seq));
    // Whatever it waits for, it does not live to hear of.
    assert.deepEqual(
      disk.syncs.splice(0).map(({ name }) => name),
      [fileName(1), fileName(2)],
    );
    said.length = 0;

    const heir = writer({ safeBefore: 2 });
    heir.reopen(first.mark, 4);
    assert.deepEqual(said, ['opened 3']);
    let isSafe = false;
    const safe = heir.sync().then(() => (isSafe = true));
    // The first one was safe before.
    assert.deepEqual(disk.syncs.map(({ name }) => name).sort(), [2, 3].map(fileName));
    disk.syncs.pop()!.resolve();
    await setImmediate();
    assert.equal(isSafe, false);
    assert.deepEqual(said, ['opened 3']);
    disk.syncs.pop()!.resolve();
    await safe;
    assert.deepEqual(said, ['opened 3', 'secured 3']);
    assert.equal(heir.safeBefore, 3);

    // One that fails is heard of.
    const next = writer({ safeBefore: heir.safeBefore });
    next.reopen(heir.mark, 4);
    const failed = next.sync();
    disk.syncs.shift()!.reject(new Error('input/output error'));
    for (const sync of disk.syncs.splice(0)) sync.resolve();
    await assert.rejects(failed, /input/);
  });

  it('remembers how far it has come with a source, over snapshots and restarts, with the events of each batch', () =>
    withHistory((history) => {
      const source = (...marks: readonly number[]): SavedState => ({
        source: { name: 'docker', time: { sec: marks.at(-1)!, nanos: 7 }, marks },
      });
      history.append(['a', 'b'], [source(1, 2)]);
      history.append(['c'], [source(3)]);
      const known = { name: 'docker', time: { sec: 3, nanos: 7 }, marks: [1, 2, 3] };
      assert.deepEqual(history.start().sources, [known]);
      history.append(['d'], [source(4)]);
      assert.deepEqual(history.start().sources, [{ name: 'docker', time: { sec: 4, nanos: 7 }, marks: [1, 2, 3, 4] }]);
    }));

  it('remembers the newest word on containers and publishers, over snapshots and restarts', () =>
    withHistory((history) => {
      const container = (id: string, exitCode: number): SavedState => ({
        container: { id, spec: { name: id }, pid: 0, exitCode, known: true, removed: false, removal: 0 },
      });
      history.append(['a'], [container('c1', 1), publisher(2)]);
      history.append([], [container('c1', 2), container('c2', 0)]);
      history.append(['b'], [publisher(3), publisher(9, 'q')]);
      const { containers, publishers } = history.start();
      assert.deepEqual(
        containers.map(({ id, exitCode }) => [id, exitCode]),
        [
          ['c1', 2],
          ['c2', 0],
        ],
      );
      assert.deepEqual(
        publishers.map(({ name, next }) => [name, next]),
        [
          ['p', 3],
          ['q', 9],
        ],
      );
      // Only the snapshot of the newest file counts: what it leaves out has been forgotten.
      history.snapshot = Array.from({ length: 1_000 }, (_, index) => container(`s${index}`, index));
      history.writer.begin(history.nextSeq);
      history.append(['c']);
      const again = history.start();
      assert.equal(again.containers.length, 1_000);
      assert.deepEqual(again.publishers, []);
      assert.equal(again.headSeq, 3);
    }));

  it('lets whole files go by bytes, age and number, never the newest, and says what is gone', async () => {
    const second = (seq: number) => ({ sec: BASE_SEC + seq, nanos: 0 });
    const bytesOf = (history: TestHistory): number =>
      history.names().reduce((sum, name) => sum + (name.endsWith('.log') ? history.disk.size(name) : 0), 0);
    const oldest = (firsts: readonly number[], seq: number) => firsts.findLast((first) => first <= seq);
    for (const [limits, check] of [
      [{}, (firsts: readonly number[]) => firsts[0]],
      [{ ageMs: 100_000 }, (firsts: readonly number[]) => oldest(firsts, 201)],
      [{ events: 50 }, (firsts: readonly number[]) => oldest(firsts, 251)],
      [{ bytes: 3 * 4096 }, undefined],
      [{ bytes: 1 }, (firsts: readonly number[]) => firsts.at(-1)],
    ] as const) {
      await withHistory((history) => {
        for (let batch = 0; batch < 30; batch += 1) {
          history.nowSec = BASE_SEC + history.nextSeq;
          history.append(texts(10), [], second);
        }
        const files = history.files(limits);
        files.retain(second(300), 300);
        const kept = files.oldestSeq!;
        if (check) assert.equal(kept, check(history.opened.map(({ firstSeq }) => firstSeq)), JSON.stringify(limits));
        else assert.ok(kept > 1 && bytesOf(history) <= limits.bytes && bytesOf(history) > limits.bytes / 2);
        const { seqs, reasons } = readAll(files, 1, 300);
        assert.deepEqual(seqs, numbers(kept, 300));
        assert.deepEqual(reasons, kept > 1 ? [`1-${kept - 1} retention`] : []);
        assert.deepEqual(history.start().headSeq, 300);
      });
    }
  });

  it('finds the first event from a time on, with and without its index', async () => {
    await withHistory(async (history) => {
      history.fileBytes = 200_000;
      history.start();
      const spread = (seq: number) => ({ sec: BASE_SEC + Math.floor(seq / 7), nanos: seq });
      for (let batch = 0; batch < 60; batch += 1) history.append(texts(50), [], spread);
      assert.ok(history.names().some((name) => name.endsWith('.idx')));
      for (const isIndexed of [true, false]) {
        if (!isIndexed)
          for (const name of history.names().filter((entry) => entry.endsWith('.idx'))) history.disk.remove(name);
        const files = history.files();
        for (const seq of [1, 2, 777, 1500, 2999, 3000]) {
          const found = files.locate(spread(seq))!;
          assert.ok(found <= seq, `${found} is behind ${seq}`);
          assert.ok(seq - found < 1000, `${found} is far before ${seq}`);
        }
        assert.ok(files.locate({ sec: BASE_SEC + 9999, nanos: 0 })! <= 3000);
        assert.equal(files.locate({ sec: 0, nanos: 0 }), 1);
      }
    });
  });

  it('does not believe a damaged batch about its place in the log', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      for (let batch = 0; batch < 3; batch += 1) history.append(texts(10));
      const { offset } = indexOf(history.disk, crc32, 1).index.entries[0]!;
      history.damage(history.names()[0]!, offset + HISTORY_BATCH.FIRST_SEQ_LOW, Uint8Array.of(25));
      const files = history.files();
      assert.equal(files.locate(at(12)), 11);
      assert.deepEqual(readAll(files, 1, 30).seqs, numbers(11, 30));
    }));

  it('shows nothing behind the head, so that what is written but not safe stays unseen', () =>
    withHistory((history) => {
      history.append(texts(5));
      history.append(texts(5));
      const files = history.files();
      assert.deepEqual(readAll(files, 1, 5).seqs, numbers(1, 5));
      assert.equal(files.page(6, 5), undefined);
      assert.deepEqual(readAll(files, 1, 10).seqs, numbers(1, 10));
    }));

  it('reads on while the file grows', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      history.append(texts(3));
      const files = history.files();
      for (let seq = 4; seq < 400; seq += 1) {
        assert.deepEqual(
          eventsOf(files.page(seq - 1, history.headSeq)!.run).map((event) => event.seq),
          [seq - 1],
        );
        history.append([`event ${seq}`]);
      }
    }));

  it('gives up what a failed write left, and goes on behind the last whole batch', () =>
    withHistory(async (history) => {
      history.fileBytes = 1e9;
      history.start();
      history.append(texts(3));
      const { mark } = history.writer;
      history.append(texts(3));
      history.writer.reopen(mark, 4);
      history.nextSeq = 4;
      history.append(['four']);
      await history.writer.sync();
      assert.equal(history.start().headSeq, 4);
      assert.deepEqual(readAll(history.files(), 1, 4).seqs, [1, 2, 3, 4]);
      assert.equal(at(4).nanos, 4);
    }));

  it('begins the next file again when its first batch failed, so that nobody looks for events in the wrong one', () =>
    withHistory(async (history) => {
      history.fileAgeSec = 60;
      history.start();
      history.append(texts(3));
      const { mark } = history.writer;
      history.nowSec += 61;
      history.append(texts(2));
      assert.throws(() => history.writer.reopen(mark, 4), /busy/);
      await history.writer.sync();
      history.writer.reopen(mark, 4);
      history.nextSeq = 4;
      history.append(['four']);
      assert.deepEqual(
        history.opened.map(({ firstSeq }) => firstSeq),
        [1, 4, 4],
      );
      assert.deepEqual(readAll(history.files(), 1, 4).seqs, [1, 2, 3, 4]);
      const files = history.files({ ageMs: 1 });
      files.retain({ sec: history.nowSec + 1000, nanos: 0 }, 4);
      assert.deepEqual(readAll(files, 1, 4).seqs, [4], 'the newest file stays');
    }));

  it('keeps whatever a great many containers are called, in batches that can be read again', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      const labels = { text: '\u4e09'.repeat(10_000) };
      const many = Array.from({ length: 400 }, (_, index): SavedState => {
        const id = `c${index}`;
        return { container: { id, spec: { labels }, pid: 0, exitCode: 0, known: true, removed: false, removal: 0 } };
      });
      history.append(texts(2), [...many, publisher(7)]);
      history.snapshot = many;
      history.append(texts(1));
      for (const begun of [false, true]) {
        if (begun) history.writer.begin(history.nextSeq);
        const { containers, publishers, headSeq, truncatedBytes } = history.start();
        assert.deepEqual([containers.length, headSeq, truncatedBytes], [400, 3, 0]);
        assert.equal(publishers.length, begun ? 0 : 1);
      }
    }));

  it('takes the end of the newest file for what it is: a write that has not come to its end', () =>
    withHistory((history) => {
      history.fileBytes = 1e9;
      history.start();
      history.append(texts(3));
      const [name] = history.names() as [string];
      const whole = history.disk.size(name);
      history.append(texts(3));
      history.cut(name, whole + 100);
      const corrupt: number[] = [];
      const files = history.files({}, (bytes) => corrupt.push(bytes));
      assert.deepEqual(readAll(files, 1, 6).seqs, [1, 2, 3]);
      assert.deepEqual(corrupt, []);
      assert.deepEqual(history.names(), [name]);
    }));

  it('reads the file that has the name now', () =>
    withHistory((history) => {
      const other = new HistoryFolder(history.folder);
      other.write('a', Uint8Array.of(1));
      const byte = new Uint8Array(1);
      assert.equal(history.disk.read('a', 0, byte), 1);
      other.remove('a');
      other.write('a', Uint8Array.of(2));
      assert.equal(history.disk.read('a', 0, byte), 1);
      assert.equal(byte[0], 2);
    }));
});
