import { TocsinError } from '../event/errors.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { Subscription } from '../messages/control.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Quota } from '../messages/quota.ts';

/** How many clients all shards together admit; 0 = as many as there are rows. */
export interface ClientLimits {
  readonly clients: number;
  /** Of those, clients that read what was there before they came. */
  readonly replays: number;
}

/** The places of one shard's clients: rows of the client table, and their share of what all shards together admit. */
export class ClientRows {
  readonly #shard: number;
  readonly #first: number;
  readonly #table: ClientTable;
  readonly #limits: ClientLimits;
  readonly #clients: Quota;
  readonly #replays: Quota;
  readonly #free: number[] = [];
  #taken = 0;

  constructor(shard: number, table: ClientTable, { clients, replays }: LogState, limits: ClientLimits) {
    this.#shard = shard;
    this.#first = shard * table.rowsPerShard;
    this.#table = table;
    this.#clients = clients;
    this.#replays = replays;
    this.#limits = limits;
  }

  /** @param isReplay it begins with what is there already. @throws ERR_CLIENTS_EXHAUSTED, ERR_REPLAYS_EXHAUSTED */
  take(subscription: Subscription, isReplay: boolean): { readonly row: number; readonly generation: number } {
    const { clients, replays } = this.#limits;
    if (!this.#clients.take(this.#shard, clients))
      throw new TocsinError('ERR_CLIENTS_EXHAUSTED', ...full('clients', 'max-clients', clients));
    if (isReplay && !this.#replays.take(this.#shard, replays)) {
      this.#clients.give(this.#shard);
      throw new TocsinError('ERR_REPLAYS_EXHAUSTED', ...full('clients that read history', 'max-replays', replays));
    }
    const row = this.#free.pop() ?? this.#next();
    if (row === undefined) {
      this.#clients.give(this.#shard);
      if (isReplay) this.#replays.give(this.#shard);
      throw new TocsinError(
        'ERR_CLIENTS_EXHAUSTED',
        ...full('clients on this shard', 'clients-per-shard', this.#table.rowsPerShard),
      );
    }
    // A client that is moved on is none that the clients-checker should end.
    const lagLimit = subscription.dropsOldest ? 0 : subscription.lagLimit;
    return { row, generation: this.#table.take(row, { ...subscription, lagLimit }) };
  }

  /** The client has come to where the log was when it began. */
  endReplay(): void {
    this.#replays.give(this.#shard);
  }

  free(row: number): void {
    this.#clients.give(this.#shard);
    this.#table.free(row);
    this.#free.push(row);
  }

  #next(): number | undefined {
    if (this.#taken === this.#table.rowsPerShard) return undefined;
    this.#taken += 1;
    return this.#first + this.#taken - 1;
  }
}

/** Message and detail of the error when all places of a kind are taken. */
function full(what: string, limit: string, maximum: number): [string, { detail: { limit: string; maximum: number } }] {
  return [`there are ${maximum} ${what}, the limit (${limit})`, { detail: { limit, maximum } }];
}
