/** What `monitored` is told. */
export type MonitoredCommand =
  /** The collector released slots while `monitored` slept on a full ring. */
  | { readonly type: 'slots-freed' }
  /** Read what the pipe holds now, at most one pipe full, then read no more. */
  | { readonly type: 'stop-intake' };

/** What `monitored` tells. */
export type MonitoredNotice =
  /** Nothing more will come from the FIFO. */
  { readonly type: 'intake-stopped' };
