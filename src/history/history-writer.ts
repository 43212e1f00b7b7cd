import type { Epochs } from '../event/epochs.ts';
import type { Timestamp } from '../event/event.ts';
import { BatchPacker, type NewBatch, readBatchHead } from './batch.ts';
import type { Crc32, Disk, SegmentSink } from './disk.ts';
import { FileIndex } from './file-index.ts';
import {
  type FileHead,
  fileName,
  firstSeqOf,
  indexName,
  packFileHead,
  readFileHead,
  removeFile,
} from './history-file.ts';
import { HISTORY_FILE } from '../messages/layout.ts';
import type { SavedState, SavedWriter } from './saved-state.ts';

/** Where a history goes on. */
export interface HistoryTail {
  readonly firstSeq: number;
  /** Everything behind it is cut off. */
  readonly length: number;
}

export interface HistoryWriterEnv {
  readonly disk: Disk;
  readonly crc32: Crc32;
  readonly epochs: Epochs;
  readonly writer: SavedWriter;
  /** Present when a writer of this process has died, and left whatever it was about to do: files that begin before this are safe. */
  readonly inherited: { readonly safeBefore: number } | undefined;
  readonly nowSec: () => number;
  /** A file is closed at this size, or when it is so old. */
  readonly fileBytes: number;
  readonly fileAgeSec: number;
  /** Everything that the log knows besides events, now. */
  readonly snapshot: () => Iterable<SavedState>;
  /** A file was begun, and is there as far as `writer.durability` asks. */
  readonly opened: (file: FileHead) => void;
  /** It has its snapshot for good: older ones may go now. */
  readonly secured: (firstSeq: number) => void;
}

interface OpenFile {
  readonly firstSeq: number;
  readonly sink: SegmentSink;
  readonly index: FileIndex;
  readonly createdSec: number;
  /** An index of only its end would hide what is before. */
  readonly isIndexed: boolean;
}

/** Containers that are written at once, at most: 64 KiB each as JSON, if it comes to the worst, beside 4 MiB of events. */
const STATE_PER_BATCH = 32;

/**
 * The end of the history on disk: batches come in order and are appended to the newest file; a file that is large or old enough
 * is closed and the next one begun with a snapshot. It goes on where `reopen` says; without that the first batch begins a file.
 * When a call throws, the batch is not there: `reopen`, and try again.
 */
export class HistoryWriter {
  readonly #env: HistoryWriterEnv;
  readonly #packer: BatchPacker;
  #file: OpenFile | undefined;
  /** Bytes of the file that are whole batches. */
  #length = 0;
  #isOpened = false;
  /** The file that is not safe yet: under `sync` nobody has been told of it. */
  #begun: FileHead | undefined;
  #syncing = 0;
  /** Settles when the files before are safe. */
  #retired: Promise<unknown> = Promise.resolve();
  /** Which files from there on the writer before had come to sync, and which it had told of, nobody knows. */
  #inherited: HistoryWriterEnv['inherited'];
  #safeBefore = 0;
  /** The time of the newest event that was written. */
  #last: Timestamp;

  constructor(env: HistoryWriterEnv, last: Timestamp) {
    this.#env = env;
    this.#packer = new BatchPacker(env.crc32);
    this.#inherited = env.inherited;
    this.#last = last;
  }

