import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Monitored, type PumpOutcome, type RecordSource } from '../../../src/actors/monitored.ts';
import type { CollectorCommand } from '../../../src/messages/collector.ts';
import { IntakeRing } from '../../../src/messages/intake-ring.ts';
import type { MonitoredNotice } from '../../../src/messages/monitored.ts';
import { CounterTable, MemoryOutbox } from '../../support/actors.ts';
import { concat, monitorRecord, RECORD_BYTES, validRecord } from '../../support/records.ts';

const SLOTS = 2048;
/** What the largest pipe holds, in whole records. */
const PIPE_RECORDS = Math.ceil(2 ** 20 / RECORD_BYTES);

/**
 * A pipe that was filled in rounds. A read gives at most a chunk; behind each round the pipe is empty once (EAGAIN), and
 * from the end on always.
 */
class ScriptedSource implements RecordSource {
  readonly isDrained = false;
  readonly #rounds: Uint8Array[];
  readonly #chunks: readonly number[];
  #round = 0;
  #at = 0;
  #reads = 0;
  #isLive = true;

  /** @param chunks the sizes that reads give at most, in turn; none = as much as is there */
  constructor(rounds: readonly Uint8Array[], chunks: readonly number[] = []) {
    this.#rounds = [...rounds];
    this.#chunks = chunks;
  }

  get isDone(): boolean {
    return this.#round >= this.#rounds.length;
  }

  get reads(): number {
    return this.#reads;
  }

  /** What comes later: more is written to the pipe. */
  write(round: Uint8Array): void {
    this.#rounds.push(round);
  }

  read(target: Uint8Array): number {
    assert.ok(target.length > 0, 'a read without room would look like an empty pipe');
    const round = this.#rounds[this.#round];
    this.#isLive = round !== undefined && this.#at < round.length;
    if (!round || !this.#isLive) {
      this.#round += round ? 1 : 0;
      this.#at = 0;
      return 0;
    }
    const chunk = this.#chunks[this.#reads % this.#chunks.length] ?? Infinity;
    this.#reads += 1;
    const bytes = Math.min(target.length, chunk, round.length - this.#at);
    target.set(round.subarray(this.#at, this.#at + bytes));
    this.#at += bytes;
    return bytes;
  }
}

/** A sender that never stops. */
function endless(bytes: Uint8Array, most = Infinity): RecordSource {
  let at = 0;
  return {
    isDrained: false,
    read(target) {
      const count = Math.min(target.length, most);
      for (let index = 0; index < count; index += 1) target[index] = bytes[(at + index) % bytes.length]!;
      at += count;
      return count;
    },
  };
}

class Bench {
  readonly ring = new IntakeRing(IntakeRing.allocate());
  readonly collector = new MemoryOutbox<CollectorCommand>();
  readonly main = new MemoryOutbox<MonitoredNotice>();
  readonly counters = new CounterTable();
  readonly monitored: Monitored;
  readonly taken: Uint8Array[] = [];

  constructor(source: RecordSource) {
    const { ring, collector, main } = this;
    this.monitored = new Monitored({ source, ring, collector, main, counters: this.counters.writer });
  }

  /** The collector's part: takes records out of the ring. */
  take(most = Infinity): number {
    const count = Math.min(most, this.ring.available);
    for (let index = 0; index < count; index += 1) {
      const at = this.ring.slotAt(index);
      this.taken.push(this.ring.bytes.slice(at, at + RECORD_BYTES));
    }
    if (count > 0 && this.ring.release(count)) this.monitored.receive({ type: 'slots-freed' });
    return count;
  }

  /** Pumps and takes until the pipe is empty for good. @param share how much of the ring is taken after each pump */
  drain(source: ScriptedSource, share: (pump: number) => number = () => 1): PumpOutcome[] {
    const outcomes: PumpOutcome[] = [];
    for (let pump = 0; ; pump += 1) {
      assert.ok(pump < 20_000, 'it never ends');
      const outcome = this.monitored.pump();
      outcomes.push(outcome);
      if (outcome.state === 'full') assert.equal(this.ring.contiguousFree, 0);
      if (outcome.state === 'empty' && source.isDone) break;
      this.take(
        outcome.state === 'full'
          ? Math.max(1, Math.ceil(SLOTS * share(pump)))
          : Math.ceil(this.ring.available * share(pump)),
      );
    }
    this.take();
    return outcomes;
  }
}

function numbered(count: number, first = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => monitorRecord({ name: `c${index}`, pid: first + index + 1 }));
}

function junk(bytes: number, byte = 0xff): Uint8Array {
  return new Uint8Array(bytes).fill(byte);
}

/** What came out, as text: a difference can be read. */
function names(records: readonly Uint8Array[]): string[] {
  return records.map((record) => Buffer.from(record).toString('latin1', 8, 20).replace(/\0.*$/s, ''));
}

function assertSame(taken: readonly Uint8Array[], sent: readonly Uint8Array[]): void {
  assert.deepEqual(names(taken), names(sent));
  assert.ok(Buffer.concat(taken).equals(Buffer.concat(sent)), 'a record was changed on its way');
}

/** Records of every kind. Pieces name them by their place here, so that a counterexample can be read. */
const POOL = fc.sample(validRecord, { numRuns: 64, seed: 90 });

/** Pieces of what senders write: a run of records, with junk before it or not. */
interface Piece {
  readonly junk: number;
  readonly records: number;
  /** Place of the first record in the pool. */
  readonly from: number;
  /** The pipe is empty behind this piece. */
  readonly isEmptyBehind: boolean;
}

function pieces(fewest: number): fc.Arbitrary<Piece[]> {
  const piece = fc.record({
    junk: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 4000 })),
    records: fc.oneof(fc.integer({ min: fewest, max: 5 }), fc.integer({ min: 100, max: 400 })),
    from: fc.nat(POOL.length - 1),
    isEmptyBehind: fc.boolean(),
  });
  return fc.array(piece, { minLength: 1, maxLength: 6 });
}

