import { Segment } from '../history/segment.ts';
import { readStateLog, stateLogNumber } from '../history/state-log.ts';
import { knownFrom, type Recovered } from '../history/recovery.ts';
import type { KeeperNotice } from '../messages/collector.ts';
import type { CommitJournal } from '../messages/commit-journal.ts';
import type { LogState } from '../messages/log-state.ts';

/**
 * Main's hold on the memory of the log: the segments that the buffer has not let go of, and what is known besides events. It is for
 * actors that have to begin anew; nobody else asks here.
 */
export class LogKeeper {
  readonly #journal: CommitJournal;
  readonly #logState: LogState;
  readonly #recovered: Recovered;
  #segments: Segment[] = [];
  #stateLogs: SharedArrayBuffer[] = [];

  /** @param recovered what holds before the first commit */
  constructor(journal: CommitJournal, logState: LogState, recovered: Recovered) {
    this.#journal = journal;
    this.#logState = logState;
    this.#recovered = recovered;
  }

  keep({ type, memory }: KeeperNotice): void {
    if (type === 'segment-opened') {
      this.#segments.push(Segment.of(memory));
    } else {
      // One that has its number was begun by a collector that died before it committed anything there.
      const others = this.#stateLogs.filter((other) => stateLogNumber(other) !== stateLogNumber(memory));
      this.#stateLogs = [...others, memory];
    }
    this.tidy();
  }

  /** Now and then: lets go of what nobody can ask for any more. */
  tidy(): void {
    const { memorySeq } = this.#logState;
    const { stateLog } = this.#journal.position;
    // The last commit may be about the one before the newest.
    const isNeeded = (index: number): boolean =>
      index >= this.#segments.length - 2 || this.#segments[index + 1]!.firstSeq > memorySeq;
    if (this.#segments.length > 2 && !isNeeded(0))
      this.#segments = this.#segments.filter((_, index) => isNeeded(index));
    if (this.#stateLogs.length > 1)
      this.#stateLogs = this.#stateLogs.filter((memory) => stateLogNumber(memory) >= stateLog);
  }

  /** The collector has died: what its last commit left to be shown is shown. */
  finishCommit(): void {
    const { segment, segmentEnd, headSeq } = this.#journal.position;
    this.#logState.headSeq = headSeq;
    const last = this.#segments.find(({ number }) => number === segment);
    if (last && last.committed < segmentEnd) last.commit(segmentEnd);
  }

  get segments(): readonly SharedArrayBuffer[] {
    return this.#segments.map(({ memory }) => memory);
  }

  /** First event of the oldest segment. */
  get oldestFirstSeq(): number {
    return this.#segments[0]?.firstSeq ?? this.#logState.headSeq + 1;
  }

  /** First event of the newest segment. */
  get newestFirstSeq(): number {
    return this.#segments.at(-1)?.firstSeq ?? this.#logState.headSeq + 1;
  }

  /** What the log knows besides events, behind the last commit. */
  known(): Pick<Recovered, 'containers' | 'publishers' | 'sources'> {
    const { stateLog, stateLogEnd } = this.#journal.position;
    if (stateLog === 0) return this.#recovered;
    const memory = this.#stateLogs.find((candidate) => stateLogNumber(candidate) === stateLog);
    return knownFrom(memory ? readStateLog(memory, stateLogEnd) : []);
  }
}
