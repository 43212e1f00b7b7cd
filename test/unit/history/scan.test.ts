import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { EventView } from '../../../src/codec/event-record.ts';
import { Epochs } from '../../../src/event/epochs.ts';
import type { Lagged, NewEvent } from '../../../src/event/event.ts';
import { compareTime } from '../../../src/event/time.ts';
import { ExportStream } from '../../../src/history/export-stream.ts';
import { scanFile, type ScanResult } from '../../../src/history/file-scan.ts';
import { epochsOf, headSeqOf, indexOf, listFiles } from '../../../src/history/folder-listing.ts';
import { fileName, indexName } from '../../../src/history/history-file.ts';
import { compileRecordFilter } from '../../../src/codec/record-filter.ts';
import { planScan, type ScanWish } from '../../../src/history/scan-plan.ts';
import { Segment } from '../../../src/history/segment.ts';
import { SEGMENT } from '../../../src/messages/layout.ts';
import { HistoryFolder } from '../../../src/runtime/history-folder.ts';
import { ThreadedScans } from '../../../src/runtime/scan-pool.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { anyEvent, anyTerm } from '../../support/filtered-events.ts';
import { crc32, flip, timeOf, writeHistory } from '../../support/written-history.ts';
import { EPOCH } from '../../support/log.ts';

const ALL: ScanWish = {
  fromSeq: 1,
  toSeq: Number.MAX_SAFE_INTEGER,
  terms: [],
  format: 'packed',
  epochs: [{ epoch: EPOCH, firstSeq: 1 }],
};

const folders: string[] = [];
after(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true })));

function newFolder(): string {
  const folder = temporaryFolder();
  folders.push(folder);
  return folder;
}

async function scan(folder: string, wish: Partial<ScanWish> = {}): Promise<ScanResult[]> {
  const disk = new HistoryFolder(folder);
  const results: ScanResult[] = [];
  const tasks = planScan(disk, crc32, listFiles(disk, crc32), { ...ALL, ...wish });
  for (const task of tasks) results.push(await scanFile(disk, crc32, task));
  disk.close();
  return results;
}

/** As the writer leaves it beside a file that is complete. */
function makeIndex(folder: string, file: number): void {
  const disk = new HistoryFolder(folder);
  disk.write(indexName(file), indexOf(disk, crc32, file).index.pack(disk.size(fileName(file)), crc32));
  disk.close();
}

/** Numbers of the events in packed results. */
function seqsIn(results: readonly ScanResult[]): number[] {
  return results.flatMap(({ bytes, events }) => {
    const segment = Segment.of(bytes.buffer as SharedArrayBuffer);
    const view = new EventView(segment.memory);
    const seqs: number[] = [];
    for (view.at = SEGMENT.HEADER_BYTES; view.at < segment.committed; view.at += view.byteLength) seqs.push(view.seq);
    assert.equal(segment.committed, bytes.length);
    assert.equal(seqs.length, events);
    return seqs;
  });
}

/** What an export prints of results: numbers of events, and gaps. */
function exported(results: readonly ScanResult[], nextSeq?: number): (number | Lagged)[] {
  const stream = new ExportStream(new Epochs(ALL.epochs), nextSeq);
  const printed: (number | Lagged)[] = [];
  for (const result of results) {
    for (const piece of stream.take(result)) {
      if (piece.type === 'gap') printed.push(piece.gap);
      else
        for (const line of Buffer.from(piece.bytes).toString().trimEnd().split('\n'))
          printed.push((JSON.parse(line) as { seq: number }).seq);
    }
    if (stream.isDone) break;
  }
  return printed;
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to + 1 - from) }, (_, index) => from + index);
}

const SIMPLE: readonly NewEvent[] = numbers(1, 48).map((n) => ({ type: 'container', action: 'start', id: `c${n}` }));

