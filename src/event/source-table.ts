import type { Timestamp } from './event.ts';
import { RecentMarks } from './recent-marks.ts';

/** How far the log has come with a source. */
export interface SavedSource {
  readonly name: string;
  /** The source's own time of its newest event in the log: it goes on from there. */
  readonly time: Timestamp;
  /** Of its newest events, the oldest first; kept with a batch: of that batch's events. */
  readonly marks: readonly number[];
}

interface Entry {
  time: Timestamp;
  readonly marks: RecentMarks;
  /** Those that have not been saved. */
  unsaved: number[];
}

/** How far the log has come with each source, so that a source that comes back brings nothing twice and leaves nothing out. */
export class SourceTable {
  readonly #entries = new Map<string, Entry>();

  /** Takes up what an earlier process knew. */
  restore(saved: readonly SavedSource[]): void {
    for (const { name, time, marks } of saved)
      this.#entries.set(name, { time, marks: new RecentMarks(marks), unsaved: [] });
  }

  /** Takes note of an event that was appended. */
  note(name: string, time: Timestamp, mark: number): void {
    const entry = this.#entries.get(name) ?? { time, marks: new RecentMarks(), unsaved: [] };
    this.#entries.set(name, entry);
    entry.time = time;
    entry.marks.add(mark);
    entry.unsaved.push(mark);
  }

  /** What was noted since this was asked last. */
  takeUnsaved(): SavedSource[] {
    const taken: SavedSource[] = [];
    for (const [name, entry] of this.#entries) {
      if (entry.unsaved.length === 0) continue;
      taken.push({ name, time: entry.time, marks: entry.unsaved });
      entry.unsaved = [];
    }
    return taken;
  }

  *saved(): IterableIterator<SavedSource> {
    for (const [name, { time, marks }] of this.#entries) yield { name, time, marks: marks.list() };
  }
}

/** What a snapshot and the batches behind it say of sources, put together. */
export function joinSources(saved: Iterable<SavedSource>): SavedSource[] {
  const table = new SourceTable();
  for (const { name, time, marks } of saved) for (const mark of marks) table.note(name, time, mark);
  return [...table.saved()];
}
