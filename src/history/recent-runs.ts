import type { Timestamp } from '../event/event.ts';
import type { Run } from './segment.ts';

const MAX_RUNS = 64;
/** A run keeps its whole segment in memory. */
const MAX_SEGMENTS = 3;

/** What a reader of the log has taken last, so that the last step up to the head need not be asked for. */
export class RecentRuns {
  #runs: Run[] = [];

  add(run: Run): void {
    this.#runs.push(run);
    if (this.#runs.length > MAX_RUNS) this.#runs.shift();
    if (run.segment === this.#runs.at(-2)?.segment) return;
    const segments = [...new Set(this.#runs.map(({ segment }) => segment))];
    const kept = new Set(segments.slice(-MAX_SEGMENTS));
    this.#runs = this.#runs.filter(({ segment }) => kept.has(segment));
  }

  /** The run that holds this event; undefined when it is too old. The event must have been taken. */
  at(seq: number): Run | undefined {
    const first = this.#runs[0];
    if (!first || seq < first.firstSeq) return undefined;
    return this.#runs.findLast((run) => run.firstSeq <= seq);
  }

  /** When this event was appended; undefined as for `at`. */
  timeOf(seq: number): Timestamp | undefined {
    const run = this.at(seq);
    if (!run) return undefined;
    const { view } = run.segment;
    view.at = run.from;
    for (let skip = seq - run.firstSeq; skip > 0; skip -= 1) view.at += view.byteLength;
    return { sec: view.timeSec, nanos: view.timeNanos };
  }
}
