import type { EpochSpan } from '../event/epochs.ts';

/** What the collector tells a publisher about its ring. */
export type PublisherNotice =
  /** So many answers to batches can be read in the ring, since there is one. */
  | { readonly type: 'answers-ready'; readonly count: number }
  /** Events from the span's first number on are of another epoch. */
  | { readonly type: 'epoch-began'; readonly span: EpochSpan }
  /** There is room again in a ring whose publisher waited for some. */
  | { readonly type: 'room-freed' };
