import type { GapReason, Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import { HISTORY_BATCH, HISTORY_FILE, SEGMENT } from '../messages/layout.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import type { FileIndex } from './file-index.ts';
import { type BadStretch, FileReader, type FoundBatch } from './file-reader.ts';
import { indexOf, type KnownIndex } from './folder-listing.ts';
import { type FileHead, fileName, removeFile } from './history-file.ts';
import { type Run, Segment } from './segment.ts';

export interface HistoryLimits {
  /** 0 = no limit, as for the others. */
  readonly events: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Records from disk, in memory of their own, and why they do not begin where they were wanted, if so. */
export interface DiskPage {
  readonly run: Run;
  readonly reason: GapReason;
  /** The event behind it; undefined when it is not from disk. */
  readonly behindSeq?: number;
}

interface KnownFile {
  readonly head: FileHead;
  /** It would survive a loss of power. */
  isSafe: boolean;
  known: KnownIndex | undefined;
}

/**
 * Events of one page, at most; a batch that is larger makes a page of its own. The first ones fill a socket: many clients never come
 * back for more.
 */
const FIRST_PAGE_BYTES = 64 * 1024;
const FIRST_PAGES = 4;
const PAGE_BYTES = 512 * 1024;
/** Clients that are behind together ask for the same ones. */
const KEPT_PAGES = 4;
/** Whoever reads on comes back for what follows. */
const KEPT_READERS = 4;

/** Where the page behind one that was given begins. */
interface Continuation {
  readonly file: KnownFile;
  readonly reader: FileReader;
  nextSeq: number;
  offset: number;
  /** Pages that this reader has given. */
  pages: number;
}

interface FileRead {
  readonly run?: Run;
  readonly behindSeq?: number;
  readonly isCorrupt: boolean;
}

/** The log's past on disk: which files there are, where in them an event is, and how long they stay. */
export class HistoryFiles {
  readonly #disk: Disk;
  readonly #crc32: Crc32;
  readonly #limits: HistoryLimits;
  readonly #files: KnownFile[];
  readonly #pages: { readonly run: Run; readonly nextSeq: number }[] = [];
  readonly #readers: Continuation[] = [];
  readonly #setAside = new Set<string>();
  readonly #onCorrupt: (bytes: number) => void;

  constructor(env: {
    readonly disk: Disk;
    readonly crc32: Crc32;
    readonly limits: HistoryLimits;
    readonly files: readonly FileHead[];
    /** A stretch of so many bytes cannot be read, and has been set aside. */
    readonly onCorrupt: (bytes: number) => void;
  }) {
    this.#disk = env.disk;
    this.#crc32 = env.crc32;
    this.#limits = env.limits;
    this.#files = env.files.map((head) => ({ head, isSafe: true, known: undefined }));
    this.#onCorrupt = env.onCorrupt;
  }

  /** First event of the oldest file; undefined when there is no file. */
  get oldestSeq(): number | undefined {
    return this.#files[0]?.head.firstSeq;
  }

  /** Of all files. */
  get bytes(): number {
    return this.#files.reduce((sum, { head }) => sum + this.#size(head), 0);
  }

  /** Nothing in them is older: seconds since 1970. */
  get oldestSec(): number | undefined {
    return this.#files[0]?.head.createdSec;
  }

  /** The collector has begun a file. */
  opened(head: FileHead): void {
    // What was begun in vain before has been given up.
    while ((this.#files.at(-1)?.head.firstSeq ?? 0) >= head.firstSeq) this.#files.pop();
    this.#files.push({ head, isSafe: false, known: undefined });
  }

  /** It is safe, and those before it are. */
  secured(firstSeq: number): void {
    for (const file of this.#files) file.isSafe ||= file.head.firstSeq <= firstSeq;
  }

  /** Removes the files that the limits leave no room for; never the newest, nor the last one that is safe. @returns how many */
  retain(now: Timestamp, headSeq: number): number {
    let removed = 0;
    let { bytes } = this.#limits.bytes > 0 ? this : { bytes: 0 };
    while (this.#files.slice(1).some(({ isSafe }) => isSafe)) {
      const [oldest, next] = this.#files as [KnownFile, KnownFile];
      const { events, bytes: maxBytes, ageMs } = this.#limits;
      const isTooMany = events > 0 && next.head.firstSeq <= headSeq + 1 - events;
      const isTooLarge = maxBytes > 0 && bytes > maxBytes;
      const isTooOld = ageMs > 0 && now.sec - next.head.createdSec > ageMs / 1000;
      if (!isTooMany && !isTooLarge && !isTooOld) break;
      bytes -= this.#size(oldest.head);
      this.#files.shift();
      removed += 1;
      this.#remove(oldest.head);
    }
    return removed;
  }

  /** The first event that is not older than `time`, to within an index entry; undefined when there is no file. */
  locate(time: Timestamp): number | undefined {
    const file = this.#files.findLast(({ head }) => compareTime(head.after, time) < 0) ?? this.#files[0];
    if (!file) return undefined;
    try {
      return this.#index(file).findTime(time)?.seq ?? file.head.firstSeq;
    } catch {
      // A place that is too early does no harm.
      return file.head.firstSeq;
    }
  }

  /**
   * The records from `seq` on, up to `headSeq` at most, of one file.
   * @returns undefined when no file has an event from there on
   * @throws what the disk throws, unless that is that there is no such file
   */
  page(seq: number, headSeq: number): DiskPage | undefined {
    const kept = this.#pages.find(({ run, nextSeq }) => run.firstSeq <= seq && seq < nextSeq);
    if (kept) return { run: from(kept.run, seq), reason: 'retention', behindSeq: kept.nextSeq };
    let reason: GapReason = 'retention';
    let first = this.#files.findLastIndex(({ head }) => head.firstSeq <= seq);
    for (first = Math.max(0, first); first < this.#files.length; first += 1) {
      const read = this.#read(this.#files[first]!, seq, headSeq);
      if (read.isCorrupt) reason = 'corruption';
      if (read.run) return { run: read.run, reason, behindSeq: read.behindSeq ?? 0 };
    }
    return undefined;
  }

  #read(file: KnownFile, seq: number, headSeq: number): FileRead {
    let isCorrupt = false;
    try {
      const place = this.#placeOf(file, seq);
      const { reader } = place;
      const pageBytes = place.pages < FIRST_PAGES ? FIRST_PAGE_BYTES : PAGE_BYTES;
      let segment: Segment | undefined;
      /** What has been read ahead may be written otherwise. */
      let isUnsettled = false;
      let to: number = SEGMENT.HEADER_BYTES;
      for (let item = reader.next(); item; item = reader.next()) {
        if (!('head' in item)) {
          // The end of the newest file is still being written; it is the collector's.
          isUnsettled = item.isTail && file === this.#files.at(-1);
          if (isUnsettled) break;
          this.#keepAside(file, item);
          isCorrupt = true;
          if (segment) break;
          continue;
        }
        const { head, offset } = item;
        isUnsettled = head.firstSeq > headSeq;
        if (isUnsettled) break;
        if (head.count === 0 || head.firstSeq + head.count <= seq) continue;
        // Behind a hole another page begins.
        if (segment && (head.firstSeq !== place.nextSeq || to + head.eventBytes > segment.byteLength)) break;
        segment ??= Segment.create(SEGMENT.HEADER_BYTES + Math.max(pageBytes, head.eventBytes), head.firstSeq);
        segment.view.bytes.set(eventsOf(item), to);
        to += head.eventBytes;
        place.nextSeq = head.firstSeq + head.count;
        place.offset = offset + head.length;
      }
      if (!segment) return { isCorrupt };
      segment.commit(to);
      place.pages += 1;
      const { firstSeq } = segment;
      const run: Run = { segment, from: SEGMENT.HEADER_BYTES, to, firstSeq };
      this.#pages.push({ run, nextSeq: place.nextSeq });
      if (this.#pages.length > KEPT_PAGES) this.#pages.shift();
      if (!isUnsettled) this.#readers.push(place);
      if (this.#readers.length > KEPT_READERS) this.#readers.shift();
      return { run: from(run, Math.max(seq, firstSeq)), behindSeq: place.nextSeq, isCorrupt };
    } catch (error) {
      // A file that is not there has no events; one that cannot be read at the moment may have.
      if (!isMissing(error)) throw error;
      return { isCorrupt: false };
    }
  }

  /** A reader that stands before the batch of `seq`, or a little before that. */
  #placeOf(file: KnownFile, seq: number): Continuation {
    const index = this.#readers.findIndex((place) => place.file === file && place.nextSeq === seq);
    if (index >= 0) {
      const [place] = this.#readers.splice(index, 1) as [Continuation];
      place.reader.seek(place.offset);
      return place;
    }
    const offset = this.#index(file).find(seq)?.offset ?? HISTORY_FILE.BYTES;
    const reader = new FileReader(this.#disk, fileName(file.head.firstSeq), this.#crc32, offset);
    return { file, reader, nextSeq: 0, offset, pages: 0 };
  }

  /** Up to the end of the file as it is now. */
  #index(file: KnownFile): FileIndex {
    const { head, known } = file;
    if (known && known.covered >= this.#size(head)) return known.index;
    file.known = indexOf(this.#disk, this.#crc32, head.firstSeq, known);
    return file.known.index;
  }

  /** What cannot be read is copied beside the history, once, for whoever wants to look at it. */
  #keepAside(file: KnownFile, { offset, length }: BadStretch): void {
    const name = `${file.head.firstSeq}-${offset}.corrupt`;
    if (this.#setAside.has(name)) return;
    this.#setAside.add(name);
    this.#onCorrupt(length);
    try {
      const bytes = new Uint8Array(Math.min(length, PAGE_BYTES));
      this.#disk.read(fileName(file.head.firstSeq), offset, bytes);
      this.#disk.write(name, bytes);
    } catch {
      // No room, perhaps: what is behind it can be read all the same.
    }
  }

  #size(head: FileHead): number {
    try {
      return this.#disk.size(fileName(head.firstSeq));
    } catch {
      return 0;
    }
  }

  #remove({ firstSeq }: FileHead): void {
    try {
      removeFile(this.#disk, firstSeq);
    } catch {
      // It is counted no more, whatever became of it.
    }
  }
}

function eventsOf({ bytes, at, head }: FoundBatch): Uint8Array {
  return bytes.subarray(at + HISTORY_BATCH.BYTES, at + HISTORY_BATCH.BYTES + head.eventBytes);
}

/** The run from one of its events on. */
function from(run: Run, seq: number): Run {
  let at = run.from;
  for (let skip = seq - run.firstSeq; skip > 0; skip -= 1) at += run.segment.recordBytes(at);
  return { ...run, from: at, firstSeq: seq };
}
