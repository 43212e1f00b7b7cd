import type { Epochs } from '../event/epochs.ts';
import type { Timestamp } from '../event/event.ts';
import type { RecentRuns } from '../history/recent-runs.ts';
import type { ClientInfo } from '../messages/control.ts';
import type { Client } from './client.ts';

/** What a shard knows when it is asked about its clients. */
export interface ShardView {
  readonly shard: number;
  readonly epochs: Epochs;
  readonly headSeq: number;
  readonly recent: RecentRuns;
  readonly now: Timestamp;
}

/** A client as `GET /v1/clients` shows it. */
export function describeClient(client: Client, { shard, epochs, headSeq, recent, now }: ShardView): ClientInfo {
  const { subscription, row, generation, nextSeq } = client;
  const isAtHead = nextSeq > headSeq;
  const next = isAtHead ? now : recent.timeOf(nextSeq);
  return {
    id: `${row}.${generation}`,
    shard,
    door: subscription.door,
    peer: subscription.peer,
    ...(subscription.listener === undefined ? {} : { listener: subscription.listener }),
    filter: client.matcher.key,
    cursor: epochs.cursor(nextSeq - 1),
    lagEvents: Math.max(0, headSeq + 1 - nextSeq),
    lagSeconds: next ? Math.max(0, now.sec - next.sec + (now.nanos - next.nanos) / 1e9) : null,
    delivered: client.delivered,
    missed: client.missed,
    policy: subscription.dropsOldest ? 'drop-oldest' : subscription.lagLimit > 0 ? 'disconnect' : 'catch-up',
    state: client.blocked ? 'blocked' : isAtHead ? 'live' : 'replaying',
  };
}
