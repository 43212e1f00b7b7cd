import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import zlib from 'node:zlib';
import { LogTail } from '../../../src/actors/log-tail.ts';
import { Epochs, type EpochSpan } from '../../../src/event/epochs.ts';
import { HistoryWriter } from '../../../src/history/history-writer.ts';
import { LogReader } from '../../../src/history/log-reader.ts';
import { recoverHistory } from '../../../src/history/recovery.ts';
import { CommitJournal } from '../../../src/messages/commit-journal.ts';
import type { LogNotice } from '../../../src/messages/collector.ts';
import { LogState } from '../../../src/messages/log-state.ts';
import { CounterTable, MemoryOutbox } from '../../support/actors.ts';
import { at, EPOCH, seqsOf, stamp } from '../../support/log.ts';
import { ManualDisk } from '../../support/manual-disk.ts';
import { packEvent } from '../../support/packed.ts';

const crc32 = (bytes: Uint8Array): number => zlib.crc32(bytes);

/** A log's end over a disk that the test has in its hands, and one reader of the log. */
class Bench {
  readonly disk = new ManualDisk();
  readonly logState = new LogState(LogState.allocate());
  readonly epochs = new Epochs([{ epoch: EPOCH, firstSeq: 1 }]);
  readonly counters = new CounterTable();
  readonly said: string[] = [];
  readonly timers: (() => void)[] = [];
  readonly answered: number[] = [];
  readonly began: EpochSpan[] = [];
  readonly tail: LogTail;
  readonly #outbox = new MemoryOutbox<LogNotice>();
  readonly #reader = new LogReader(this.logState.memory, 0, 0);
  elapsedMs = 0;
  moved = 0;

