import type { Encoder } from '../codec/encoder.ts';
import { compareTime } from '../event/time.ts';
import type { Run } from '../history/segment.ts';
import type { LaneFormat } from '../messages/control.ts';
import type { Counters } from '../messages/counters.ts';
import type { Client } from './client.ts';
import type { Allocate } from './lane.ts';

/** Encoded bytes of one read. */
const PAGE_BYTES = 64 * 1024;

export interface PageRead {
  readonly bytes: Uint8Array;
  readonly events: number;
  readonly nextSeq: number;
  /** The next event is later than the client's `until`: nothing follows for it. */
  readonly reachedUntil: boolean;
  /** What is left of the run. */
  readonly rest: Run | undefined;
}

export interface PageReaderEnv {
  readonly counters: Counters;
  readonly makeEncoder: (format: LaneFormat) => Encoder;
  readonly allocate: (format: LaneFormat) => Allocate;
}

/**
 * Reads the log for one client: the same encoders as the lanes, but for its own position, `since` and `until`. Each read
 * copies what it encoded, because a client that has to wait keeps its bytes for as long as its socket likes.
 */
export class PageReader {
  readonly #env: PageReaderEnv;
  readonly #encoders = new Map<LaneFormat, Encoder>();
  #scratch: Uint8Array = new Uint8Array(2 * PAGE_BYTES);

  constructor(env: PageReaderEnv) {
    this.#env = env;
  }

  /** Reads from the client's position to the end of the run, to `lastSeq`, or until a page is full. */
  read(client: Client, run: Run, lastSeq: number): PageRead {
    const { format } = client.subscription;
    const encoder = this.#encoder(format);
    const { view } = run.segment;
    const { until } = client;
    let seq = client.nextSeq;
    let events = 0;
    let used = 0;
    let reachedUntil = false;
    let at = offsetOf(run, seq);
    for (; at < run.to && seq <= lastSeq && used < PAGE_BYTES; seq += 1) {
      view.at = at;
      const recordBytes = view.byteLength;
      const time = { sec: view.timeSec, nanos: view.timeNanos };
      if (until && compareTime(time, until) > 0) {
        reachedUntil = true;
        break;
      }
      if (client.since && compareTime(time, client.since) >= 0) client.since = undefined;
      if (!client.since && client.matcher.matches(view)) {
        this.#reserve(used, encoder.maxBytes(recordBytes));
        view.at = at;
        const end = encoder.encode(view, this.#scratch, used);
        if (end !== used) events += 1;
        used = end;
      }
      at += recordBytes;
    }
    if (events > 0) this.#env.counters.add('eventsEncoded', events);
    const rest = at < run.to ? { ...run, from: at, firstSeq: seq } : undefined;
    return { bytes: this.#copy(format, used), events, nextSeq: seq, reachedUntil, rest };
  }

  #copy(format: LaneFormat, used: number): Uint8Array {
    if (used === 0) return this.#scratch.subarray(0, 0);
    const bytes = this.#env.allocate(format)(used);
    bytes.set(this.#scratch.subarray(0, used));
    return bytes;
  }

  #reserve(used: number, need: number): void {
    if (used + need <= this.#scratch.length) return;
    const larger = new Uint8Array(used + need);
    larger.set(this.#scratch.subarray(0, used));
    this.#scratch = larger;
  }

  #encoder(format: LaneFormat): Encoder {
    let encoder = this.#encoders.get(format);
    if (!encoder) {
      encoder = this.#env.makeEncoder(format);
      this.#encoders.set(format, encoder);
    }
    return encoder;
  }
}

function offsetOf(run: Run, seq: number): number {
  let at = run.from;
  for (let skip = seq - run.firstSeq; skip > 0; skip -= 1) at += run.segment.recordBytes(at);
  return at;
}