function recordsOf({ records, from }: Piece): Uint8Array[] {
  return Array.from({ length: records }, (_, index) => POOL[(from + index) % POOL.length]!);
}

/** What is written before the pipe is found empty each time. */
function roundsOf(all: readonly Piece[], byte: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let current: Uint8Array[] = [];
  for (const piece of all) {
    current.push(junk(piece.junk, byte), ...recordsOf(piece));
    if (!piece.isEmptyBehind) continue;
    out.push(concat(current));
    current = [];
  }
  return [...out, concat(current)];
}

const chunkSizes = fc.oneof(
  fc.constant([]),
  fc.array(fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 100_000 })), {
    minLength: 1,
    maxLength: 10,
  }),
);

describe('Monitored: valid records', () => {
  it('finds nothing in an empty pipe', () => {
    const bench = new Bench(new ScriptedSource([]));
    assert.deepEqual(bench.monitored.pump(), { records: 0, state: 'empty' });
    assert.deepEqual(bench.collector.messages, []);
  });

  it('hands records on in order, however reads split them', () => {
    const sent = numbered(50);
    for (const chunk of [1, 7, 595, 596, 597, 1191, 1192, 1193, 4096, 65_536]) {
      const source = new ScriptedSource([concat(sent)], [chunk]);
      const bench = new Bench(source);
      bench.drain(source);
      assertSame(bench.taken, sent);
      assert.equal(bench.counters.values.recordsRead, 50);
      assert.equal(bench.counters.values.junkBytes, 0);
      assert.equal(bench.counters.values.resyncs, 0);
    }
  });

  it('reads as much at once as the ring has room for', () => {
    const source = new ScriptedSource([concat(numbered(1000))]);
    const bench = new Bench(source);
    assert.deepEqual(bench.monitored.pump(), { records: 1000, state: 'empty' });
    assert.equal(source.reads, 1);
  });

  it('wakes a collector that sleeps once', () => {
    const source = new ScriptedSource([concat(numbered(20))], [RECORD_BYTES]);
    const bench = new Bench(source);
    assert.equal(bench.ring.sleepUntilRecords(), true);
    bench.drain(source);
    assert.deepEqual(bench.collector.messages, [{ type: 'records-available' }]);
  });

  it('comes back to its caller now and then while there is more', () => {
    const bench = new Bench(new ScriptedSource([concat(numbered(100))], [RECORD_BYTES]));
    const { records, state } = bench.monitored.pump();
    assert.equal(state, 'more');
    assert.ok(records > 0 && records < 100);
  });

  it('does not ask a source again that has given all it had, unless that ended within a record', () => {
    const record = monitorRecord();
    const given = [concat([record, record]), record.subarray(0, 200), new Uint8Array(0), record];
    let reads = 0;
    const bench = new Bench({
      isDrained: true,
      read(target) {
        const bytes = given[reads]!;
        target.set(bytes);
        reads += 1;
        return bytes.length;
      },
    });
    assert.deepEqual(bench.monitored.pump(), { records: 2, state: 'empty' });
    assert.equal(reads, 1);
    assert.deepEqual(bench.monitored.pump(), { records: 0, state: 'empty' });
    assert.equal(reads, 3);
    assert.equal(bench.counters.values.junkBytes, 200);
    assert.deepEqual(bench.monitored.pump(), { records: 1, state: 'empty' });
  });

  it('stops when the ring is full, and goes on where it was once slots are free', () => {
    const sent = numbered(5000);
    const source = new ScriptedSource([concat(sent)], [10_000]);
    const bench = new Bench(source);
    let outcome = bench.monitored.pump();
    while (outcome.state === 'more') outcome = bench.monitored.pump();
    assert.equal(outcome.state, 'full');
    assert.equal(bench.ring.available, SLOTS);
    const { reads } = source;
    assert.deepEqual(bench.monitored.pump(), { records: 0, state: 'full' });
    assert.equal(source.reads, reads, 'the pipe is left alone, so that the sender waits');
    assert.equal(bench.counters.values.intakeWaits, 1, 'however often it is asked meanwhile');
    bench.drain(source, (pump) => ((pump * 37) % 100) / 100);
    assertSame(bench.taken, sent);
    assert.equal(bench.counters.values.junkBytes, 0);
  });

  it('goes on after one free slot', () => {
    const sent = numbered(SLOTS + 3);
    const source = new ScriptedSource([concat(sent)]);
    const bench = new Bench(source);
    assert.equal(bench.monitored.pump().state, 'full');
    for (const state of ['full', 'full', 'full'] as const) {
      assert.equal(bench.take(1), 1);
      assert.deepEqual(bench.monitored.pump(), { records: 1, state });
    }
    bench.take();
    assert.deepEqual(bench.monitored.pump(), { records: 0, state: 'empty' });
    assertSame(bench.taken, sent);
  });
});

