import { TocsinError } from './errors.ts';

/** Eight characters of lower-case base32 that name one life of one log. */
export type Epoch = string;

const EPOCH_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const CURSOR = /^([a-z2-7]{8})-(0|[1-9][0-9]{0,15})$/;

/** @param random eight bytes of randomness, handed in. */
export function makeEpoch(random: Uint8Array): Epoch {
  let epoch = '';
  for (const byte of random.subarray(0, 8)) epoch += EPOCH_ALPHABET[byte & 31];
  return epoch;
}

/** `<epoch>-<seq>`: opaque to clients. `seq` 0 is the position before the first event. */
export function formatCursor(epoch: Epoch, seq: number): string {
  return `${epoch}-${seq}`;
}

/** @throws ERR_CURSOR_INVALID */
export function parseCursor(text: string): { readonly epoch: Epoch; readonly seq: number } {
  const match = CURSOR.exec(text);
  const seq = Number(match?.[2]);
  if (!match?.[1] || !Number.isSafeInteger(seq)) {
    throw new TocsinError('ERR_CURSOR_INVALID', `not a cursor: ${JSON.stringify(text.slice(0, 64))}`);
  }
  return { epoch: match[1], seq };
}

/**
 * The sequence number in a cursor of this log.
 * @throws ERR_CURSOR_INVALID, ERR_CURSOR_FOREIGN, ERR_CURSOR_FUTURE
 */
export function resolveCursor(text: string, epoch: Epoch, headSeq: number): number {
  const cursor = parseCursor(text);
  if (cursor.epoch !== epoch) {
    throw new TocsinError('ERR_CURSOR_FOREIGN', `cursor ${text} belongs to another log; this one is ${epoch}`);
  }
  if (cursor.seq > headSeq) {
    throw new TocsinError(
      'ERR_CURSOR_FUTURE',
      `cursor ${text} is beyond the newest event ${formatCursor(epoch, headSeq)}`,
    );
  }
  return cursor.seq;
}
