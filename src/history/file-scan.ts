import type { Encoder } from '../codec/encoder.ts';
import { EventView } from '../codec/event-record.ts';
import { makeEncoder } from '../codec/formats.ts';
import { Redactor } from '../codec/redactor.ts';
import { Epochs, type EpochSpan } from '../event/epochs.ts';
import type { Timestamp } from '../event/event.ts';
import type { Term } from '../event/filter.ts';
import { compareTime } from '../event/time.ts';
import type { LaneFormat } from '../messages/control.ts';
import { HISTORY_BATCH, SEGMENT } from '../messages/layout.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import { type BadStretch, FileReader, type FoundBatch } from './file-reader.ts';
import { fileName } from './history-file.ts';
import { compileRecordFilter, type RecordFilter } from '../codec/record-filter.ts';
import { Segment } from './segment.ts';

/** A part of one history file, and what is wanted of it. It can be cloned. */
export interface ScanTask {
  /** The file, by its first event. */
  readonly file: number;
  /** Bytes of the file: `from` is where a batch begins; batches from `to` on belong to another task. */
  readonly from: number;
  readonly to: number;
  /** Events; both ends inclusive, as for the times. */
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  readonly terms: readonly Term[];
  /** Id of the one container whose events are wanted. */
  readonly container?: string | undefined;
  /** A second filter, that must hold as well. */
  readonly limit?: readonly Term[] | undefined;
  /** Present: filter and format see events without their secrets, also by these names. */
  readonly redactNames?: readonly string[] | undefined;
  /** `packed`: the records; others: what a client of that format gets. */
  readonly format: LaneFormat;
  readonly epochs: readonly EpochSpan[];
}

/** Events that were expected between two that were found. */
export interface ScanHole {
  readonly from: number;
  readonly to: number;
  /** Something stands there that cannot be read. */
  readonly isCorrupt: boolean;
  /** Its place in the result's bytes. */
  readonly at: number;
}

/**
 * What a task found. Of the format `packed` the bytes are a segment in shared memory, whose records are as they were written, or
 * without their secrets, but need not follow each other: each tells its number.
 */
export interface ScanResult {
  readonly file: number;
  /** The file is not there any more: retention took it. */
  readonly isGone: boolean;
  readonly bytes: Uint8Array;
  /** Events in `bytes`. */
  readonly events: number;
  /** Events that were looked at. */
  readonly scanned: number;
  /** The range that was looked at; `nextSeq` is behind it, equal to `firstSeq` when there was nothing. */
  readonly firstSeq: number;
  readonly nextSeq: number;
  readonly holes: readonly ScanHole[];
  readonly bad: readonly BadStretch[];
  /** Of those, one stands before the first event, and one behind the last one. */
  readonly isBadBefore: boolean;
  readonly isBadBehind: boolean;
  /** An event behind the end of what was wanted was seen. */
  readonly isDone: boolean;
}

const MIN_OUTPUT_BYTES = 64 * 1024;

/**
 * Reads a part of a history file and picks what is wanted of it. What cannot be read is passed over and told.
 * @throws ERR_FILTER_INVALID, and what the disk throws, unless that is that there is no such file
 */
