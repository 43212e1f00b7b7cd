import type { EpochSpan } from '../event/epochs.ts';
import type { GapReason } from '../event/event.ts';
import type { WantedEvents } from '../messages/buffer.ts';
import { SEGMENT } from '../messages/layout.ts';
import type { Crc32, Disk } from './disk.ts';
import type { ScanResult, ScanTask } from './file-scan.ts';
import { listFiles } from './folder-listing.ts';
import type { DiskPage } from './history-files.ts';
import { planScan } from './scan-plan.ts';
import type { ScanPool } from './scan-pool.ts';
import { Segment } from './segment.ts';

/** Lets in so many at a time, who comes back before who has only just begun. */
export interface ScanAdmission {
  admit<T>(isResume: boolean, scan: () => Promise<T>): Promise<T>;
}

/** A scan that goes on where its last page ended. */
interface OpenScan {
  readonly key: string;
  nextSeq: number;
  readonly results: AsyncIterator<ScanResult>;
  /** Its next page is read ahead. */
  readonly isKept: boolean;
}

/**
 * Scans whose next page is read ahead. Where more clients wait for pages, the others begin anew with each: what was read ahead for
 * one would be gone again before its turn comes.
 */
const KEPT_OPEN = 8;
/** Filters that are remembered for showing too much: for them, pages as they are do better. */
const KEPT_BROAD = 1_000;
const BROAD_SHARE = 1 / 8;

/** Pages of the past with only what a filter may show: read on threads of their own, several parts of the history at once. */
export class HistoryScans {
  readonly #disk: Disk;
  readonly #crc32: Crc32;
  readonly #pool: ScanPool;
  readonly #admission: ScanAdmission;
  readonly #redactNames: readonly string[];
  readonly #open: OpenScan[] = [];
  readonly #broad = new Set<string>();
  /** Pages that are waited for. */
  #wanted = 0;

  constructor(env: {
    readonly disk: Disk;
    readonly crc32: Crc32;
    readonly pool: ScanPool;
    readonly admission: ScanAdmission;
    /** As of `ScanTask`. */
    readonly redactNames: readonly string[];
  }) {
    this.#disk = env.disk;
    this.#crc32 = env.crc32;
    this.#pool = env.pool;
    this.#admission = env.admission;
    this.#redactNames = env.redactNames;
  }

  /** Whether a scan is the better way to what is wanted. */
  suits(wanted: WantedEvents): boolean {
    return !this.#broad.has(keyOf(wanted));
  }

  /**
   * What is wanted of the events from `seq` to `toSeq`, or of the first of them.
   * @returns undefined when the files have none of these events
   */
  async page(
    seq: number,
    toSeq: number,
    wanted: WantedEvents,
    epochs: readonly EpochSpan[],
  ): Promise<DiskPage | undefined> {
    this.#wanted += 1;
    try {
      return await this.#admission.admit(wanted.isResume, () => this.#page(seq, toSeq, wanted, epochs));
    } finally {
      this.#wanted -= 1;
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #page(
    seq: number,
    toSeq: number,
    wanted: WantedEvents,
    epochs: readonly EpochSpan[],
  ): Promise<DiskPage | undefined> {
    const key = keyOf(wanted);
    const scan = this.#take(key, seq) ?? this.#begin(key, seq, toSeq, wanted, epochs);
    let reason: GapReason = 'retention';
    let firstSeq: number | undefined;
    for (;;) {
      const { value, done } = (await scan.results.next()) as IteratorResult<ScanResult, undefined>;
      if (done || !value) {
        if (firstSeq === undefined) return undefined;
        return { run: { ...emptyRun(firstSeq), nextSeq: scan.nextSeq }, reason };
      }
      if (value.isBadBefore) reason = 'corruption';
      if (value.scanned === 0) continue;
      // Before it something is missing: another page begins there.
      if (firstSeq !== undefined && value.firstSeq > scan.nextSeq) {
        this.#end(scan);
        return { run: { ...emptyRun(firstSeq), nextSeq: scan.nextSeq }, reason };
      }
      firstSeq ??= Math.max(seq, value.firstSeq);
      const [hole] = value.holes;
      scan.nextSeq = hole ? hole.from : value.nextSeq;
      if (value.events === 0 && !hole) continue;
      if (value.events > value.scanned * BROAD_SHARE) this.#noteBroad(key);
      if (hole || !scan.isKept) this.#end(scan);
      else this.#keep(scan);
      return { run: { ...runOf(value, firstSeq, hole?.at), nextSeq: scan.nextSeq }, reason };
    }
  }

  #begin(key: string, seq: number, toSeq: number, wanted: WantedEvents, epochs: readonly EpochSpan[]): OpenScan {
    const files = listFiles(this.#disk, this.#crc32);
    const { terms, container, limit } = wanted;
    const redactNames = wanted.redact ? this.#redactNames : undefined;
    const wish = { fromSeq: seq, toSeq, terms, container, limit, redactNames, format: 'packed', epochs } as const;
    const tasks: Iterable<ScanTask> = planScan(this.#disk, this.#crc32, files, wish);
    const isKept = this.#wanted <= KEPT_OPEN;
    const results = this.#pool.run('scan', tasks, isKept);
    return { key, nextSeq: seq, results: results[Symbol.asyncIterator](), isKept };
  }

  #take(key: string, seq: number): OpenScan | undefined {
    const index = this.#open.findIndex((scan) => scan.key === key && scan.nextSeq === seq);
    return index < 0 ? undefined : this.#open.splice(index, 1)[0];
  }

  #keep(scan: OpenScan): void {
    this.#open.push(scan);
    if (this.#open.length > KEPT_OPEN) this.#end(this.#open.shift()!);
  }

  #end(scan: OpenScan): void {
    void scan.results.return?.();
  }

  #noteBroad(key: string): void {
    if (this.#broad.size === KEPT_BROAD) this.#broad.clear();
    this.#broad.add(key);
  }
}

function keyOf({ terms, container, redact, limit = [] }: WantedEvents): string {
  return JSON.stringify([redact, container ?? null, terms, limit]);
}

/** Nothing of a range is wanted. */
function emptyRun(firstSeq: number) {
  const segment = Segment.create(SEGMENT.HEADER_BYTES, firstSeq);
  return { segment, from: SEGMENT.HEADER_BYTES, to: SEGMENT.HEADER_BYTES, firstSeq } as const;
}

/** @param end in the result's events, where a hole is */
function runOf({ bytes }: ScanResult, firstSeq: number, end: number | undefined) {
  const segment = Segment.of(bytes.buffer as unknown as SharedArrayBuffer);
  const to = end === undefined ? bytes.length : SEGMENT.HEADER_BYTES + end;
  return { segment, from: SEGMENT.HEADER_BYTES, to, firstSeq } as const;
}
