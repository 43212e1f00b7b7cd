import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Epochs } from '../../src/event/epochs.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import type { NewBatch } from '../../src/history/batch.ts';
import { HistoryFiles, type HistoryLimits } from '../../src/history/history-files.ts';
import { HistoryWriter } from '../../src/history/history-writer.ts';
import { type Recovered, recoverHistory } from '../../src/history/recovery.ts';
import type { SavedState } from '../../src/history/saved-state.ts';
import type { Run } from '../../src/history/segment.ts';
import type { HistoryFileHead } from '../../src/messages/collector.ts';
import { crc32, HistoryFolder } from '../../src/runtime/history-folder.ts';
import { at, BASE_SEC, stamp } from './log.ts';
import { packEvent } from './packed.ts';

const NO_LIMITS: HistoryLimits = { events: 0, bytes: 0, ageMs: 0 };

/** A history in a temporary folder, as one process after another writes it. */
export class TestHistory {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-history-'));
  readonly disk = new HistoryFolder(this.folder);
  boot = 'boot-1';
  durability: 'async' | 'sync' = 'async';
  fileBytes = 4096;
  fileAgeSec = 3600;
  nowSec = BASE_SEC;
  snapshot: SavedState[] = [];
  recovered!: Recovered;
  epochs!: Epochs;
  writer!: HistoryWriter;
  nextSeq = 1;
  readonly opened: HistoryFileHead[] = [];
  readonly secured: number[] = [];
  #epochs = 0;

  constructor() {
    this.start();
  }

  /** A process begins. */
  start(): Recovered {
    this.recovered = recoverHistory(this.disk, { crc32, boot: this.boot, newEpoch: () => this.#newEpoch() });
    this.epochs = new Epochs(this.recovered.epochs);
    this.nextSeq = this.recovered.headSeq + 1;
    this.opened.length = 0;
    this.writer = new HistoryWriter(
      {
        disk: this.disk,
        crc32,
        epochs: this.epochs,
        writer: { boot: this.boot, durability: this.durability },
        inherited: undefined,
        nowSec: () => this.nowSec,
        fileBytes: this.fileBytes,
        fileAgeSec: this.fileAgeSec,
        snapshot: () => this.snapshot,
        opened: (file) => this.opened.push(file),
        secured: (firstSeq) => this.secured.push(firstSeq),
      },
      this.recovered.time,
    );
    this.writer.reopen(this.recovered.tail, this.nextSeq);
    return this.recovered;
  }

  /** Events with these texts as their args, one batch. */
  append(
    texts: readonly string[],
    state: readonly SavedState[] = [],
    time: (seq: number) => Timestamp = at,
    isAll = true,
  ): NewBatch {
    const firstSeq = this.nextSeq;
    const records = texts.map((args, index) => {
      const event: NewEvent = { type: 'container', action: 'start', id: 'c1', args };
      return stamp(packEvent(event), firstSeq + index, time(firstSeq + index));
    });
    const last = firstSeq + Math.max(0, texts.length - 1);
    const batch: NewBatch = {
      events: Buffer.concat(records),
      count: texts.length,
      firstSeq,
      first: time(firstSeq),
      last: time(last),
      state,
    };
    this.writer.append(batch, isAll);
    this.nextSeq += texts.length;
    return batch;
  }

  /** What a buffer that starts now would have. */
  files(limits: Partial<HistoryLimits> = {}, onCorrupt: (bytes: number) => void = () => {}): HistoryFiles {
    const known = new Map([...this.recovered.files, ...this.opened].map((file) => [file.firstSeq, file]));
    return new HistoryFiles({
      disk: this.disk,
      crc32,
      limits: { ...NO_LIMITS, ...limits },
      files: [...known.values()].sort((left, right) => left.firstSeq - right.firstSeq),
      onCorrupt,
    });
  }

  get headSeq(): number {
    return this.nextSeq - 1;
  }

  names(): string[] {
    return this.disk.list().sort();
  }

  /** Overwrites bytes of a file behind everybody's back. */
  damage(name: string, offset: number, bytes: Uint8Array = Uint8Array.of(0xff, 0x00, 0xff)): void {
    const fd = fs.openSync(path.join(this.folder, name), 'r+');
    fs.writeSync(fd, bytes, 0, bytes.length, offset);
    fs.closeSync(fd);
  }

  cut(name: string, length: number): void {
    fs.truncateSync(path.join(this.folder, name), length);
  }

  async remove(): Promise<void> {
    await this.writer.sync().catch(() => {});
    this.disk.close();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  #newEpoch(): string {
    this.#epochs += 1;
    return `epoch${String(this.#epochs).padStart(3, '2')}`.replaceAll(/[0189]/g, 'a');
  }
}

/** Number and text of every event of the run. */
export function eventsOf(run: Run): { readonly seq: number; readonly args: string }[] {
  const { view } = run.segment;
  const events: { seq: number; args: string }[] = [];
  for (view.at = run.from; view.at < run.to; view.at += view.byteLength)
    events.push({ seq: view.seq, args: view.args });
  return events;
}

/** Everything from `seq` on, page by page, and what was said of holes. */
export function readAll(
  files: HistoryFiles,
  seq: number,
  headSeq: number,
): { readonly seqs: number[]; readonly reasons: string[] } {
  const seqs: number[] = [];
  const reasons: string[] = [];
  for (let next = seq; next <= headSeq; ) {
    const page = files.page(next, headSeq);
    if (!page) break;
    if (page.run.firstSeq > next) reasons.push(`${next}-${page.run.firstSeq - 1} ${page.reason}`);
    const events = eventsOf(page.run);
    seqs.push(...events.map((event) => event.seq));
    next = events.at(-1)!.seq + 1;
  }
  return { seqs, reasons };
}
