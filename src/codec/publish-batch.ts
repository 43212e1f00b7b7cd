import { BATCH, EVENT, KIND_BATCH } from '../messages/layout.ts';
import { textOf, utf8 } from './bytes.ts';
import { roundUp8 } from './event-record.ts';

/** Who publishes a batch, and the publisher's own number of its first event: what a retry is recognised by. */
export interface BatchOrigin {
  readonly publisher: string;
  readonly sequence: number;
}

/** A source, which tells by itself what it has brought before; the log keeps the marks of its events for it. */
export interface SourceOrigin {
  readonly source: string;
}

export interface BatchHead {
  readonly requestId: number;
  readonly events: number;
  readonly origin: BatchOrigin | SourceOrigin | undefined;
}

/** The entry of a publish ring that tells that so many events of one batch follow, packed and back to back. */
export function packBatchHead({ requestId, events, origin }: BatchHead): Uint8Array {
  const [text, sequence] = nameOf(origin);
  const name = utf8(text);
  const headBytes = roundUp8(BATCH.FIXED_BYTES + name.length);
  const out = new Uint8Array(headBytes);
  const fields = new DataView(out.buffer);
  fields.setInt32(BATCH.LENGTH, headBytes, true);
  out[BATCH.KIND] = KIND_BATCH;
  fields.setUint32(BATCH.REQUEST_ID, requestId, true);
  fields.setUint32(BATCH.EVENTS, events, true);
  fields.setUint32(BATCH.SEQUENCE_LOW, sequence % 0x100000000, true);
  fields.setUint32(BATCH.SEQUENCE_HIGH, Math.floor(sequence / 0x100000000), true);
  fields.setUint32(BATCH.NAME_BYTES, name.length, true);
  out.set(name, BATCH.FIXED_BYTES);
  return out;
}

/** @returns undefined when the entry at `at` is an event */
export function readBatchHead(bytes: Uint8Array, words: Int32Array, at: number): BatchHead | undefined {
  if (bytes[at + EVENT.KIND] !== KIND_BATCH) return undefined;
  const word = (field: number): number => words[(at + field) >> 2]! >>> 0;
  const nameFrom = at + BATCH.FIXED_BYTES;
  const name = textOf(bytes, nameFrom, nameFrom + word(BATCH.NAME_BYTES));
  const sequence = word(BATCH.SEQUENCE_LOW) + word(BATCH.SEQUENCE_HIGH) * 0x100000000;
  return { requestId: word(BATCH.REQUEST_ID), events: word(BATCH.EVENTS), origin: originOf(name, sequence) };
}

function nameOf(origin: BatchHead['origin']): readonly [name: string, sequence: number] {
  if (!origin) return ['', 0];
  return 'publisher' in origin ? [origin.publisher, origin.sequence] : [origin.source, 0];
}

/** Publishers number their events from 1 on. */
function originOf(name: string, sequence: number): BatchHead['origin'] {
  if (name === '') return undefined;
  return sequence === 0 ? { source: name } : { publisher: name, sequence };
}
