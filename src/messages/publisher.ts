import type { EpochSpan } from '../event/epochs.ts';
import type { ErrorData } from '../event/errors.ts';

/** What the collector tells a publisher about its ring. */
export type PublisherNotice =
  /** Every event of the batch is in the log; `seq` is where the last of them is, also when it had been there before. */
  | {
      readonly type: 'batch-appended';
      readonly requestId: number;
      readonly seq: number;
      /** Events that were appended now. */
      readonly appended: number;
      /** Events that had been appended by an earlier try. */
      readonly repeated: number;
    }
  /** None of the batch's events was appended. */
  | { readonly type: 'batch-refused'; readonly requestId: number; readonly error: ErrorData }
  /** Events from the span's first number on are of another epoch. */
  | { readonly type: 'epoch-began'; readonly span: EpochSpan }
  /** There is room again in a ring whose publisher waited for some. */
  | { readonly type: 'room-freed' };
