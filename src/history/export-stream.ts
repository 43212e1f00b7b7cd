import { Epochs } from '../event/epochs.ts';
import type { GapReason, Lagged } from '../event/event.ts';
import type { ScanResult } from './file-scan.ts';

/** What an export is made of, in order. */
export type ExportPiece =
  | { readonly type: 'events'; readonly bytes: Uint8Array }
  | { readonly type: 'gap'; readonly gap: Lagged };

/**
 * Puts the results of a scan together, and says where events are missing.
 * @param epochs of the log, @param nextSeq the event that has to come first; undefined = whatever is there
 */
export class ExportStream {
  readonly #epochs: Epochs;
  #nextSeq: number | undefined;
  #isCorrupt = false;
  /** Nothing of later results is wanted. */
  isDone = false;

  constructor(epochs: Epochs, nextSeq: number | undefined) {
    this.#epochs = epochs;
    this.#nextSeq = nextSeq;
  }

  *take(result: ScanResult): Generator<ExportPiece, void> {
    const { bytes, firstSeq, nextSeq, holes, isBadBefore, isBadBehind, isDone } = result;
    this.isDone = isDone;
    this.#isCorrupt ||= isBadBefore;
    if (nextSeq === 0) return;
    if (this.#nextSeq !== undefined && firstSeq > this.#nextSeq)
      yield this.#gap(this.#nextSeq, firstSeq - 1, this.#isCorrupt);
    let from = 0;
    for (const hole of holes) {
      if (hole.at > from) yield { type: 'events', bytes: bytes.subarray(from, hole.at) };
      yield this.#gap(hole.from, hole.to, hole.isCorrupt);
      from = hole.at;
    }
    if (bytes.length > from) yield { type: 'events', bytes: bytes.subarray(from) };
    this.#nextSeq = nextSeq;
    this.#isCorrupt = isBadBehind;
  }

  #gap(from: number, to: number, isCorrupt: boolean): ExportPiece {
    const reason: GapReason = isCorrupt ? 'corruption' : 'retention';
    const gap: Lagged = { type: 'gap', missed: to + 1 - from, from, to, reason, oldest: this.#epochs.cursor(to) };
    return { type: 'gap', gap };
  }
}