export async function scanFile(disk: Disk, crc32: Crc32, task: ScanTask): Promise<ScanResult> {
  const filter = await compileRecordFilter(task.terms, task.container, task.limit);
  const name = fileName(task.file);
  let scan = new FileScan(task, filter, 0);
  try {
    const reader = new FileReader(disk, name, crc32, task.from, task.to);
    scan = new FileScan(task, filter, Math.min(disk.size(name), task.to) - task.from);
    for (let item = reader.next(); item && !scan.isDone; item = reader.next()) {
      if ('head' in item) scan.take(item);
      else scan.skip(item);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    return scan.result(true);
  }
  return scan.result(false);
}

/** One scan under way. */
class FileScan {
  isDone = false;
  readonly #task: ScanTask;
  readonly #filter: RecordFilter;
  readonly #encoder: Encoder;
  readonly #redactor: Redactor | undefined;
  readonly #holes: ScanHole[] = [];
  readonly #bad: BadStretch[] = [];
  readonly #isPacked: boolean;
  /** For packed records: what the bytes are in. */
  #segment: Segment | undefined;
  #out: Uint8Array = new Uint8Array(0);
  #pos = 0;
  readonly #expectedBytes: number;
  #view = new EventView(new ArrayBuffer(0));
  #viewed: Uint8Array | undefined;
  #events = 0;
  #scanned = 0;
  #firstSeq = 0;
  #nextSeq = 0;
  #isBadBefore = false;
  /** Something could not be read since the last event. */
  #isBad = false;

  /** @param partBytes of the file, that are to be read */
  constructor(task: ScanTask, filter: RecordFilter, partBytes: number) {
    this.#task = task;
    this.#filter = filter;
    this.#encoder = makeEncoder(task.format, new Epochs(task.epochs));
    this.#redactor = task.redactNames && new Redactor(task.redactNames);
    this.#isPacked = task.format === 'packed';
    this.#expectedBytes = filter.isEmpty ? partBytes : 0;
  }

  skip(stretch: BadStretch): void {
    this.#bad.push(stretch);
    this.#isBad = true;
  }

  take(batch: FoundBatch): void {
    const { head } = batch;
    const { fromSeq, toSeq, since, until } = this.#task;
    if (head.count === 0 || head.firstSeq + head.count <= fromSeq) return;
    if (head.firstSeq > toSeq || (until && isLater(head.first, until))) {
      this.isDone = true;
      return;
    }
    if (since && isLater(since, head.last)) return this.#passOver(head.firstSeq + head.count);
    const isWhole = head.firstSeq >= fromSeq && head.firstSeq + head.count - 1 <= toSeq;
    const isInTime = !(since && isLater(since, head.first)) && !(until && isLater(head.last, until));
    if (isWhole && isInTime) this.#takeAll(batch);
    else this.#takeSome(batch);
  }

  result(isGone: boolean): ScanResult {
    return {
      file: this.#task.file,
      isGone,
      bytes: this.#isPacked ? this.#packed() : this.#out.subarray(0, this.#pos),
      events: this.#events,
      scanned: this.#scanned,
      firstSeq: this.#firstSeq,
      nextSeq: this.#nextSeq,
      holes: this.#holes,
      bad: this.#bad,
      isBadBefore: this.#scanned > 0 ? this.#isBadBefore : this.#isBad,
      isBadBehind: this.#isBad,
      isDone: this.isDone,
    };
  }

  #takeAll({ head, bytes, at }: FoundBatch): void {
    const from = at + HISTORY_BATCH.BYTES;
    const { eventBytes, firstSeq, count } = head;
    this.#found(firstSeq, count);
    if (this.#filter.isEmpty && this.#isPacked && !this.#redactor) {
      this.#reserve(eventBytes);
      this.#out.set(bytes.subarray(from, from + eventBytes), this.#pos);
      this.#pos += eventBytes;
      this.#events += count;
      return;
    }
    const view = this.#viewOf(bytes);
    const to = from + eventBytes;
    for (view.at = from; view.at < to; view.at += view.byteLength) this.#putIfWanted(view);
  }

  #takeSome({ head, bytes, at }: FoundBatch): void {
    const { fromSeq, toSeq, since, until } = this.#task;
    const view = this.#viewOf(bytes);
    const to = at + HISTORY_BATCH.BYTES + head.eventBytes;
    let { firstSeq: seq } = head;
    for (view.at = at + HISTORY_BATCH.BYTES; view.at < to; view.at += view.byteLength, seq += 1) {
      if (seq < fromSeq) continue;
      const time = { sec: view.timeSec, nanos: view.timeNanos };
      if (seq > toSeq || (until && isLater(time, until))) {
        this.isDone = true;
        return;
      }
      if (since && isLater(since, time)) {
        this.#passOver(seq + 1);
        continue;
      }
      this.#found(seq, 1);
      this.#putIfWanted(view);
    }
  }

  /** Events up to there are before `since`: what is missing before them is not missed. */
  #passOver(nextSeq: number): void {
    this.#isBad = false;
    this.#nextSeq = nextSeq;
    if (this.#scanned === 0) this.#firstSeq = nextSeq;
  }

  #found(seq: number, count: number): void {
    const { fromSeq } = this.#task;
    if (this.#nextSeq === 0) {
      this.#firstSeq = Math.max(seq, fromSeq);
      this.#isBadBefore = this.#isBad;
    } else if (seq > this.#nextSeq) {
      this.#holes.push({ from: this.#nextSeq, to: seq - 1, isCorrupt: this.#isBad, at: this.#pos });
    }
    this.#isBad = false;
    this.#nextSeq = seq + count;
    this.#scanned += count;
  }

  #putIfWanted(view: EventView): void {
    const shown = this.#redactor?.shown(view) ?? view;
    if (this.#filter.isEmpty || this.#filter.matches(shown)) this.#put(shown);
  }

  #put(view: EventView): void {
    this.#reserve(this.#encoder.maxBytes(view.byteLength));
    const end = this.#encoder.encode(view, this.#out, this.#pos);
    if (end > this.#pos) this.#events += 1;
    this.#pos = end;
  }

  #viewOf(bytes: Uint8Array): EventView {
    if (bytes !== this.#viewed) {
      this.#viewed = bytes;
      this.#view = new EventView(bytes.buffer);
    }
    return this.#view;
  }

  #reserve(byteLength: number): void {
    if (this.#pos + byteLength <= this.#out.length) return;
    const { length } = this.#out;
    this.#move(Math.max(MIN_OUTPUT_BYTES, length === 0 ? this.#expectedBytes : 2 * length, this.#pos + byteLength));
  }

  /** To memory of this size. */
  #move(byteLength: number): void {
    const before = this.#out.subarray(0, this.#pos);
    if (this.#isPacked) {
      this.#segment = Segment.create(SEGMENT.HEADER_BYTES + byteLength, this.#firstSeq);
      this.#out = this.#segment.view.bytes.subarray(SEGMENT.HEADER_BYTES);
    } else {
      this.#out = new Uint8Array(byteLength);
    }
    this.#out.set(before);
  }

  #packed(): Uint8Array {
    if (!this.#segment || this.#pos < this.#out.length / 2) this.#move(this.#pos);
    const { view } = this.#segment!;
    const end = SEGMENT.HEADER_BYTES + this.#pos;
    this.#segment!.commit(end);
    return view.bytes.subarray(0, end);
  }
}

function isLater(a: Timestamp, b: Timestamp): boolean {
  return compareTime(a, b) > 0;
}
