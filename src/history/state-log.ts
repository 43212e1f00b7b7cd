import { STATE_LOG } from '../messages/layout.ts';
import { packState, readState } from './batch.ts';
import type { SavedState } from './saved-state.ts';

/** Of a state log that has just been begun, beside its snapshot. */
const MIN_ROOM_BYTES = 64 * 1024;

/**
 * What the log knows besides events, in memory that outlives the collector's thread: a snapshot and, behind it, what has changed, as
 * in a history file. One that is full is followed by another that begins with a snapshot of its own. How far it counts is for
 * the commits to say.
 */
export class StateLog {
  readonly #snapshot: () => Iterable<SavedState>;
  readonly #opened: (memory: SharedArrayBuffer) => void;
  #bytes: Uint8Array;
  #number: number;
  #end: number;

  /** @param number of the first one, @param opened hears of each before anything else does */
  constructor(
    number: number,
    env: { readonly snapshot: () => Iterable<SavedState>; readonly opened: (memory: SharedArrayBuffer) => void },
  ) {
    this.#snapshot = env.snapshot;
    this.#opened = env.opened;
    this.#number = number - 1;
    this.#bytes = new Uint8Array(0);
    this.#end = 0;
    this.#begin(this.#packedSnapshot());
  }

  get number(): number {
    return this.#number;
  }
  /** In bytes. */
  get end(): number {
    return this.#end;
  }

  /** @param isAll the snapshot would say no more than this: nothing that came after it is part of what is known by now */
  append(state: readonly SavedState[], isAll: boolean): void {
    for (const saved of state) {
      const record = packState(saved);
      if (this.#end + record.length > this.#bytes.length) {
        // Everything that was to be appended is part of the snapshot.
        if (isAll) return this.#begin(this.#packedSnapshot());
        this.#begin([this.#bytes.slice(STATE_LOG.HEADER_BYTES, this.#end)]);
      }
      this.#bytes.set(record, this.#end);
      this.#end += record.length;
    }
  }

  #packedSnapshot(): Uint8Array[] {
    return Array.from(this.#snapshot(), packState);
  }

  #begin(content: readonly Uint8Array[]): void {
    let length: number = STATE_LOG.HEADER_BYTES;
    for (const part of content) length += part.length;
    const memory = new SharedArrayBuffer(2 * length + MIN_ROOM_BYTES);
    this.#number += 1;
    new Float64Array(memory, 0, 1)[0] = this.#number;
    this.#bytes = new Uint8Array(memory);
    this.#end = STATE_LOG.HEADER_BYTES;
    for (const part of content) {
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
    }
    this.#opened(memory);
  }
}

export function stateLogNumber(memory: SharedArrayBuffer): number {
  return new Float64Array(memory, 0, 1)[0]!;
}

/** What a state log says up to there. */
export function readStateLog(memory: SharedArrayBuffer, end: number): SavedState[] {
  return readState(new Uint8Array(memory), STATE_LOG.HEADER_BYTES, end);
}
