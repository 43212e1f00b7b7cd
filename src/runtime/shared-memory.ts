import type { Options } from '../event/options.ts';
import type { Recovered } from '../history/recovery.ts';
import { ClientTable } from '../messages/client-table.ts';
import { CommitJournal, positionOf } from '../messages/commit-journal.ts';
import { counterBytes } from '../messages/counters.ts';
import { DescriptorTable } from '../messages/descriptor-table.ts';
import { Doorbell } from '../messages/doorbell.ts';
import { Heartbeats } from '../messages/heartbeats.ts';
import { IntakeRing } from '../messages/intake-ring.ts';
import { LiveSettings } from '../messages/live-settings.ts';
import { LogState } from '../messages/log-state.ts';
import { PublishRing } from '../messages/publish-ring.ts';

/** Memory that main owns and every actor may use. */
export interface SharedMemory {
  readonly intakeRing: SharedArrayBuffer;
  readonly publishRing: SharedArrayBuffer;
  /** Present when there are engines to listen to. */
  readonly sourceRing?: SharedArrayBuffer;
  readonly logState: SharedArrayBuffer;
  readonly commits: SharedArrayBuffer;
  readonly clients: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** Of the collector and of each shard. */
  readonly doorbells: SharedArrayBuffer;
  /** Options that may change meanwhile. */
  readonly settings: SharedArrayBuffer;
  /** Of each actor's thread, by `ActorInit.writer`. */
  readonly heartbeats: SharedArrayBuffer;
  /** Of each shard. */
  readonly descriptors: SharedArrayBuffer;
}

/** Main, and every actor but the shards. */
const OTHER_WRITERS = 6;

/** @param recovered where the log goes on */
export function allocateMemory(options: Options, recovered: Recovered): SharedMemory {
  const shards = options.fanouts;
  return {
    intakeRing: IntakeRing.allocate(),
    publishRing: PublishRing.allocate(),
    ...(options.source.length > 0 ? { sourceRing: PublishRing.allocate() } : {}),
    logState: LogState.allocate(recovered.headSeq, recovered.files[0]?.firstSeq),
    commits: CommitJournal.allocate(positionOf(recovered)),
    clients: ClientTable.allocate(shards),
    counters: new SharedArrayBuffer(counterBytes(shards + OTHER_WRITERS)),
    doorbells: Doorbell.allocate(shards + 1),
    settings: LiveSettings.allocate(options),
    heartbeats: Heartbeats.allocate(shards + OTHER_WRITERS),
    descriptors: DescriptorTable.allocate(shards),
  };
}
