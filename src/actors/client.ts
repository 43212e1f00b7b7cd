import type { TocsinError } from '../event/errors.ts';
import type { Lagged, Timestamp } from '../event/event.ts';
import type { Subscription } from '../messages/control.ts';
import type { Lane, Matcher } from './lane.ts';
import type { Slab } from './lane-memory.ts';

/** Where a client's bytes go: a socket, an HTTP/2 stream, the port of an embedding program. */
export interface Sink {
  /**
   * Hands over encoded events. The bytes are shared, and do not change before `isClear`.
   * @param slab the memory that they are part of, which only grows, where other clients are given it as well
   * @returns false when nothing more may be written until `ClientHandle.drained()`
   */
  write(bytes: Uint8Array, events: number, slab: Slab | undefined): boolean;
  /** Whether it has copied all that was written, so that the memory may be used again. Absent: it keeps bytes as they are. */
  isClear?(): boolean;
  /** Tells the client what it missed. @returns false when its format has no words for that: the client is then cut */
  gap(gap: Lagged): boolean;
  /** Tells the client that it is connected and where it is. */
  heartbeat(cursor: string): void;
  /** Ends the stream after what was written; abnormally when there is an error, so that the client notices. */
  end(error?: TocsinError): void;
}

/** The door's side of a client. */
export interface ClientHandle {
  readonly row: number;
  readonly generation: number;
  /** Begins to deliver. To be called once, after the door has sent its head. */
  start(sink: Sink): void;
  /** The sink takes more. */
  drained(): void;
  /** The client went away: forget it, write nothing more. */
  left(): void;
}

/** One subscribed client: a position on a lane. */
export class Client {
  readonly row: number;
  readonly generation: number;
  readonly subscription: Subscription;
  readonly matcher: Matcher;
  readonly laneKey: string;
  sink: Sink | undefined;
  lane: Lane | undefined;
  /** Mark of the lane that it stands on. */
  mark = 0;
  /** What it has been given up to this mark, it has copied. */
  heldFrom = 0;
  /** Next event of the log that the client has neither got nor been spared by its filter. */
  nextSeq: number;
  /** Events before this time are not for it; gone once its lane has come that far. */
  since: Timestamp | undefined;
  /** Where it ends: the head that it found when it does not follow, or a number that every event behind its `until` exceeds. */
  endSeq = Number.MAX_SAFE_INTEGER;
  /** Whether events that are gone count as missed: not for a start position that history no longer reaches. */
  expectsAll: boolean;
  /** The newest event when it came. Up to there it reads history; only behind it can it fall behind. */
  readonly headAtStart: number;
  /** It holds one of the places of those that read history. */
  isReplaying: boolean;
  /** What it has to be told before anything else. */
  lost: Lagged | undefined;
  blocked = false;
  ended = false;
  delivered = 0;
  missed = 0;
  /** When something was last written, in seconds; kept for clients with heartbeats. */
  lastWriteSec: number;

  constructor(init: {
    readonly row: number;
    readonly generation: number;
    readonly subscription: Subscription;
    readonly matcher: Matcher;
    readonly nextSeq: number;
    readonly headSeq: number;
    readonly nowSec: number;
  }) {
    const { subscription } = init;
    this.row = init.row;
    this.generation = init.generation;
    this.subscription = subscription;
    this.matcher = init.matcher;
    // Lanes with one key show the same bytes.
    this.laneKey = `${subscription.format} ${subscription.redact ? 'redacted ' : ''}${init.matcher.key}`;
    this.nextSeq = init.nextSeq;
    this.headAtStart = init.headSeq;
    this.isReplaying = init.nextSeq <= init.headSeq;
    this.since = subscription.start.from === 'time' ? subscription.start.time : undefined;
    this.expectsAll = subscription.start.from === 'cursor' || subscription.start.from === 'live';
    this.lastWriteSec = init.nowSec;
  }

  /** It has been given everything that it asked for. */
  get isServed(): boolean {
    return this.nextSeq > this.endSeq;
  }
}
