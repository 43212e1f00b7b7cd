import { compareTime } from '../event/time.ts';
import { HISTORY_FILE } from '../messages/layout.ts';
import type { FileReport, Problem } from './file-check.ts';
import { fileName } from './history-file.ts';

/** What is true of a history when its files have been looked at one by one, in order. */
export interface FolderReport {
  readonly files: number;
  readonly batches: number;
  readonly events: number;
  readonly bytes: number;
  /** In the order in which the files have them. */
  readonly epochs: readonly string[];
  readonly withoutIndex: number;
  readonly problems: readonly Problem[];
  /** What is as it should be, but worth a word. */
  readonly notices: readonly string[];
}

/**
 * Checks that files chain: each begins with the event behind the last one of the file before, after its time, in its epoch or one
 * that continues it.
 */
export class FolderCheck {
  readonly #problems: Problem[] = [];
  readonly #notices: string[] = [];
  readonly #epochs = new Set<string>();
  #files = 0;
  #batches = 0;
  #events = 0;
  #bytes = 0;
  #withoutIndex = 0;
  #before: FileReport | undefined;

  /** The report of the next file. @param isNewest it may still be written */
  take(report: FileReport, isNewest: boolean): void {
    const name = fileName(report.file);
    if (report.isGone) {
      this.#notices.push(`${name} is not there any more: retention took it`);
      // Whoever removes files begins with the oldest.
      this.#before = undefined;
      return;
    }
    this.#files += 1;
    this.#batches += report.batches;
    this.#events += report.events;
    this.#bytes += report.bytes;
    if (!report.hasIndex && !isNewest) this.#withoutIndex += 1;
    if (report.head) this.#epochs.add(report.head.epoch);
    if (this.#before) this.#chain(this.#before, report);
    if (report.tornBytes > 0) this.#torn(report, isNewest);
    this.#problems.push(...report.problems);
    this.#before = report;
  }

  result(): FolderReport {
    return {
      files: this.#files,
      batches: this.#batches,
      events: this.#events,
      bytes: this.#bytes,
      epochs: [...this.#epochs],
      withoutIndex: this.#withoutIndex,
      problems: this.#problems,
      notices: this.#notices,
    };
  }

  #torn({ file, bytes, tornBytes, nextSeq }: FileReport, isNewest: boolean): void {
    const name = fileName(file);
    const offset = bytes - tornBytes;
    if (isNewest)
      this.#notices.push(`${name} ends within a batch, at ${offset}: a write that was cut off, or is under way`);
    else {
      const lost = { fromSeq: nextSeq, toSeq: undefined };
      this.#problems.push({ file: name, offset, bytes: tornBytes, what: 'the file ends within a batch', lost });
    }
  }

  #chain(before: FileReport, { file, head, epochs }: FileReport): void {
    const lost = { fromSeq: before.nextSeq, toSeq: file - 1 };
    if (before.isEndLost || (before.tornBytes > 0 && file > before.nextSeq)) this.#endOf(before, lost);
    else if (file > before.nextSeq) this.#wrongHead(file, 'the file before this one is missing, or its end', lost);
    else if (file < before.nextSeq) {
      this.#wrongHead(file, `the file begins with event ${file}, and the one before goes up to ${before.nextSeq - 1}`);
    }
    if (!head) return;
    const isEndKnown = !before.isEndLost && file === before.nextSeq;
    if (isEndKnown && before.head && compareTime(head.after, before.last) !== 0)
      this.#wrongHead(file, 'the file says another time of the event before it');
    const epoch = before.head?.epoch;
    if (!epoch || head.epoch === epoch) return;
    const known = epochs.map((span) => span.epoch);
    const isContinued =
      head.parent === epoch || (known.includes(epoch) && known.indexOf(epoch) < known.indexOf(head.epoch));
    if (!isContinued) this.#wrongHead(file, `epoch ${head.epoch} does not continue ${epoch}, that of the file before`);
  }

  /** Now it is known how many events the unreadable end of a file had. */
  #endOf({ file }: FileReport, lost: { readonly fromSeq: number; readonly toSeq: number }): void {
    const name = fileName(file);
    const index = this.#problems.findLastIndex((problem) => problem.file === name && problem.lost?.toSeq === undefined);
    const problem = this.#problems[index];
    if (!problem) return;
    const { lost: _, ...rest } = problem;
    this.#problems[index] = lost.toSeq < lost.fromSeq ? rest : { ...rest, lost };
  }

  #wrongHead(file: number, what: string, lost?: { readonly fromSeq: number; readonly toSeq: number }): void {
    const problem = { file: fileName(file), offset: 0, bytes: HISTORY_FILE.BYTES, what };
    this.#problems.push(lost ? { ...problem, lost } : problem);
  }
}

/** A line that says what is wrong, where, and which events it costs. */
export function formatProblem({ file, offset, bytes, what, lost }: Problem): string {
  const where = bytes > 0 ? `at ${offset}, ${bytes} bytes` : `at ${offset}`;
  if (!lost) return `${file}: ${where}: ${what}`;
  const { fromSeq, toSeq } = lost;
  const events =
    toSeq === undefined
      ? `events from ${fromSeq} on`
      : fromSeq === toSeq
        ? `event ${fromSeq}`
        : `events ${fromSeq} to ${toSeq}`;
  return `${file}: ${where}: ${what}; ${events} cannot be read`;
}
