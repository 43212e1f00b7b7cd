import { assertNever } from '../event/errors.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import type { FanoutCommand } from '../messages/fanout.ts';
import type { LogState } from '../messages/log-state.ts';
import type { ClientsCheckerCommand } from '../messages/clients-checker.ts';
import type { Clock, Outbox } from './actor.ts';

/**
 * `clients-checker`: walks the shared client table. It tells a shard to end a client that cancelled or that is further behind
 * than its policy allows, and has the collector give a time mark once a client's `until` has passed; the shard then ends the
 * client when it has got everything, never before.
 */
export class ClientsChecker {
  readonly #clients: ClientTable;
  readonly #logState: LogState;
  readonly #clock: Clock;
  readonly #collector: Outbox<CollectorCommand>;
  readonly #shards: readonly Outbox<FanoutCommand>[];

  constructor(env: {
    readonly clients: ClientTable;
    readonly logState: LogState;
    readonly clock: Clock;
    readonly collector: Outbox<CollectorCommand>;
    readonly shards: readonly Outbox<FanoutCommand>[];
  }) {
    this.#clients = env.clients;
    this.#logState = env.logState;
    this.#clock = env.clock;
    this.#collector = env.collector;
    this.#shards = env.shards;
  }

  receive(command: ClientsCheckerCommand): void {
    switch (command.type) {
      case 'check-now':
        return this.tick();
      default:
        return assertNever(command.type);
    }
  }

  /** Four times a second. */
  tick(): void {
    const now = this.#clock.now();
    const head = this.#logState.headSeq;
    let isMarkDue = false;
    for (const [index, shard] of this.#shards.entries()) {
      const { rowsPerShard } = this.#clients;
      const first = index * rowsPerShard;
      for (let row = first; row < first + rowsPerShard && this.#clients.isUsed(row); row += 1) {
        if (!this.#clients.isActive(row)) continue;
        // Read first: what is found below is of this client or an earlier one, and the shard ends nobody else.
        const generation = this.#clients.generation(row);
        if (this.#clients.isCancelled(row)) shard.post({ type: 'end-client', row, generation, reason: 'cancelled' });
        const lagLimit = this.#clients.lagLimit(row);
        if (lagLimit > 0 && head + 1 - this.#clients.nextSeq(row) > lagLimit) {
          shard.post({ type: 'end-client', row, generation, reason: 'lagged' });
        }
        if (this.#clients.untilPassed(row, now)) isMarkDue = true;
      }
    }
    if (isMarkDue) this.#collector.post({ type: 'prompt-time-mark' });
  }
}
