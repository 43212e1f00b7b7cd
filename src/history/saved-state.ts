import type { SavedContainer } from '../event/container-table.ts';
import type { EpochSpan } from '../event/epochs.ts';
import type { SavedPublisher } from '../event/publisher-table.ts';
import type { SavedSource } from '../event/source-table.ts';

/** The process that began to write, or ended to. `boot` names the life of the machine. */
export interface SavedWriter {
  readonly boot: string;
  readonly durability: 'async' | 'sync';
}

/**
 * What the log knows besides events, as it is kept in the history: the newest word on a container, a publisher, the epochs
 * counts; of a source every word, up to the last snapshot. In a batch it says how things are behind the batch's events.
 */
export type SavedState =
  | { readonly container: SavedContainer }
  | { readonly publisher: SavedPublisher }
  | { readonly source: SavedSource }
  | { readonly epochs: readonly EpochSpan[] }
  | { readonly opened: SavedWriter }
  /** Everything is on disk, and nothing else will come: the next process goes on as if there had been no end. */
  | { readonly closed: SavedWriter };
