import type { Epochs } from '../event/epochs.ts';
import { TocsinError } from '../event/errors.ts';
import type { Lagged } from '../event/event.ts';
import type { Segment } from '../history/segment.ts';
import type { LogState } from '../messages/log-state.ts';
import type { Client } from './client.ts';

/**
 * How far clients may fall behind, and what becomes of those that do. Only a client that was at the head can fall behind: one
 * that reads history is still coming.
 */
export class LagPolicy {
  readonly #epochs: Epochs;
  readonly #logState: LogState;
  readonly #maxBytes: number;
  /** Of the newest bytes of the log, to within a segment. */
  readonly #segments: { readonly firstSeq: number; readonly bytes: number }[] = [];
  #bytes = 0;

  /** @param maxLagBytes for every client; 0 = as far as history reaches */
  constructor(env: { readonly epochs: Epochs; readonly logState: LogState; readonly maxLagBytes: number }) {
    this.#epochs = env.epochs;
    this.#logState = env.logState;
    this.#maxBytes = env.maxLagBytes;
  }

  opened({ firstSeq, byteLength }: Segment): void {
    if (this.#maxBytes === 0) return;
    this.#segments.push({ firstSeq, bytes: byteLength });
    this.#bytes += byteLength;
    // The one that is being filled is not counted yet.
    while (this.#segments.length > 1 && this.#bytes - byteLength > this.#maxBytes)
      this.#bytes -= this.#segments.shift()!.bytes;
  }

  /** Whether a client that takes nothing at the moment is to be ended for the operator's limit. */
  isTooFar(client: Client): boolean {
    return !client.subscription.dropsOldest && client.nextSeq > client.headAtStart && client.nextSeq < this.#floorSeq;
  }

  /** The same, for the client's own limit. */
  isBeyondOwn(client: Client): boolean {
    const { lagLimit, dropsOldest } = client.subscription;
    if (lagLimit === 0 || dropsOldest || client.nextSeq <= client.headAtStart) return false;
    return this.#lagOf(client) > lagLimit;
  }

  /** Why it was ended. */
  error(client: Client): TocsinError {
    const { lagLimit } = client.subscription;
    const lag = this.#lagOf(client);
    if (lagLimit > 0 && lag > lagLimit)
      return new TocsinError('ERR_CLIENT_LAGGED', `${lag} events behind; the limit is ${lagLimit}`);
    return new TocsinError('ERR_CLIENT_LAGGED', `${lag} events behind, more than ${this.#maxBytes} bytes of the log`, {
      detail: { limit: 'max-lag-bytes', maximum: this.#maxBytes },
    });
  }

  /**
   * Moves a client on that rather misses events than be late, if it is too far behind.
   * @returns what it is to be told
   */
  moveOn(client: Client, headSeq: number): Lagged | undefined {
    const { lagLimit, dropsOldest } = client.subscription;
    if (!dropsOldest) return undefined;
    const from = client.nextSeq;
    const to = Math.min(Math.max(headSeq - lagLimit, this.#floorSeq - 1), client.endSeq);
    if (from > to || from <= client.headAtStart) return undefined;
    client.nextSeq = to + 1;
    const oldest = this.#epochs.cursor(this.#logState.oldestSeq - 1);
    return { type: 'gap', missed: to + 1 - from, from, to, reason: 'policy', oldest };
  }

  #lagOf({ nextSeq }: Client): number {
    return this.#logState.headSeq + 1 - nextSeq;
  }

  get #floorSeq(): number {
    return this.#maxBytes === 0 ? 0 : (this.#segments[0]?.firstSeq ?? 0);
  }
}