  /**
   * Hands a batch to the system.
   * @param isAll no other one waits behind it: a file may begin, whose snapshot knows of all of them
   * @throws what the disk threw
   */
  append(batch: NewBatch, isAll = true): void {
    const isDue = !this.#file || (isAll && this.#isDone(this.#file, batch.firstSeq));
    const begun = isDue ? this.#create(batch.firstSeq) : undefined;
    // The snapshot knows of the batch already: it counts from the moment that the batch is there, too.
    // How far publishers have come goes with their events; what is known of containers may follow.
    const containers = batch.state.filter((saved) => 'container' in saved);
    const others = batch.state.filter((saved) => !('container' in saved));
    const state = [...(this.#isOpened ? [] : this.#opening()), ...others, ...containers.splice(0, STATE_PER_BATCH)];
    this.#write({ ...batch, state });
    while (containers.length > 0)
      this.#write({ ...this.#empty(batch.firstSeq + batch.count), state: containers.splice(0, STATE_PER_BATCH) });
    this.#isOpened = true;
    if (begun) this.#opened(begun);
  }

  /** Resolves when everything that was appended before is safe from a loss of power. */
  sync(): Promise<void> {
    const begun = this.#begun;
    const safeBefore = this.#file?.firstSeq ?? 0;
    return Promise.all([this.#retired, this.#file && this.#counted(this.#file.sink.sync())]).then(() => {
      this.#inherited = undefined;
      this.#safeBefore = Math.max(this.#safeBefore, safeBefore);
      if (!begun || begun !== this.#begun) return;
      this.#begun = undefined;
      if (this.#env.writer.durability === 'sync') this.#env.opened(begun);
      this.#env.secured(begun.firstSeq);
    });
  }

  /** Files that begin before this event would survive a loss of power; 0 = nothing is known of that yet. */
  get safeBefore(): number {
    return this.#safeBefore;
  }

  /** What has been written so far; undefined before the first file. */
  get mark(): HistoryTail | undefined {
    return this.#file && { firstSeq: this.#file.firstSeq, length: this.#length };
  }

  /**
   * At the start and after a failure: what came behind the mark is given up, and the next batch follows there.
   * @param nextSeq the first event of what is given up
   * @throws as append, and while a sync has not ended: if it fails, so may what would be written now
   */
  reopen(mark: HistoryTail | undefined, nextSeq: number): void {
    if (this.#syncing > 0) throw new Error('the disk is busy with what it was asked before');
    const before = this.#file;
    this.#file = undefined;
    if (this.#begun?.firstSeq !== mark?.firstSeq) this.#begun = undefined;
    this.#isOpened = false;
    this.#retired = Promise.resolve();
    try {
      before?.sink.close();
    } catch {
      // It cannot be used any more either way.
    }
    const { disk, nowSec } = this.#env;
    const files = disk.list().flatMap((name) => firstSeqOf(name) ?? []);
    // Begun meanwhile, and perhaps known: it is begun again, under the same name.
    const begun = files.filter((firstSeq) => (mark ? firstSeq > mark.firstSeq : firstSeq >= nextSeq));
    for (const firstSeq of begun) removeFile(disk, firstSeq);
    // Where somebody has removed it, the next batch begins another.
    if (mark && begun.length === 0 && files.includes(mark.firstSeq)) this.#open(mark, nowSec(), false);
    if (this.#inherited)
      this.#inherit(
        files.filter((firstSeq) => !begun.includes(firstSeq)),
        this.#inherited.safeBefore,
      );
  }

  /** What the writer before may not have done is done again: files are synced, and it is said that the newest one is there. */
  #inherit(files: readonly number[], safeBefore: number): void {
    const { disk, crc32, opened } = this.#env;
    const file = this.#file;
    const complete = files.filter((firstSeq) => firstSeq >= safeBefore && firstSeq !== file?.firstSeq);
    this.#retired = this.#counted(disk.sync(complete.map(fileName)));
    this.#retired.catch(() => {});
    if (!file) return;
    const bytes = new Uint8Array(HISTORY_FILE.BYTES);
    const head = readFileHead(bytes.subarray(0, disk.read(fileName(file.firstSeq), 0, bytes)), crc32);
    if (!head) return;
    this.#begun = head;
    opened(head);
  }

  /** Begins the file whose first event is `firstSeq`, with a snapshot of what is known now. @throws as append */
  begin(firstSeq: number): void {
    const begun = this.#create(firstSeq);
    this.#write({ ...this.#empty(firstSeq), state: this.#opening() });
    this.#isOpened = true;
    this.#opened(begun);
  }

  /** Says that nothing is missing, and waits until that is on disk. @param nextSeq of the event that would come next */
  async close(nextSeq: number): Promise<void> {
    const batch = this.#empty(nextSeq);
    if (!this.#file || this.#isDone(this.#file, nextSeq)) this.begin(nextSeq);
    this.append({ ...batch, state: [{ closed: this.#env.writer }] });
    await this.sync();
    this.#file?.sink.close();
    this.#file = undefined;
  }

  async #counted(sync: Promise<void>): Promise<void> {
    this.#syncing += 1;
    try {
      await sync;
    } finally {
      this.#syncing -= 1;
    }
  }

  #opened(begun: FileHead): void {
    const { writer, opened } = this.#env;
    this.#begun = begun;
    if (writer.durability !== 'sync') opened(begun);
  }

  /** What the first batch of a process says besides. */
  #opening(): SavedState[] {
    return [{ epochs: this.#env.epochs.spans }, { opened: this.#env.writer }];
  }

  /** One without an event is not: its successor's first event would be the same, and its name. */
  #isDone({ firstSeq, createdSec }: OpenFile, nextSeq: number): boolean {
    const { fileBytes, fileAgeSec, nowSec } = this.#env;
    if (nextSeq === firstSeq) return false;
    return this.#length >= fileBytes || nowSec() - createdSec >= fileAgeSec;
  }

  /** The file is complete. */
  #retire(): void {
    if (!this.#file) return;
    const { firstSeq, sink, index, isIndexed } = this.#file;
    const { disk, crc32 } = this.#env;
    this.#file = undefined;
    const retired = this.#counted(sink.sync()).finally(() => sink.close());
    this.#retired = Promise.all([this.#retired, retired]);
    this.#retired.catch(() => {});
    if (isIndexed) disk.write(indexName(firstSeq), index.pack(this.#length, crc32));
  }

  /** Whole or not at all. It does not count before something stands behind the snapshot. */
  #create(firstSeq: number): FileHead {
    // One that has its name has no event, and goes.
    if (this.#file?.firstSeq === firstSeq) this.#file.sink.close();
    else this.#retire();
    this.#file = undefined;
    this.#isOpened = false;
    const { disk, crc32, epochs, nowSec } = this.#env;
    const createdSec = nowSec();
    const epoch = epochs.at(firstSeq);
    const parent = epochs.spans[epochs.spans.findIndex((span) => span.epoch === epoch) - 1]?.epoch;
    const head: FileHead = { firstSeq, epoch, parent, after: this.#last, createdSec };
    const bytes = Buffer.concat([packFileHead(head, crc32), ...this.#snapshot(firstSeq)]);
    disk.write(fileName(firstSeq), bytes);
    this.#open({ firstSeq, length: bytes.length }, createdSec, true);
    return head;
  }

  #snapshot(firstSeq: number): Uint8Array[] {
    const batches: Uint8Array[] = [];
    let state: SavedState[] = [{ epochs: this.#env.epochs.spans }];
    const pack = (): void => {
      batches.push(this.#packer.pack({ ...this.#empty(firstSeq), state }).slice());
      state = [];
    };
    for (const saved of this.#env.snapshot()) {
      state.push(saved);
      if (state.length === STATE_PER_BATCH) pack();
    }
    if (state.length > 0) pack();
    return batches;
  }

  #open({ firstSeq, length }: HistoryTail, createdSec: number, isIndexed: boolean): void {
    const sink = this.#env.disk.open(fileName(firstSeq), length);
    this.#file = { firstSeq, sink, index: new FileIndex(), createdSec, isIndexed };
    this.#length = length;
  }

  #write(batch: NewBatch): void {
    const file = this.#file!;
    const bytes = this.#packer.pack(batch);
    file.sink.append(bytes);
    const head = readBatchHead(bytes, 0);
    if (head) file.index.add(this.#length, head);
    this.#length += bytes.length;
    if (batch.count > 0) this.#last = batch.last;
  }

  #empty(firstSeq: number): Omit<NewBatch, 'state'> {
    return { events: new Uint8Array(0), count: 0, firstSeq, first: this.#last, last: this.#last };
  }
}
