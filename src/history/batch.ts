import { textOf, utf8 } from '../codec/bytes.ts';
import { roundUp8 } from '../codec/event-record.ts';
import { TocsinError } from '../event/errors.ts';
import type { Timestamp } from '../event/event.ts';
import { EVENT_VERSION, HISTORY_BATCH, KIND_STATE, STATE } from '../messages/layout.ts';
import type { Crc32 } from './disk.ts';
import type { SavedState } from './saved-state.ts';

/** What a batch's header says. */
export interface BatchHead {
  /** Of the whole batch. */
  readonly length: number;
  readonly count: number;
  /** Of the first event, or of the next one when there is none. */
  readonly firstSeq: number;
  readonly first: Timestamp;
  readonly last: Timestamp;
  readonly eventBytes: number;
}

export interface NewBatch {
  /** Packed records, back to back; numbered from `firstSeq` on. */
  readonly events: Uint8Array;
  readonly count: number;
  readonly firstSeq: number;
  readonly first: Timestamp;
  readonly last: Timestamp;
  readonly state: readonly SavedState[];
}

/** Longer than any that is written: what claims more is none. */
export const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const MIN_STAGE_BYTES = 64 * 1024;

/** Puts batches together in memory of its own, so that one write takes header, events and state. */
export class BatchPacker {
  readonly #crc32: Crc32;
  #stage = new Uint8Array(MIN_STAGE_BYTES);
  #fields = new DataView(this.#stage.buffer);

  constructor(crc32: Crc32) {
    this.#crc32 = crc32;
  }

  /** @returns the batch as it stands in the file; the memory is used again by the next call */
  pack({ events, count, firstSeq, first, last, state }: NewBatch): Uint8Array {
    const records = state.map(packState);
    let length = HISTORY_BATCH.BYTES + events.length;
    for (const record of records) length += record.length;
    if (length > MAX_BATCH_BYTES)
      throw new TocsinError('ERR_INTERNAL', `a batch of ${length} bytes could not be read again`);
    this.#reserve(length);
    const stage = this.#stage;
    const fields = this.#fields;
    fields.setUint32(HISTORY_BATCH.MAGIC, HISTORY_BATCH.MAGIC_VALUE, true);
    fields.setUint32(HISTORY_BATCH.LENGTH, length, true);
    fields.setUint32(HISTORY_BATCH.COUNT, count, true);
    fields.setUint32(HISTORY_BATCH.FIRST_SEQ_LOW, firstSeq % 0x100000000, true);
    fields.setUint32(HISTORY_BATCH.FIRST_SEQ_HIGH, Math.floor(firstSeq / 0x100000000), true);
    fields.setUint32(HISTORY_BATCH.FIRST_SEC, first.sec, true);
    fields.setUint32(HISTORY_BATCH.FIRST_NANOS, first.nanos, true);
    fields.setUint32(HISTORY_BATCH.LAST_SEC, last.sec, true);
    fields.setUint32(HISTORY_BATCH.LAST_NANOS, last.nanos, true);
    fields.setUint32(HISTORY_BATCH.EVENT_BYTES, events.length, true);
    fields.setUint32(HISTORY_BATCH.EVENT_BYTES + 4, 0, true);
    stage.set(events, HISTORY_BATCH.BYTES);
    let at = HISTORY_BATCH.BYTES + events.length;
    for (const record of records) {
      stage.set(record, at);
      at += record.length;
    }
    fields.setUint32(HISTORY_BATCH.CRC, this.#crc32(stage.subarray(HISTORY_BATCH.LENGTH, length)), true);
    return stage.subarray(0, length);
  }

  #reserve(length: number): void {
    if (length <= this.#stage.length) return;
    this.#stage = new Uint8Array(Math.max(length, 2 * this.#stage.length));
    this.#fields = new DataView(this.#stage.buffer);
  }
}

/** The header of the batch at `at`; undefined when none can stand there. Its content is not checked. */
export function readBatchHead(bytes: Uint8Array, at: number): BatchHead | undefined {
  if (bytes.length - at < HISTORY_BATCH.BYTES) return undefined;
  const fields = new DataView(bytes.buffer, bytes.byteOffset + at, HISTORY_BATCH.BYTES);
  if (fields.getUint32(HISTORY_BATCH.MAGIC, true) !== HISTORY_BATCH.MAGIC_VALUE) return undefined;
  const field = (offset: number): number => fields.getUint32(offset, true);
  const length = field(HISTORY_BATCH.LENGTH);
  const eventBytes = field(HISTORY_BATCH.EVENT_BYTES);
  if (length % 8 !== 0 || length > MAX_BATCH_BYTES || HISTORY_BATCH.BYTES + eventBytes > length) return undefined;
  return {
    length,
    count: field(HISTORY_BATCH.COUNT),
    firstSeq: field(HISTORY_BATCH.FIRST_SEQ_LOW) + field(HISTORY_BATCH.FIRST_SEQ_HIGH) * 0x100000000,
    first: { sec: field(HISTORY_BATCH.FIRST_SEC), nanos: field(HISTORY_BATCH.FIRST_NANOS) },
    last: { sec: field(HISTORY_BATCH.LAST_SEC), nanos: field(HISTORY_BATCH.LAST_NANOS) },
    eventBytes,
  };
}

/** Whether the batch, all of which is there, is what was written. */
export function isIntact(bytes: Uint8Array, at: number, { length }: BatchHead, crc32: Crc32): boolean {
  const fields = new DataView(bytes.buffer, bytes.byteOffset + at, HISTORY_BATCH.BYTES);
  return fields.getUint32(HISTORY_BATCH.CRC, true) === crc32(bytes.subarray(at + HISTORY_BATCH.LENGTH, at + length));
}

/** What the batch says besides its events. The batch must be intact. @throws for what no writer of ours has made of it */
export function stateOf(bytes: Uint8Array, at: number, head: BatchHead): SavedState[] {
  return readState(bytes, at + HISTORY_BATCH.BYTES + head.eventBytes, at + head.length);
}

/** The state records between these offsets. @throws as stateOf */
export function readState(bytes: Uint8Array, from: number, to: number): SavedState[] {
  const fields = new DataView(bytes.buffer, bytes.byteOffset);
  const state: SavedState[] = [];
  for (let pos = from; pos < to; ) {
    const length = fields.getUint32(pos + STATE.LENGTH, true);
    if (length < STATE.FIXED_BYTES || pos + length > to)
      throw new TocsinError('ERR_INTERNAL', `a state record of ${length} bytes`);
    if (bytes[pos + STATE.KIND] === KIND_STATE)
      state.push(JSON.parse(textOf(bytes, pos + STATE.FIXED_BYTES, pos + length)) as SavedState);
    pos += length;
  }
  return state;
}

/** A state record. */
export function packState(state: SavedState): Uint8Array {
  const text = utf8(JSON.stringify(state));
  const length = roundUp8(STATE.FIXED_BYTES + text.length);
  const record = new Uint8Array(length).fill(0x20, STATE.FIXED_BYTES);
  new DataView(record.buffer).setUint32(STATE.LENGTH, length, true);
  record[STATE.VERSION] = EVENT_VERSION;
  record[STATE.KIND] = KIND_STATE;
  record.set(text, STATE.FIXED_BYTES);
  return record;
}
