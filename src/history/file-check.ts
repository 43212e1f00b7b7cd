import type { EpochSpan } from '../event/epochs.ts';
import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import { EVENT, HISTORY_BATCH, HISTORY_FILE, KIND_EVENT } from '../messages/layout.ts';
import { stateOf } from './batch.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import { FileIndex, type IndexEntry } from './file-index.ts';
import { type BadStretch, FileReader, type FoundBatch } from './file-reader.ts';
import { readSmall } from './folder-listing.ts';
import { type FileHead, fileName, indexName, readFileHead } from './history-file.ts';

/** A file that is to be read and checked, every byte of it. */
export interface CheckTask {
  readonly file: number;
}

/** Something that is not as it was written. */
export interface Problem {
  /** Name of the file. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly what: string;
  /** Events that cannot be read because of it; `toSeq` undefined = those from there on, how many is not known. */
  readonly lost?: { readonly fromSeq: number; readonly toSeq: number | undefined };
}

/** What a check found in one file. */
export interface FileReport {
  readonly file: number;
  readonly isGone: boolean;
  readonly bytes: number;
  /** Undefined when it cannot be believed. */
  readonly head: FileHead | undefined;
  readonly batches: number;
  readonly events: number;
  /** The event that has to come next; that of the file's name when there is no batch. */
  readonly nextSeq: number;
  /** Time of the newest event in the file or before it. */
  readonly last: Timestamp;
  readonly epochs: readonly EpochSpan[];
  readonly hasIndex: boolean;
  /** Bytes at the end that are the beginning of a batch. */
  readonly tornBytes: number;
  /** The end cannot be read: how far the file went is not known. */
  readonly isEndLost: boolean;
  readonly problems: readonly Problem[];
}

/** Reads all of a file. @throws what the disk throws, unless that is that there is no such file */
export function checkFile(disk: Disk, crc32: Crc32, { file }: CheckTask): FileReport {
  const check = new FileCheck(disk, crc32, file);
  try {
    return check.run();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return check.report(true);
  }
}

const MAGIC_BYTES = 4;

class FileCheck {
  readonly #disk: Disk;
  readonly #crc32: Crc32;
  readonly #file: number;
  readonly #problems: Problem[] = [];
  #head: FileHead | undefined;
  #bytes = 0;
  #batches = 0;
  #events = 0;
  #nextSeq: number;
  #last: Timestamp = { sec: 0, nanos: 0 };
  #epochs: readonly EpochSpan[] = [];
  #index: IndexChecker | undefined;
  #tornBytes = 0;
  /** What could not be read since the last batch. */
  #bad: BadStretch | undefined;

  constructor(disk: Disk, crc32: Crc32, file: number) {
    this.#disk = disk;
    this.#crc32 = crc32;
    this.#file = file;
    this.#nextSeq = file;
  }