  constructor(durability: 'async' | 'sync', segmentBytes = 128 * 1024) {
    const writer = new HistoryWriter(
      {
        disk: this.disk,
        crc32,
        epochs: this.epochs,
        writer: { boot: 'b', durability },
        inherited: undefined,
        nowSec: () => 0,
        fileBytes: 1e9,
        fileAgeSec: 1e9,
        snapshot: () => [],
        opened: () => {},
        secured: () => {},
      },
      { sec: 0, nanos: 0 },
    );
    this.tail = new LogTail({
      logState: this.logState,
      journal: new CommitJournal(CommitJournal.allocate({})),
      lastSegment: undefined,
      snapshot: () => [],
      keeper: { post: () => {} },
      epochs: this.epochs,
      readers: [this.#outbox],
      counters: this.counters.writer,
      segmentBytes,
      later: (_, task) => this.timers.push(task),
      elapsedMs: () => this.elapsedMs,
      history: { writer, durability, newEpoch: () => `epoch${'abc'[this.began.length]}aa` },
      moved: () => (this.moved += 1),
      epochBegan: (span) => this.began.push(span),
      failed: (error) => this.said.push(error.code),
      recovered: () => this.said.push('recovered'),
      slow: (ms) => this.said.push(`slow ${ms}`),
    });
  }

  /** One batch, and a publisher that waits for its answer. */
  append(count: number): void {
    const { tail } = this;
    for (let done = 0; done < count; done += 1) {
      const record = stamp(packEvent({ type: 'container', action: 'start', id: 'c' }), tail.nextSeq, at(tail.nextSeq));
      if (tail.pos + record.length > tail.segment.byteLength) {
        tail.commit(at(tail.nextSeq - 1), [], []);
        tail.openSegment();
      }
      tail.segment.view.bytes.set(record, tail.pos);
      tail.pos += record.length;
      tail.nextSeq += 1;
    }
    const last = tail.nextSeq - 1;
    tail.commit(at(last), [], []);
    tail.after(() => this.answered.push(last));
  }

  /** What can be seen now, of what was not taken before. */
  seen(): number[] {
    for (const notice of this.#outbox.take()) if (notice.type === 'segment-opened') this.#reader.open(notice.memory);
    const seqs: number[] = [];
    for (let run = this.#reader.take(); run; run = this.#reader.take()) seqs.push(...seqsOf(run));
    return seqs;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
  }

  async synced(): Promise<void> {
    this.disk.syncs.shift()?.resolve();
    await this.settle();
  }

  runTimers(): void {
    for (const task of this.timers.splice(0)) task();
  }

  /** What a process that began now would find. */
  recovered() {
    return recoverHistory(this.disk, { crc32, boot: 'b', newEpoch: () => 'zzzzzzzz' });
  }
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to + 1 - from }, (_, index) => from + index);
}

describe('LogTail', () => {
  it('shows and answers under async once it is written, and not before', () => {
    const bench = new Bench('async');
    bench.append(5);
    assert.deepEqual(bench.seen(), numbers(1, 5));
    assert.deepEqual(bench.answered, [5]);
    assert.equal(bench.recovered().headSeq, 5);
    // For a loss of power it is made safe a moment later.
    assert.equal(bench.disk.syncs.length, 0);
    bench.runTimers();
    assert.equal(bench.disk.syncs.length, 1);
  });

  it('shows and answers nothing under sync before it is safe, and lets batches wait for each other', async () => {
    const bench = new Bench('sync');
    bench.append(3);
    assert.deepEqual([bench.seen(), bench.answered, bench.logState.headSeq], [[], [], 0]);
    const writes = bench.disk.writes;
    for (let batch = 0; batch < 10; batch += 1) bench.append(2);
    assert.equal(bench.disk.writes, writes, 'nothing is written while the disk is busy');
    await bench.synced();
    assert.deepEqual([bench.seen(), bench.answered], [numbers(1, 3), [3]]);
    assert.equal(bench.disk.writes, writes + 1, 'all that waited, at once');
    assert.equal(bench.moved, 1);
    await bench.synced();
    assert.deepEqual(bench.seen(), numbers(4, 23));
    assert.deepEqual(bench.answered.at(-1), 23);
    assert.equal(bench.recovered().headSeq, 23);
  });

  it('tells readers of a segment only once everything before it can be seen', async () => {
    const bench = new Bench('sync');
    bench.append(2);
    bench.append(5_000);
    assert.deepEqual(bench.seen(), []);
    while (bench.disk.syncs.length > 0) await bench.synced();
    assert.deepEqual(bench.seen(), numbers(1, 5_002));
  });

  it('lets intake wait under sync when too much waits for the disk', async () => {
    const bench = new Bench('sync', 1024 * 1024);
    let events = 0;
    for (; !bench.tail.isStalled && events < 1e6; events += 1000) bench.append(1000);
    assert.ok(events < 1e6);
    while (bench.disk.syncs.length > 0) await bench.synced();
    assert.equal(bench.tail.isStalled, false);
    assert.deepEqual(bench.seen(), numbers(1, events));
  });

  it('goes on under async without the disk, in another epoch, and back on disk when that works', async () => {
    const bench = new Bench('async');
    bench.append(3);
    bench.disk.isFull = true;
    bench.append(2);
    bench.append(2);
    assert.deepEqual(bench.seen(), numbers(1, 7));
    assert.deepEqual(bench.said, ['ERR_HISTORY_UNWRITABLE']);
    assert.equal(bench.logState.isHistoryFailed, true);
    assert.deepEqual(bench.began, [{ epoch: 'epochaaa', firstSeq: 4 }]);
    assert.deepEqual([bench.epochs.cursor(3), bench.epochs.cursor(4)], [`${EPOCH}-3`, 'epochaaa-4']);
    // Nothing of it is believed by a process that begins now.
    assert.equal(bench.recovered().headSeq, 3);
    bench.runTimers();
    assert.equal(bench.said.length, 1, 'still full');
    bench.disk.isFull = false;
    bench.runTimers();
    assert.equal(bench.said.length, 1, 'the disk has not done yet what it was asked before');
    while (bench.disk.syncs.length > 0) await bench.synced();
    bench.runTimers();
    assert.deepEqual(bench.said, ['ERR_HISTORY_UNWRITABLE', 'recovered']);
    bench.append(3);
    assert.deepEqual(bench.seen(), numbers(8, 10));
    const { headSeq, epochs, files } = bench.recovered();
    assert.equal(headSeq, 10);
    assert.deepEqual(epochs, [
      { epoch: EPOCH, firstSeq: 1 },
      { epoch: 'epochaaa', firstSeq: 4 },
    ]);
    assert.deepEqual(
      files.map(({ firstSeq, parent }) => [firstSeq, parent]),
      [
        [1, undefined],
        [8, EPOCH],
      ],
    );
    assert.equal(bench.began.length, 1);
  });

  it('takes, shows and answers nothing more under sync while the disk fails, and goes on without a loss', async () => {
    for (const how of ['write', 'sync'] as const) {
      const bench = new Bench('sync');
      bench.append(3);
      await bench.synced();
      if (how === 'write') bench.disk.isFull = true;
      bench.append(4);
      if (how === 'sync') bench.disk.syncs.shift()!.reject(new Error('EIO'));
      await bench.settle();
      assert.equal(bench.tail.isStalled, true);
      bench.append(2);
      assert.deepEqual([bench.seen(), bench.answered], [numbers(1, 3), [3]]);
      assert.equal(bench.logState.isHistoryFailed, true);
      bench.disk.isFull = false;
      bench.runTimers();
      while (bench.disk.syncs.length > 0) await bench.synced();
      assert.deepEqual(bench.seen(), numbers(4, 9), how);
      assert.deepEqual(bench.answered, [3, 7, 9]);
      assert.deepEqual(bench.said, ['ERR_HISTORY_UNWRITABLE', 'recovered']);
      const { headSeq, epochs } = bench.recovered();
      assert.deepEqual([headSeq, epochs.length], [9, 1]);
    }
  });

  it('says when the disk kept everybody waiting for more than a second', async () => {
    const bench = new Bench('sync');
    bench.append(1);
    bench.elapsedMs = 1_500;
    await bench.synced();
    assert.deepEqual(bench.said, ['slow 1500']);
    assert.equal(bench.counters.values.historySlow, 1);
  });

  it('says at the end that nothing is missing', async () => {
    const bench = new Bench('async');
    bench.append(3);
    const closed = bench.tail.close();
    await bench.synced();
    await closed;
    assert.equal(bench.recovered().wasClosed, true);
  });
});
