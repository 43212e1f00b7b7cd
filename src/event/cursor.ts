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