describe('a scan of a history', () => {
  it('finds what picking the records one by one finds, whatever is asked for', async () => {
    const wishes = fc.record({
      terms: fc.array(
        anyTerm.filter(({ op }) => op !== '~='),
        { maxLength: 3 },
      ),
      container: fc.option(fc.constantFrom('a', 'ab', 'exec'), { nil: undefined }),
      limit: fc.option(fc.constantFrom([{ key: 'type', op: '=', value: 'container' } as const]), { nil: undefined }),
      fromSeq: fc.integer({ min: 1, max: 60 }),
      toSeq: fc.oneof(fc.constant(Number.MAX_SAFE_INTEGER), fc.integer({ min: 1, max: 60 })),
      since: fc.option(fc.integer({ min: 0, max: 60 }).map(timeOf), { nil: undefined }),
      until: fc.option(fc.integer({ min: 0, max: 60 }).map(timeOf), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEvent, { minLength: 1, maxLength: 50 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 5 }),
        wishes,
        async (events, perBatch, batchesPerFile, wish) => {
          const folder = temporaryFolder();
          try {
            const records = await writeHistory(folder, events, { perBatch, batchesPerFile });
            const filter = await compileRecordFilter(wish.terms, wish.container, wish.limit);
            const isWanted = (record: Uint8Array, seq: number): boolean => {
              const time = timeOf(seq);
              const view = new EventView(record.slice().buffer);
              return (
                seq >= wish.fromSeq &&
                seq <= wish.toSeq &&
                !(wish.since && compareTime(time, wish.since) < 0) &&
                !(wish.until && compareTime(time, wish.until) > 0) &&
                filter.matches(view)
              );
            };
            const expected = records.flatMap((record, index) => (isWanted(record, index + 1) ? [index + 1] : []));
            const packed = await scan(folder, wish);
            assert.deepEqual(seqsIn(packed), expected);
            assert.deepEqual(
              packed.flatMap(({ holes, bad }) => [...holes, ...bad]),
              [],
            );
            const lines = exported(await scan(folder, { ...wish, format: 'json-plain' }));
            assert.deepEqual(lines, expected);
          } finally {
            fs.rmSync(folder, { recursive: true });
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('finds and shows events without their secrets where that is asked for', async () => {
    const folder = newFolder();
    const secret: NewEvent = { type: 'container', action: 'exec_create', args: 'x --token S3', id: 'c1' };
    await writeHistory(folder, [{ ...secret, attributes: { door: 'S3' } }, ...SIMPLE], { batchesPerFile: 4 });
    const asked = (value: string, wish: Partial<ScanWish>): Promise<ScanResult[]> =>
      scan(folder, { ...wish, terms: [{ key: 'event', op: '=', value }] });
    const text = (results: readonly ScanResult[]): string =>
      Buffer.concat(results.map(({ bytes }) => bytes)).toString('latin1');
    for (const format of ['packed', 'json-plain'] as const) {
      const redacted = { format, redactNames: ['door'] };
      assert.ok(text(await scan(folder, { format })).includes('S3'));
      assert.ok(!text(await scan(folder, redacted)).includes('S3'));
      const eventsOf = (results: readonly ScanResult[]): number => results.reduce((sum, { events }) => sum + events, 0);
      assert.equal(eventsOf(await asked('exec_create: x --token S3', { format })), 1);
      assert.equal(eventsOf(await asked('exec_create: x --token S3', redacted)), 0);
      assert.equal(eventsOf(await asked('exec_create: x --token ***', redacted)), 1);
    }
  });

  it('gives the records as they were written', async () => {
    const folder = newFolder();
    const records = await writeHistory(folder, SIMPLE, { batchesPerFile: 4 });
    const found = (await scan(folder)).map(({ bytes }) => bytes.slice(SEGMENT.HEADER_BYTES));
    assert.deepEqual(Buffer.concat(found), Buffer.concat(records));
  });

  it('begins where the index says, and reads no file that has nothing', async () => {
    const folder = newFolder();
    await writeHistory(folder, SIMPLE, { batchesPerFile: 4 });
    const disk = new HistoryFolder(folder);
    const filesOf = (wish: Partial<ScanWish>): number[] =>
      [...planScan(disk, crc32, listFiles(disk, crc32), { ...ALL, ...wish })].map(({ file }) => file);
    assert.deepEqual(filesOf({}), [1, 17, 33]);
    assert.deepEqual(filesOf({ fromSeq: 17 }), [17, 33]);
    assert.deepEqual(filesOf({ since: timeOf(32) }), [17, 33]);
    assert.deepEqual(filesOf({ since: { ...timeOf(32), nanos: 1 } }), [33]);
    assert.deepEqual(filesOf({ until: timeOf(16) }), [1]);
    assert.deepEqual(filesOf({ until: timeOf(17) }), [1, 17]);
    disk.close();
  });

  it('cuts a large file into parts, which together are the file', async () => {
    const folder = newFolder();
    const events = SIMPLE.map((event) => ({ ...event, attributes: { text: 'x'.repeat(60_000) } }));
    const many = [...events, ...events, ...events, ...events];
    await writeHistory(folder, many, { perBatch: 2, isClosed: false });
    for (const isIndexed of [false, true]) {
      if (isIndexed) makeIndex(folder, 1);
      const disk = new HistoryFolder(folder);
      const tasks = [...planScan(disk, crc32, listFiles(disk, crc32), ALL)];
      disk.close();
      assert.equal(tasks.length, 3);
      assert.deepEqual(seqsIn(await scan(folder)), numbers(1, many.length));
      // What is in the middle belongs to neither of them, wherever the damage is.
      const [, second] = tasks;
      flip(folder, fileName(1), second!.from + 8);
      const printed = exported(await scan(folder, { format: 'json-plain' }));
      assert.equal(printed.filter((line) => typeof line === 'number').length, many.length - 2);
      assert.equal(printed.filter((line) => typeof line !== 'number').length, 1);
      flip(folder, fileName(1), second!.from + 8);
    }
  });
});

describe('what an export says of missing events', () => {
  const gap = (from: number, to: number, reason: string): unknown => ({
    type: 'gap',
    missed: to + 1 - from,
    from,
    to,
    reason,
    oldest: `${EPOCH}-${to}`,
  });
  const json = { format: 'json-plain' } as const;

  async function damaged(damage: (folder: string) => void): Promise<string> {
    const folder = newFolder();
    await writeHistory(folder, SIMPLE, { batchesPerFile: 4 });
    damage(folder);
    return folder;
  }

  it('are those of a batch that cannot be read', async () => {
    const folder = await damaged((folder_) => flip(folder_, fileName(17), 64 + 400));
    const printed = exported(await scan(folder, json), 1);
    const [lost] = printed.filter((line) => typeof line !== 'number');
    assert.deepEqual(lost, gap(17, 20, 'corruption'));
    assert.deepEqual(printed, [...numbers(1, 16), lost, ...numbers(21, 48)]);
  });

  it('are those of the end of a file, known from the next one', async () => {
    const folder = await damaged((folder_) => fs.truncateSync(path.join(folder_, fileName(17)), 700));
    const printed = exported(await scan(folder, json), 1);
    const at = printed.findIndex((line) => typeof line !== 'number');
    const seq = printed[at - 1] as number;
    assert.deepEqual(printed, [...numbers(1, seq), gap(seq + 1, 32, 'corruption'), ...numbers(33, 48)]);
  });

  it('are those of a file that is missing', async () => {
    const folder = await damaged((folder_) => fs.rmSync(path.join(folder_, fileName(17))));
    const lost = gap(17, 32, 'retention');
    assert.deepEqual(exported(await scan(folder, json)), [...numbers(1, 16), lost, ...numbers(33, 48)]);
    assert.deepEqual(exported(await scan(folder, { ...json, fromSeq: 20 }), 20), [
      gap(20, 32, 'retention'),
      ...numbers(33, 48),
    ]);
    // Which of them came before is not known.
    assert.deepEqual(exported(await scan(folder, { ...json, since: timeOf(20) })), [lost, ...numbers(33, 48)]);
  });

  it('are none before the oldest, unless a cursor has a claim to them', async () => {
    const folder = await damaged((folder_) => fs.rmSync(path.join(folder_, fileName(1))));
    assert.deepEqual(exported(await scan(folder, json)), numbers(17, 48));
    assert.deepEqual(exported(await scan(folder, json), 5), [gap(5, 16, 'retention'), ...numbers(17, 48)]);
  });

  it('stand where the events would, also between events that are not shown', async () => {
    const folder = await damaged((folder_) => flip(folder_, fileName(17), 64 + 400));
    const terms = [
      { key: 'id', op: '=', value: 'c3' },
      { key: 'id', op: '=', value: 'c40' },
    ] as const;
    assert.deepEqual(exported(await scan(folder, { ...json, terms }), 1), [3, gap(17, 20, 'corruption'), 40]);
  });

  it('are none behind the end of what was asked for', async () => {
    const folder = await damaged((folder_) => flip(folder_, fileName(17), 64 + 400));
    assert.deepEqual(exported(await scan(folder, { ...json, until: timeOf(10) }), 1), numbers(1, 10));
  });

  it('needs neither index nor header', async () => {
    const folder = await damaged((folder_) => {
      fs.rmSync(path.join(folder_, indexName(1)));
      flip(folder_, indexName(17), 30);
      flip(folder_, fileName(17), 33);
    });
    assert.deepEqual(exported(await scan(folder, { ...json, fromSeq: 10 }), 10), numbers(10, 48));
  });
});

describe('a listing of a history', () => {
  it('tells the lives of the log and its newest event', async () => {
    const folder = newFolder();
    const first = { epoch: 'firstone', firstSeq: 1 };
    const second = { epoch: 'secondon', firstSeq: 49 };
    await writeHistory(folder, SIMPLE, { batchesPerFile: 4, epochs: [first] });
    const read = (): unknown => {
      const disk = new HistoryFolder(folder);
      const files = listFiles(disk, crc32);
      const told = [epochsOf(disk, crc32, files), headSeqOf(disk, crc32, files)];
      disk.close();
      return told;
    };
    assert.deepEqual(read(), [[first], 48]);
    await writeHistory(folder, SIMPLE.slice(0, 5), { firstSeq: 49, epochs: [first, second] });
    assert.deepEqual(read(), [[first, second], 53]);
    flip(folder, fileName(49), 60 + 48);
    fs.appendFileSync(path.join(folder, fileName(49)), 'torn');
    assert.deepEqual(read(), [[first, second], 53], 'also without the list');
  });
});

describe('a pool of scans', () => {
  it('gives the results in the order of the tasks, and stays a few ahead at most', async () => {
    const folder = newFolder();
    await writeHistory(folder, SIMPLE, { batchesPerFile: 1 });
    const disk = new HistoryFolder(folder);
    const files = listFiles(disk, crc32);
    const pool = new ThreadedScans(folder, 2);
    try {
      let asked = 0;
      function* tasks(): ReturnType<typeof planScan> {
        for (const task of planScan(disk, crc32, files, ALL)) {
          asked += 1;
          yield task;
        }
      }
      let taken = 0;
      const seqs: number[] = [];
      for await (const result of pool.run('scan', tasks())) {
        taken += 1;
        assert.ok(asked - taken <= 3, `${asked} asked for, ${taken} taken`);
        seqs.push(...seqsIn([result]));
      }
      assert.deepEqual(seqs, numbers(1, 48));
      for await (const result of pool.run('scan', planScan(disk, crc32, files, { ...ALL, format: 'json-plain' }))) {
        assert.equal(result.file, 1);
        break;
      }
      const reports = pool.run(
        'check',
        files.map(({ firstSeq }) => ({ file: firstSeq })),
      );
      let events = 0;
      for await (const report of reports) events += report.events;
      assert.equal(events, 48, 'leaving a loop early ends that loop alone');
    } finally {
      disk.close();
      await pool.close();
    }
  });

  it('fails with what a task failed with, and passes over a file that is gone', async () => {
    const folder = newFolder();
    await writeHistory(folder, SIMPLE);
    const pool = new ThreadedScans(folder, 1);
    const task = { ...ALL, file: 1, from: 64, to: Infinity };
    const first = async (wish: Partial<typeof task>): Promise<ScanResult | undefined> => {
      for await (const result of pool.run('scan', [{ ...task, ...wish }])) return result;
      return undefined;
    };
    try {
      await assert.rejects(first({ terms: [{ key: 'colour', op: '=', value: 'red' }] }), {
        code: 'ERR_FILTER_INVALID',
      });
      assert.equal((await first({ file: 7 }))?.isGone, true);
      assert.equal((await first({}))?.events, 48);
    } finally {
      await pool.close();
    }
  });
});
