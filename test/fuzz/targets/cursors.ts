import fc from 'fast-check';
import { formatCursor, makeEpoch, parseCursor } from '../../../src/event/cursor.ts';
import { Epochs } from '../../../src/event/epochs.ts';
import { allowed, demand, show, type Target, textOf } from '../target.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const SPANS = [
  { epoch: 'aaaaaaaa', firstSeq: 1 },
  { epoch: 'k3x7q2mf', firstSeq: 100 },
  { epoch: 'zzzz7777', firstSeq: 1_000 },
];
const HEAD = 2_000;
const EPOCHS = new Epochs(SPANS);

/** Cursors that clients hand back: taken exactly when they are ours, and led to where their life of the log has them. */
export const target: Target = {
  sources: ['event/cursor.ts', 'event/epochs.ts'],
  seeds: [
    ...SPANS.flatMap(({ epoch, firstSeq }) =>
      [0, 1, firstSeq - 1, firstSeq, HEAD, HEAD + 1].map((seq) => `${epoch}-${seq}`),
    ),
    'k3x7q2mf-9007199254740991',
    'unknown2-7',
    'k3x7q2mf-007',
    '-',
  ],
  dictionary: ['aaaaaaaa', 'k3x7q2mf', 'zzzz7777', '-', '99', '100', '999', '1000', '2000', '\n'],
  arbitrary: fc
    .tuple(
      fc.oneof(
        fc.constantFrom(...SPANS.map(({ epoch }) => epoch)),
        fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => makeEpoch(bytes)),
      ),
      fc.oneof(fc.nat(HEAD + 10), fc.maxSafeNat()),
    )
    .map(([epoch, seq]) => formatCursor(epoch, seq)),
  batch: 1024,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const text = textOf(input);
  const cursor = allowed(['ERR_CURSOR_INVALID'], () => parseCursor(text));
  demand((cursor !== undefined) === isCursor(text), 'taken or refused against its form', () => show(text));
  if (cursor)
    demand(formatCursor(cursor.epoch, cursor.seq) === text, 'written again it is another one', () => show(text));
  const resolved = allowed(['ERR_CURSOR_INVALID', 'ERR_CURSOR_FOREIGN', 'ERR_CURSOR_FUTURE'], () =>
    EPOCHS.resolve(text, HEAD),
  );
  const index = SPANS.findIndex(({ epoch }) => epoch === cursor?.epoch);
  const next = SPANS[index + 1];
  const last = next ? next.firstSeq - 1 : HEAD;
  const leads = cursor !== undefined && index >= 0 && (next !== undefined || cursor.seq <= HEAD);
  demand((resolved !== undefined) === leads, 'leads somewhere, or not, against what is known', () => show(text));
  if (!resolved || !cursor) return;
  const { seq, lostUpTo } = resolved;
  demand(seq === Math.min(cursor.seq, last), 'leads to another event', () => `${show(text)}: ${show(resolved)}`);
  const lost = cursor.seq > last ? cursor.seq : undefined;
  demand(lostUpTo === lost, 'another loss is told', () => `${show(text)}: ${show(resolved)}`);
}

function isCursor(text: string): boolean {
  if (text[8] !== '-' || !Array.from(text.slice(0, 8)).every((letter) => LETTERS.includes(letter))) return false;
  const digits = text.slice(9);
  const seq = Number(digits);
  return Number.isSafeInteger(seq) && String(seq) === digits && seq >= 0;
}
