import { TocsinError } from '../event/errors.ts';
import type { ClientTable } from '../messages/client-table.ts';
import type { Subscription } from '../messages/control.ts';
import { CLIENT } from '../messages/layout.ts';

/** The rows of the client table that belong to one shard. */
export class ClientRows {
  readonly #first: number;
  readonly #table: ClientTable;
  readonly #free: number[] = [];
  #taken = 0;

  constructor(shard: number, table: ClientTable) {
    this.#first = shard * CLIENT.ROWS_PER_SHARD;
    this.#table = table;
  }

  /** @throws ERR_CLIENTS_EXHAUSTED */
  take(subscription: Subscription): { readonly row: number; readonly generation: number } {
    const row = this.#free.pop() ?? this.#next();
    return { row, generation: this.#table.take(row, subscription) };
  }

  free(row: number): void {
    this.#table.free(row);
    this.#free.push(row);
  }

  #next(): number {
    if (this.#taken === CLIENT.ROWS_PER_SHARD) {
      throw new TocsinError('ERR_CLIENTS_EXHAUSTED', `this shard has ${CLIENT.ROWS_PER_SHARD} clients, its limit`);
    }
    this.#taken += 1;
    return this.#first + this.#taken - 1;
  }
}
