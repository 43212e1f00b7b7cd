import { isMonitorRecord, readInt32 } from '../codec/monitor-record.ts';
import { assertNever } from '../event/errors.ts';
import type { CollectorCommand } from '../messages/collector.ts';
import type { Counters } from '../messages/counters.ts';
import type { IntakeRing } from '../messages/intake-ring.ts';
import { MONITOR, MONITOR_EVENT_IMAGE } from '../messages/layout.ts';
import type { MonitoredCommand, MonitoredNotice } from '../messages/monitored.ts';
import type { Outbox } from './actor.ts';

/** The FIFO, as the actor sees it. */
export interface RecordSource {
  /** Reads at most `target.length` bytes without waiting. @returns 0 when there is nothing to read */
  read(target: Uint8Array): number;
  /** The last read left nothing behind, so that another one would find nothing. */
  readonly isDrained: boolean;
}

/** How a pump ended: nothing left to read, no free slot, or its budget used up. */
export type PumpOutcome = { readonly records: number; readonly state: 'empty' | 'full' | 'more' };

interface ReadStep {
  readonly records: number;
  /** The source has nothing more now. */
  readonly isEmpty: boolean;
}

/** One pump reads at most this many times, so that commands get their turn. */
const READS_PER_PUMP = 16;
/** What may be in the pipe when intake stops, in whole records: 1 MiB is the largest that Linux gives an ordinary process. */
const PIPE_BYTES = Math.floor((1 << 20) / MONITOR.BYTES) * MONITOR.BYTES;
/** Bytes looked through at once after junk: any record and the next one fit many times. */
const RESYNC_BYTES = 64 * 1024;

/**
 * `monitored`: reads monitor records straight into the intake ring, checks their framing, and finds the next record after
 * junk. It stops reading when the ring is full: then the pipe fills, and the sender waits.
 */
export class Monitored {
  readonly #source: RecordSource;
  readonly #ring: IntakeRing;
  readonly #collector: Outbox<CollectorCommand>;
  readonly #main: Outbox<MonitoredNotice>;
  readonly #counters: Counters;
  /** Bytes of an incomplete record at the start of the next free slot. */
  #partial = 0;
  /** Bytes set aside while the next valid record is searched; empty in normal operation. */
  #resync: Uint8Array = new Uint8Array(0);
  /** Bytes still to be read before intake ends; finite once it was told to stop. */
  #stopBudget = Infinity;
  #stopped = false;
  /** Reading has stopped for want of a free slot. */
  #isFull = false;

  constructor(env: {
    readonly source: RecordSource;
    readonly ring: IntakeRing;
    readonly collector: Outbox<CollectorCommand>;
    readonly main: Outbox<MonitoredNotice>;
    readonly counters: Counters;
  }) {
    this.#source = env.source;
    this.#ring = env.ring;
    this.#collector = env.collector;
    this.#main = env.main;
    this.#counters = env.counters;
    this.#adopt();
  }

  receive(command: MonitoredCommand): void {
    switch (command.type) {
      case 'slots-freed':
        return;
      case 'stop-intake':
        return this.#stopIntake(command.leavesRest ?? false);
      default:
        return assertNever(command);
    }
  }

  /**
   * What senders have written successfully is still read, at most one pipe full: one that goes on cannot hold us. In any case whole
   * records: another process may read what comes behind them.
   */
  #stopIntake(leavesRest: boolean): void {
    const most = leavesRest ? Math.ceil(this.#partial / MONITOR.BYTES) * MONITOR.BYTES : PIPE_BYTES;
    this.#stopBudget = Math.min(this.#stopBudget, most - this.#partial);
  }

  /** Reads what is there. The driver calls it when the FIFO may have data or slots were freed, and while it says `more`. */
  pump(): PumpOutcome {
    if (this.#stopped) return { records: 0, state: 'empty' };
    const outcome = this.#read();
    if (this.#stopBudget < Infinity && outcome.state === 'empty') {
      this.#stopped = true;
      this.#main.post({ type: 'intake-stopped' });
    }
    return outcome;
  }

  #read(): PumpOutcome {
    let records = 0;
    for (let reads = 0; reads < READS_PER_PUMP; reads += 1) {
      if (this.#ring.contiguousFree === 0) {
        if (this.#ring.sleepUntilFree()) {
          if (!this.#isFull) this.#counters.add('intakeWaits');
          this.#isFull = true;
          return { records, state: 'full' };
        }
        continue;
      }
      this.#isFull = false;
      const step = this.#resync.length > 0 ? this.#readResync() : this.#readRing();
      records += step.records;
      if (step.isEmpty) return { records, state: 'empty' };
    }
    return { records, state: 'more' };
  }

  /** What one before this had read and not handed over. */
  #adopt(): void {
    const { bytes, writeOffset, contiguousFree, abandoned } = this.#ring;
    let records = 0;
    while (records < abandoned && isMonitorRecord(bytes, writeOffset + records * MONITOR.BYTES)) records += 1;
    const end = writeOffset + abandoned * MONITOR.BYTES;
    this.#resync = bytes.slice(writeOffset + records * MONITOR.BYTES, end);
    // The beginning of a record may stand behind it; it is not known how much of one.
    const left = Math.min(abandoned + 1, contiguousFree) - records;
    this.#commit(records);
    this.#ring.resetFree(left * MONITOR.BYTES);
  }

