import fc from 'fast-check';
import { Monitored, type RecordSource } from '../../../src/actors/monitored.ts';
import { IntakeRing } from '../../../src/messages/intake-ring.ts';
import { INTAKE } from '../../../src/messages/layout.ts';
import { CounterTable } from '../../support/actors.ts';
import { monitorRecord } from '../../support/records.ts';
import { RECORD_BYTES, recordsIn } from '../naive-records.ts';
import { demand, show, type Target } from '../target.ts';

/** The pipe is empty here. */
const EMPTY = 'EMPTY';
/** Fewer than the records that an input may hold, so that the ring is full now and then. */
const FEW_SLOTS = 8;
/**
 * When the ring is full while junk is passed over, what follows is searched anew, and a record such as nobody writes is not found
 * then: with such a one the ring has room for all.
 */
const MANY_SLOTS = 32;
const CHUNKS = [Infinity, 31, 595, 596, 597, 1192, 2000, 4096];
const MAX_PUMPS = 100_000;

const text = (parts: Parameters<typeof monitorRecord>[0]): string =>
  Buffer.from(monitorRecord({ pid: 7, ...parts })).toString('latin1');
const RECORDS = [
  text({ name: 'c1' }),
  text({ name: 'c2', value: 2, pid: 0 }),
  text({ name: 'x'.repeat(64), args: 'a'.repeat(254), extra: 'b'.repeat(254) }),
  text({ name: 'image:1', eventType: 1, value: 6, pid: 0 }),
  text({ type: 2, name: '\x01', pid: 0 }),
  text({ value: 28, exitCode: 127, extra: 'name=web' }),
  text({ value: 29 }),
  text({ name: 'x'.repeat(65) }),
  text({ name: '' }),
];
const JUNK = ['', 'x', 'x'.repeat(9), '\0\0\0\0', `${'\0'.repeat(8)}x`, '\0'.repeat(587), 'y'.repeat(700)];

/** What senders write to the FIFO, and what else stands there: each record that is valid, once and in order, and nothing else. */
export const target: Target = {
  sources: ['actors/monitored.ts', 'codec/monitor-record.ts', 'messages/intake-ring.ts'],
  seeds: [
    ...RECORDS,
    monitorRecord({ pid: -1 }),
    RECORDS.slice(0, 6).join(''),
    `${RECORDS[0]!.slice(0, 300)}${EMPTY}${RECORDS[0]}${EMPTY}${RECORDS[1]}`,
    `xx${RECORDS.slice(0, 6).join('')}`,
    `x${RECORDS[0]!.repeat(12)}`,
    `${RECORDS[0]}${'x'.repeat(600)}${RECORDS[1]}${RECORDS[3]}`,
  ],
  dictionary: [EMPTY, ...RECORDS, ...JUNK, '\0', '\x01\0\0\0', '\x02\0\0\0', '\x1c\0\0\0', '\x1d\0\0\0'],
  arbitrary: fc
    .array(fc.constantFrom(EMPTY, ...RECORDS, ...RECORDS, ...RECORDS, ...JUNK), { minLength: 1, maxLength: 13 })
    .map((pieces) => pieces.join('')),
  batch: 256,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  const rounds = Buffer.from(input).toString('latin1').split(EMPTY);
  const expected = rounds.map((round) => recordsIn(Buffer.from(round, 'latin1')));
  const sent = expected.flatMap(({ records }) => records);
  const pipe = new Pipe(
    rounds.map((round) => Buffer.from(round, 'latin1')),
    input,
  );
  const slots = expected.some(({ hasUnusual }) => hasUnusual) ? MANY_SLOTS : FEW_SLOTS;
  const ring = new IntakeRing(IntakeRing.allocate(slots));
  const counters = new CounterTable();
  const taken = drained(pipe, ring, counters, input.length);
  const names = (records: readonly Uint8Array[]): string =>
    show(records.map((record) => Buffer.from(record).toString('latin1', 8, 20).replace(/\0.*$/s, '')));
  const isSame =
    taken.length === sent.length && taken.every((record, index) => Buffer.compare(record, sent[index]!) === 0);
  demand(isSame, 'takes other records than there are', () => `${names(taken)} instead of ${names(sent)}`);
  const { recordsRead, junkBytes } = counters.values;
  demand(recordsRead === sent.length, 'counts other records', () => show([recordsRead, sent.length]));
  const junk = expected.reduce((sum, cut) => sum + cut.junk, 0);
  demand(junkBytes === junk, 'counts other junk', () => show([junkBytes, junk]));
  for (let slot = 0; slot < slots; slot += 1) {
    const word = ring.words[(INTAKE.HEADER_BYTES + slot * RECORD_BYTES) >> 2];
    demand(word === INTAKE.SENTINEL, 'leaves something in a free slot', () => show(slot));
  }
}

/** What the collector gets, which takes all there is or one record, now this and now that. */
function drained(pipe: Pipe, ring: IntakeRing, counters: CounterTable, salt: number): Uint8Array[] {
  const quiet = { post() {} };
  const monitored = new Monitored({
    source: pipe,
    ring,
    collector: quiet,
    main: quiet,
    counters: counters.writer,
  });
  const taken: Uint8Array[] = [];
  for (let pump = 0; ; pump += 1) {
    demand(pump < MAX_PUMPS, 'never comes to an end');
    const { state } = monitored.pump();
    demand(state !== 'full' || ring.contiguousFree === 0, 'says that the ring is full when it is not');
    const isLast = state === 'empty' && !pipe.next();
    const most = isLast || (pump + salt) % 3 > 0 ? ring.available : Math.min(1, ring.available);
    for (let index = 0; index < most; index += 1) {
      const at = ring.slotAt(index);
      taken.push(ring.bytes.slice(at, at + RECORD_BYTES));
    }
    if (most > 0) ring.release(most);
    if (isLast) return taken;
  }
}

/** Is filled again when it has been found empty. How much a read gives depends on the input. */
class Pipe implements RecordSource {
  readonly #rounds: readonly Uint8Array[];
  readonly #chunk: number;
  readonly #tellsDrained: boolean;
  #round = 0;
  #at = 0;

  constructor(rounds: readonly Uint8Array[], input: Uint8Array) {
    this.#rounds = rounds;
    const sum = input.reduce((total, byte) => (total * 31 + byte) >>> 0, 7) >>> 3;
    this.#chunk = CHUNKS[sum % CHUNKS.length]!;
    this.#tellsDrained = sum % 2 === 0;
  }

  get isDrained(): boolean {
    return this.#tellsDrained && this.#at === this.#rounds[this.#round]!.length;
  }

  read(into: Uint8Array): number {
    demand(into.length > 0, 'reads without room');
    const round = this.#rounds[this.#round]!;
    const bytes = Math.min(into.length, this.#chunk, round.length - this.#at);
    into.set(round.subarray(this.#at, this.#at + bytes));
    this.#at += bytes;
    return bytes;
  }

  /** Senders write what is next. @returns false when that was all */
  next(): boolean {
    demand(this.#at === this.#rounds[this.#round]!.length, 'says that a pipe is empty that is not');
    if (this.#round + 1 === this.#rounds.length) return false;
    this.#round += 1;
    this.#at = 0;
    return true;
  }
}
