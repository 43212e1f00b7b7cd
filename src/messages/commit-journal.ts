import { COMMITS } from './layout.ts';

/** Where the log stands behind a commit. */
export interface LogPosition {
  readonly headSeq: number;
  /** Time of the newest event, or a later one that has been promised. */
  readonly sec: number;
  readonly nanos: number;
  /** Number of the segment that is written, and how far it is. */
  readonly segment: number;
  readonly segmentEnd: number;
  /** Number of the state log that is written, and how far it is. */
  readonly stateLog: number;
  readonly stateLogEnd: number;
  /** First event of the history file that is written (0 = none), and how long it is. */
  readonly file: number;
  readonly fileLength: number;
  /** History files that begin before this event would survive a loss of power. */
  readonly safeBefore: number;
}

const NOTHING: LogPosition = {
  headSeq: 0,
  sec: 0,
  nanos: 0,
  segment: 0,
  segmentEnd: 0,
  stateLog: 0,
  stateLogEnd: 0,
  file: 0,
  fileLength: 0,
  safeBefore: 0,
};

/** Where the log stands at the start, behind what is on disk and safe. */
export function positionOf({
  headSeq,
  time,
  tail,
}: {
  readonly headSeq: number;
  readonly time: { readonly sec: number; readonly nanos: number };
  readonly tail: { readonly firstSeq: number; readonly length: number } | undefined;
}): Partial<LogPosition> {
  const file = tail ? { file: tail.firstSeq, fileLength: tail.length } : {};
  return { headSeq, ...time, ...file, safeBefore: tail?.firstSeq ?? headSeq + 1 };
}

/**
 * The commits of the log. One store makes a commit true, whatever becomes of the collector: what it has done for a commit before
 * that store counts for nothing, and what is left to do after it is done by whoever goes on.
 *
 *   prepare(position), and the progress of each intake -> commit() -> show it: segment, head, free room in the rings
 */
export class CommitJournal {
  readonly #number: Float64Array;
  readonly #places: readonly Float64Array[];

  /** Of a log that goes on there; what is left out is 0. */
  static allocate(start: Partial<LogPosition>): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(COMMITS.BYTES);
    const journal = new CommitJournal(memory);
    journal.#write(journal.number, { ...NOTHING, ...start });
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.#number = new Float64Array(memory, 0, 1);
    this.#places = [0, 1].map(
      (place) => new Float64Array(memory, COMMITS.PLACES + place * COMMITS.CELLS * 8, COMMITS.CELLS),
    );
  }

  /** Of the newest commit. */
  get number(): number {
    return this.#number[COMMITS.NUMBER]!;
  }

  get position(): LogPosition {
    const cells = this.#places[this.number % 2]!;
    const cell = (index: number): number => cells[index]!;
    return {
      headSeq: cell(COMMITS.HEAD_SEQ),
      sec: cell(COMMITS.TIME_SEC),
      nanos: cell(COMMITS.TIME_NANOS),
      segment: cell(COMMITS.SEGMENT),
      segmentEnd: cell(COMMITS.SEGMENT_END),
      stateLog: cell(COMMITS.STATE_LOG),
      stateLogEnd: cell(COMMITS.STATE_LOG_END),
      file: cell(COMMITS.FILE),
      fileLength: cell(COMMITS.FILE_LENGTH),
      safeBefore: cell(COMMITS.SAFE_BEFORE),
    };
  }

  /** Where the log will stand. @returns the number of the commit that is prepared */
  prepare(position: LogPosition): number {
    const number = this.number + 1;
    this.#write(number, position);
    return number;
  }

  commit(): void {
    this.#number[COMMITS.NUMBER] = this.number + 1;
  }

  #write(number: number, position: LogPosition): void {
    const cells = this.#places[number % 2]!;
    cells[COMMITS.HEAD_SEQ] = position.headSeq;
    cells[COMMITS.TIME_SEC] = position.sec;
    cells[COMMITS.TIME_NANOS] = position.nanos;
    cells[COMMITS.SEGMENT] = position.segment;
    cells[COMMITS.SEGMENT_END] = position.segmentEnd;
    cells[COMMITS.STATE_LOG] = position.stateLog;
    cells[COMMITS.STATE_LOG_END] = position.stateLogEnd;
    cells[COMMITS.FILE] = position.file;
    cells[COMMITS.FILE_LENGTH] = position.fileLength;
    cells[COMMITS.SAFE_BEFORE] = position.safeBefore;
  }
}
