/** What `monitored` is told. */
export type MonitoredCommand =
  /** The collector released slots while `monitored` slept on a full ring. */
  | { readonly type: 'slots-freed' }
  /** Read what the pipe holds now, at most one pipe full, then read no more. */
  | {
      readonly type: 'stop-intake';
      /** Leave it there instead, from the next whole record on: another process reads it. */
      readonly leavesRest?: boolean;
    };

/** What `monitored` tells. */
export type MonitoredNotice =
  /** Nothing more will come from the FIFO. */
  | { readonly type: 'intake-stopped' }
  /** The kernel tells of no writes, so the FIFO is looked at a thousand times a second. */
  | { readonly type: 'intake-polled'; readonly why: string };