describe('Monitored: junk', () => {
  it('drops a record that was cut off, as soon as the pipe is empty behind it, and counts its bytes', () => {
    const [first, second] = numbered(2) as [Uint8Array, Uint8Array];
    for (const length of [1, 300, 595]) {
      const source = new ScriptedSource([concat([first, second.subarray(0, length)]), second]);
      const bench = new Bench(source);
      bench.drain(source);
      assertSame(bench.taken, [first, second]);
      assert.equal(bench.counters.values.junkBytes, length);
      assert.equal(bench.counters.values.resyncs, 0, 'there was nothing to search for');
    }
  });

  it('leaves no trace of it in the ring', () => {
    const source = new ScriptedSource([monitorRecord().subarray(0, 595)]);
    const bench = new Bench(source);
    const before = bench.ring.bytes.slice(0, 64 + 4);
    bench.drain(source);
    assert.deepEqual(bench.ring.bytes.slice(0, 64 + 4), before);
  });

  it('does not take a record for cut off while the rest of it is still in the pipe', () => {
    const sent = numbered(3);
    const source = new ScriptedSource([concat(sent)], [RECORD_BYTES - 1, 1]);
    const bench = new Bench(source);
    bench.drain(source);
    assertSame(bench.taken, sent);
    assert.equal(bench.counters.values.junkBytes, 0);
  });

  it('finds the records behind a few stray bytes', () => {
    const sent = numbered(3);
    for (const length of [1, 4, 10, 595, 596, 597, 4000, 70_000]) {
      const source = new ScriptedSource([concat([junk(length), ...sent])]);
      const bench = new Bench(source);
      bench.drain(source);
      assertSame(bench.taken, sent);
      assert.equal(bench.counters.values.junkBytes, length);
      assert.ok(bench.counters.values.resyncs > 0);
    }
  });

  it('finds them in a pipe that is as full as pipes get', () => {
    const sent = numbered(1700);
    const source = new ScriptedSource([concat([junk(10), ...sent])]);
    const bench = new Bench(source);
    bench.drain(source);
    assertSame(bench.taken, sent);
    assert.equal(bench.counters.values.junkBytes, 10);
  });

  it('finds them when the ring fills up meanwhile', () => {
    const sent = numbered(6000);
    const source = new ScriptedSource([concat([...sent.slice(0, 2500), junk(333), ...sent.slice(2500)])], [50_000]);
    const bench = new Bench(source);
    const outcomes = bench.drain(source, (pump) => (pump % 3) / 3);
    assert.ok(outcomes.some(({ state }) => state === 'full'));
    assertSame(bench.taken, sent);
    assert.equal(bench.counters.values.junkBytes, 333);
  });

  it('takes exactly the valid records, whatever junk is between their runs and however reads split it all', () => {
    // Runs of two and more, as decision 7 wants the next one valid too.
    fc.assert(
      fc.property(pieces(2), chunkSizes, fc.constantFrom(0x03, 0x80, 0xff), fc.nat(100), (all, chunks, byte, share) => {
        const source = new ScriptedSource(roundsOf(all, byte), chunks);
        const bench = new Bench(source);
        bench.drain(source, (pump) => ((share + pump * 31) % 101) / 100);
        assertSame(bench.taken, all.flatMap(recordsOf));
        const { junkBytes, recordsRead } = bench.counters.values;
        assert.equal(
          junkBytes,
          all.reduce((sum, { junk: bytes }) => sum + bytes, 0),
        );
        assert.equal(recordsRead, bench.taken.length);
      }),
      { numRuns: 150, seed: 91 },
    );
  });

  it('takes a single valid record between two stretches of junk too', () => {
    const sent = numbered(3);
    const stream = sent.flatMap((record, index) => [junk(700 + index), record]);
    const source = new ScriptedSource([concat(stream)]);
    const bench = new Bench(source);
    bench.drain(source);
    assertSame(bench.taken, sent);
    assert.equal(bench.counters.values.junkBytes, 700 + 701 + 702);
  });

  it('makes up no record out of the zeros of two others', () => {
    // A record that begins in the zero-filled end of one record's texts would have that one's state for a name.
    const sent = numbered(2);
    const source = new ScriptedSource([concat([junk(10), sent[0]!, junk(10), sent[1]!])]);
    const bench = new Bench(source);
    bench.drain(source);
    const known = new Set(names(sent));
    assert.deepEqual(
      names(bench.taken).filter((name) => !known.has(name)),
      [],
    );
  });
});

