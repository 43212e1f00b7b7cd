import type { ClientInfo, HistoryHeld, IntakeCount, LatencyCounts } from '../messages/control.ts';
import type { PipelineStats } from './pipeline.ts';

/** What there is to see of a pipeline at one moment, for whoever watches it. */
export interface Observation {
  readonly stats: PipelineStats;
  readonly isHistoryWritable: boolean;
  readonly intake: readonly IntakeCount[];
  readonly held: HistoryHeld;
  readonly clients: readonly ClientInfo[];
  /** One for each shard. */
  readonly latencies: readonly LatencyCounts[];
}