  /** @returns 0 also when intake was told to stop and has read what the pipe may have held then */
  #readSource(target: Uint8Array): number {
    const room = Math.min(target.length, this.#stopBudget);
    if (room === 0) return 0;
    const read = this.#source.read(target.subarray(0, room));
    this.#stopBudget -= read;
    return read;
  }

  /** The normal case: whole valid records, read into the ring where they stay. */
  #readRing(): ReadStep {
    const { bytes: ring, writeOffset, contiguousFree } = this.#ring;
    const read = this.#readSource(
      ring.subarray(writeOffset + this.#partial, writeOffset + contiguousFree * MONITOR.BYTES),
    );
    if (read === 0) {
      // Records arrive whole: what is still incomplete in an empty pipe never will be one.
      this.#discard(this.#partial);
      if (this.#partial > 0) this.#ring.resetFree(this.#partial);
      this.#partial = 0;
      return { records: 0, isEmpty: true };
    }
    const end = this.#partial + read;
    let records = 0;
    while ((records + 1) * MONITOR.BYTES <= end && isMonitorRecord(ring, writeOffset + records * MONITOR.BYTES))
      records += 1;
    const good = records * MONITOR.BYTES;
    if (end - good >= MONITOR.BYTES) {
      this.#resync = ring.slice(writeOffset + good, writeOffset + end);
      this.#counters.add('resyncs');
      this.#partial = 0;
    } else {
      this.#partial = end - good;
    }
    this.#commit(records);
    if (this.#resync.length > 0) this.#ring.resetFree(end - good);
    return { records, isEmpty: this.#source.isDrained && this.#partial === 0 && this.#resync.length === 0 };
  }

  /** After junk: gathers what the pipe holds, takes the valid records out of it and drops the bytes between them. */
  #readResync(): ReadStep {
    let length = this.#resync.length;
    const room = new Uint8Array(Math.max(RESYNC_BYTES, length));
    room.set(this.#resync);
    let isEmpty = false;
    while (!isEmpty && length < room.length) {
      const read = this.#readSource(room.subarray(length));
      isEmpty = read === 0;
      length += read;
    }
    const data = room.subarray(0, length);
    const start = findRecord(data);
    let at = start;
    let records = 0;
    this.#discard(start);
    const { contiguousFree } = this.#ring;
    while (records < contiguousFree && at + MONITOR.BYTES <= length && isMonitorRecord(data, at)) {
      this.#ring.bytes.set(data.subarray(at, at + MONITOR.BYTES), this.#ring.writeOffset + records * MONITOR.BYTES);
      records += 1;
      at += MONITOR.BYTES;
    }
    this.#commit(records);
    let rest = data.slice(at);
    if (isEmpty && rest.length < MONITOR.BYTES) {
      this.#discard(rest.length);
      rest = new Uint8Array(0);
    }
    if (rest.length > 0 && rest.length < MONITOR.BYTES && this.#ring.contiguousFree > 0) {
      // Aligned again: the beginning of the next record goes where the normal case expects it.
      this.#ring.bytes.set(rest, this.#ring.writeOffset);
      this.#partial = rest.length;
      rest = new Uint8Array(0);
    }
    this.#resync = rest;
    return { records, isEmpty: isEmpty && rest.length === 0 };
  }

  #commit(records: number): void {
    if (records === 0) return;
    this.#counters.add('recordsRead', records);
    if (this.#ring.commit(records)) this.#collector.post({ type: 'records-available' });
  }

  #discard(bytes: number): void {
    if (bytes > 0) this.#counters.add('junkBytes', bytes);
  }
}

/**
 * Where reading goes on after junk: the first record that looks like what senders write; failing that, the first valid one
 * with another one, or exactly the end of the data, behind it. (Bytes of one record and the next, taken together, can pass for
 * a valid record: they are zeros for the greater part.) Without either, the offset from which on a record would be incomplete.
 */
function findRecord(data: Uint8Array): number {
  const last = data.length - MONITOR.BYTES;
  for (let at = 0; at <= last; at += 1) if (isMonitorRecord(data, at) && isPlausible(data, at)) return at;
  for (let at = 0; at <= last; at += 1) if (isMonitorRecord(data, at) && isFollowed(data, at)) return at;
  return Math.max(0, last + 1);
}

/** iSulad's senders give a container's pid as -1 or a positive number, never 0, and no name begins with a control character. */
function isPlausible(data: Uint8Array, at: number): boolean {
  const first = data[at + MONITOR.NAME]!;
  const isImage = readInt32(data, at + MONITOR.EVENT_TYPE) === MONITOR_EVENT_IMAGE;
  return first >= 0x20 && first < 0xf5 && (isImage || readInt32(data, at + MONITOR.PID) !== 0);
}

function isFollowed(data: Uint8Array, at: number): boolean {
  const next = at + MONITOR.BYTES;
  return next === data.length || (next + MONITOR.BYTES <= data.length && isMonitorRecord(data, next));
}