describe('Monitored: the end of intake', () => {
  it('reads what is in the pipe, says that it has stopped, and reads no more', () => {
    const source = new ScriptedSource([concat(numbered(100))], [5000]);
    const bench = new Bench(source);
    bench.monitored.receive({ type: 'stop-intake' });
    bench.drain(source);
    assert.equal(bench.taken.length, 100);
    assert.deepEqual(bench.main.take(), [{ type: 'intake-stopped' }]);
    source.write(monitorRecord());
    assert.deepEqual(bench.monitored.pump(), { records: 0, state: 'empty' });
    assert.equal(bench.ring.available, 0);
    assert.deepEqual(bench.main.take(), []);
  });

  it('says so once, however often it is told and asked', () => {
    const bench = new Bench(new ScriptedSource([]));
    bench.monitored.receive({ type: 'stop-intake' });
    bench.monitored.receive({ type: 'stop-intake' });
    bench.monitored.pump();
    bench.monitored.receive({ type: 'stop-intake' });
    bench.monitored.pump();
    assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
  });

  it('does not say so before what is in the pipe has found room in the ring', () => {
    const sent = numbered(SLOTS + 500);
    const source = new ScriptedSource([concat(sent)], [100_000]);
    const bench = new Bench(source);
    let outcome = bench.monitored.pump();
    while (outcome.state === 'more') outcome = bench.monitored.pump();
    assert.equal(outcome.state, 'full');
    bench.monitored.receive({ type: 'stop-intake' });
    assert.equal(bench.monitored.pump().state, 'full');
    assert.deepEqual(bench.main.messages, []);
    bench.drain(source, () => 0.1);
    assertSame(bench.taken, sent);
    assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
  });

  it('is not held by a sender that goes on: it reads at most a pipe full', () => {
    for (const most of [Infinity, 65_536, RECORD_BYTES]) {
      const bench = new Bench(endless(monitorRecord(), most));
      bench.monitored.receive({ type: 'stop-intake' });
      for (let pump = 0; pump < 5000 && bench.main.messages.length === 0; pump += 1) {
        bench.monitored.pump();
        bench.take();
      }
      assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
      assert.ok(bench.taken.length <= PIPE_RECORDS, `${bench.taken.length} records in reads of ${most}`);
    }
  });

  for (const leavesRest of [false, true]) {
    it(`ends behind a whole record, though it was told in the middle of one (${leavesRest ? 'at once' : 'a pipe full'})`, () => {
      const sender = endless(monitorRecord(), 100);
      let bytes = 0;
      const bench = new Bench({
        isDrained: false,
        read(target) {
          const read = sender.read(target);
          bytes += read;
          return read;
        },
      });
      bench.monitored.pump();
      const before = bytes;
      assert.notEqual(before % RECORD_BYTES, 0);
      bench.monitored.receive({ type: 'stop-intake', leavesRest });
      for (let pump = 0; pump < 5000 && bench.main.messages.length === 0; pump += 1) {
        bench.monitored.pump();
        bench.take();
      }
      assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
      assert.equal(bytes % RECORD_BYTES, 0);
      assert.equal(bench.taken.length, bytes / RECORD_BYTES);
      assert.equal(bytes - before < RECORD_BYTES, leavesRest);
    });
  }

  it('is not held by a sender that goes on with junk', () => {
    const bench = new Bench(endless(junk(1000), 65_536));
    bench.monitored.receive({ type: 'stop-intake' });
    for (let pump = 0; pump < 50 && bench.main.messages.length === 0; pump += 1) bench.monitored.pump();
    assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
  });

  it('has handed on every valid record that it has read', () => {
    // Junk first, so that what follows is set aside and taken out of there.
    const sent = numbered(1000);
    const source = new ScriptedSource([concat([...sent.slice(0, 2), junk(100), ...sent.slice(2)])], [30_000]);
    const bench = new Bench(source);
    bench.monitored.receive({ type: 'stop-intake' });
    bench.drain(source);
    assertSame(bench.taken, sent);
    assert.deepEqual(bench.main.messages, [{ type: 'intake-stopped' }]);
  });

  it('hands over what a thread before it had read and not handed over, once', () => {
    for (const records of [0, 1, 7, 2_000]) {
      const bench = new Bench({ read: () => 0, isDrained: true });
      const sent = numbered(records);
      bench.ring.bytes.set(Buffer.concat(sent), bench.ring.writeOffset);
      for (let life = 0; life < 2; life += 1) {
        const { ring, collector, main } = bench;
        void new Monitored({
          source: { read: () => 0, isDrained: true },
          ring,
          collector,
          main,
          counters: bench.counters.writer,
        });
      }
      bench.take();
      assert.deepEqual(bench.taken, sent);
    }
  });

  it('takes no beginning of a record for one, nor junk, when it goes on for a thread that died', () => {
    const bench = new Bench({ read: () => 0, isDrained: true });
    const sent = numbered(5);
    // Whole slots, and behind them 300 bytes of a record.
    const found = Buffer.concat([
      ...sent.slice(0, 3),
      junk(100),
      ...sent.slice(3),
      junk(RECORD_BYTES - 100),
      junk(300, 0),
    ]);
    bench.ring.bytes.set(found, bench.ring.writeOffset);
    const { ring, collector, main, counters } = bench;
    const source = { read: () => 0, isDrained: true };
    const next = new Monitored({ source, ring, collector, main, counters: counters.writer });
    while (next.pump().state !== 'empty');
    bench.take();
    assert.deepEqual(bench.taken, sent);
    for (let slot = 0; slot < 8; slot += 1) assert.equal(ring.abandoned, 0);
  });
});
