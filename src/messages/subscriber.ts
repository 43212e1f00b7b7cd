import type { ErrorData } from '../event/errors.ts';
import type { Lagged } from '../event/event.ts';

/** What a shard tells the embedding program about one of its clients, over the client's own port. */
export type SubscriberNotice =
  /** Packed event records, back to back, by reference. Each batch must be acknowledged with `batch-consumed`. */
  | {
      readonly type: 'batch';
      readonly memory: SharedArrayBuffer;
      readonly from: number;
      readonly to: number;
      readonly count: number;
    }
  | { readonly type: 'gap'; readonly gap: Lagged }
  /** Nothing follows. Without an error everything asked for was delivered. */
  | { readonly type: 'ended'; readonly error?: ErrorData };

/** What the embedding program tells the shard. */
export type SubscriberCommand =
  | { readonly type: 'batch-consumed' }
  /** The subscriber is not interested any more. */
  | { readonly type: 'unsubscribe' };
