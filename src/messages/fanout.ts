/** What a shard is told, besides the log notices. */
export type FanoutCommand =
  /** End this client of yours; `generation` tells whether it is still the one that was meant. */
  | {
      readonly type: 'end-client';
      readonly row: number;
      readonly generation: number;
      readonly reason: 'cancelled' | 'lagged';
    }
  /** The drain timeout has passed: end whoever is left abnormally. */
  | { readonly type: 'cut-clients' };

/** What a shard tells main. */
export type FanoutNotice =
  /** The log is sealed and no client is left. */
  { readonly type: 'drained' };