  run(): FileReport {
    const name = fileName(this.#file);
    // Before the file: an index that is written meanwhile knows no more than the file has.
    const index = readSmall(this.#disk, indexName(this.#file));
    this.#bytes = this.#disk.size(name);
    this.#checkHead(name);
    this.#index = index && new IndexChecker(index, this.#crc32);
    const reader = new FileReader(this.#disk, name, this.#crc32);
    for (let item = reader.next(); item; item = reader.next()) {
      if ('head' in item) this.#checkBatch(item);
      else {
        this.#bad = item;
        this.#index?.passOver(item.offset + item.length);
      }
    }
    this.#bytes = Math.max(this.#bytes, reader.position);
    this.#checkEnd(name);
    const found = this.#index?.problem(reader.position - this.#tornBytes);
    if (found && index)
      this.#problems.push({ file: indexName(this.#file), offset: 0, bytes: index.length, what: found });
    return this.report(false);
  }

  report(isGone: boolean): FileReport {
    return {
      file: this.#file,
      isGone,
      bytes: this.#bytes,
      head: this.#head,
      batches: this.#batches,
      events: this.#events,
      nextSeq: this.#nextSeq,
      last: this.#last,
      epochs: this.#epochs,
      hasIndex: this.#index !== undefined,
      tornBytes: this.#tornBytes,
      isEndLost: this.#bad !== undefined,
      problems: this.#problems,
    };
  }

  #checkHead(name: string): void {
    const bytes = new Uint8Array(HISTORY_FILE.BYTES);
    const found = readFileHead(bytes.subarray(0, this.#disk.read(name, 0, bytes)), this.#crc32);
    if (found?.firstSeq === this.#file) {
      this.#head = found;
      this.#last = found.after;
    } else if (this.#bytes < HISTORY_FILE.BYTES) {
      this.#tornBytes = this.#bytes;
    } else {
      const what = found ? 'the header is that of another file' : 'the header is damaged';
      this.#problems.push({ file: name, offset: 0, bytes: HISTORY_FILE.BYTES, what });
    }
  }

  #checkBatch(batch: FoundBatch): void {
    const { head, offset } = batch;
    if (head.firstSeq > this.#nextSeq || this.#bad) this.#missing(offset, head.firstSeq);
    else if (head.firstSeq < this.#nextSeq)
      this.#report(batch, `begins with event ${head.firstSeq}, ${this.#nextSeq} was expected`);
    this.#bad = undefined;
    this.#batches += 1;
    this.#events += head.count;
    this.#index?.pass(offset, head.firstSeq, head.first);
    const wrong = this.#wrongRecord(batch) ?? this.#wrongState(batch);
    if (wrong) this.#report(batch, wrong);
    this.#nextSeq = Math.max(this.#nextSeq, head.firstSeq + head.count);
    if (head.count > 0) this.#last = head.last;
  }

  /** Events up to `nextSeq` are not where they should be. */
  #missing(offset: number, nextSeq: number): void {
    const from = this.#nextSeq;
    const lost = nextSeq > from ? { lost: { fromSeq: from, toSeq: nextSeq - 1 } } : {};
    const file = fileName(this.#file);
    if (this.#bad) {
      const { offset: badAt, length } = this.#bad;
      this.#problems.push({ file, offset: badAt, bytes: length, what: 'no batch as it was written', ...lost });
    } else {
      this.#problems.push({ file, offset, bytes: 0, what: 'batches are missing', ...lost });
    }
  }

  #report({ offset, head }: FoundBatch, what: string): void {
    this.#problems.push({ file: fileName(this.#file), offset, bytes: head.length, what: `a batch ${what}` });
  }

  /** @returns what is wrong with the events of an intact batch */
  #wrongRecord({ head, bytes, at }: FoundBatch): string | undefined {
    const fields = new DataView(bytes.buffer, bytes.byteOffset);
    const end = at + HISTORY_BATCH.BYTES + head.eventBytes;
    const seconds = (pos: number): number => fields.getUint32(pos + EVENT.TIME_SEC, true);
    const nanos = (pos: number): number => fields.getUint32(pos + EVENT.TIME_NANOS, true);
    let { sec, nanos: nano } = this.#last;
    let seq = head.firstSeq;
    let pos = at + HISTORY_BATCH.BYTES;
    for (; pos < end; seq += 1) {
      const length = end - pos < EVENT.FIXED_BYTES ? 0 : fields.getUint32(pos + EVENT.LENGTH, true);
      if (
        length < EVENT.FIXED_BYTES ||
        length % 8 !== 0 ||
        pos + length > end ||
        bytes[pos + EVENT.KIND] !== KIND_EVENT
      )
        return `holds no record where event ${seq} should be`;
      const low = fields.getUint32(pos + EVENT.SEQ_LOW, true);
      if (low + fields.getUint32(pos + EVENT.SEQ_HIGH, true) * 0x100000000 !== seq)
        return `holds another event where ${seq} should be`;
      const nextSec = seconds(pos);
      const nextNano = nanos(pos);
      if (nextSec < sec || (nextSec === sec && nextNano <= nano))
        return `holds event ${seq}, which is not later than the one before`;
      if (seq === head.firstSeq && (nextSec !== head.first.sec || nextNano !== head.first.nanos))
        return 'says another time of its first event';
      sec = nextSec;
      nano = nextNano;
      pos += length;
    }
    if (seq !== head.firstSeq + head.count) return `holds ${seq - head.firstSeq} events and says ${head.count}`;
    return head.count > 0 && (sec !== head.last.sec || nano !== head.last.nanos)
      ? 'says another time of its last event'
      : undefined;
  }

  #wrongState({ head, bytes, at }: FoundBatch): string | undefined {
    try {
      for (const saved of stateOf(bytes, at, head)) if ('epochs' in saved) this.#epochs = saved.epochs;
      return undefined;
    } catch {
      return 'holds state that cannot be read';
    }
  }

  #checkEnd(name: string): void {
    const bad = this.#bad;
    if (!bad) return;
    const magic = new Uint8Array(MAGIC_BYTES);
    const there = this.#disk.read(name, bad.offset, magic);
    const expected = new Uint8Array(MAGIC_BYTES);
    new DataView(expected.buffer).setUint32(0, HISTORY_BATCH.MAGIC_VALUE, true);
    // A write that was cut off has its beginning.
    if (bad.isTorn && magic.subarray(0, there).every((byte, index) => byte === expected[index])) {
      this.#tornBytes = bad.length;
      return;
    }
    const lost = { fromSeq: this.#nextSeq, toSeq: undefined };
    this.#problems.push({
      file: name,
      offset: bad.offset,
      bytes: bad.length,
      what: 'no batch as it was written',
      lost,
    });
  }
}

/** Holds the entries of an index against the batches as they come. */
class IndexChecker {
  readonly #index: ReturnType<typeof FileIndex.unpack>;
  readonly #entries: readonly IndexEntry[];
  #position = 0;
  #wrong = 0;

  constructor(bytes: Uint8Array, crc32: Crc32) {
    this.#index = FileIndex.unpack(bytes, crc32);
    this.#entries = this.#index?.index.entries ?? [];
  }

  pass(offset: number, seq: number, time: Timestamp): void {
    let entry = this.#entries[this.#position];
    for (; entry && entry.offset < offset; entry = this.#entries[(this.#position += 1)]) this.#wrong += 1;
    if (entry?.offset !== offset) return;
    if (entry.seq !== seq || compareTime(entry.time, time) !== 0) this.#wrong += 1;
    this.#position += 1;
  }

  /** What cannot be read up to there is told already. */
  passOver(to: number): void {
    while ((this.#entries[this.#position]?.offset ?? to) < to) this.#position += 1;
  }

  /** @param length of the file as far as it is whole */
  problem(length: number): string | undefined {
    if (!this.#index) return 'the index is damaged';
    const wrong = this.#wrong + this.#entries.length - this.#position;
    if (wrong > 0) return `${wrong} entries of the index lead to no batch`;
    return this.#index.covered > length ? 'the index knows more than the file has' : undefined;
  }
}
