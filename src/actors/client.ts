import type { TocsinError } from '../event/errors.ts';
import type { Lagged, Timestamp } from '../event/event.ts';
import type { Run } from '../history/segment.ts';
import type { Subscription } from '../messages/control.ts';
import type { Lane, Matcher } from './lane.ts';

/** Where a client's bytes go: a socket, an HTTP/2 stream, the port of an embedding program. */
export interface Sink {
  /**
   * Hands over encoded events. The bytes are shared and never change.
   * @returns false when nothing more may be written until `ClientHandle.drained()`
   */
  write(bytes: Uint8Array, events: number): boolean;
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

/**
 * One subscribed client: a cursor on the log. It either stands on a mark of its lane and shares the lane's bytes, or it reads
 * the log by itself (`lane` undefined) until it has come up to the head.
 */
export class Client {
  readonly row: number;
  readonly generation: number;
  readonly subscription: Subscription;
  readonly matcher: Matcher;
  readonly laneKey: string;
  sink: Sink | undefined;
  /** Next event of the log that the client has neither got nor been spared by its filter. */
  nextSeq: number;
  /** Last event it is to get. */
  endSeq: number;
  /** Set while events before this time are to be skipped. */
  since: Timestamp | undefined;
  readonly until: Timestamp | undefined;
  /** Whether older events than the first retained one count as missed: not before its first event. */
  expectsAll: boolean;
  lane: Lane | undefined;
  /** Mark of the lane that it stands on. */
  mark = 0;
  blocked = false;
  ended = false;
  /** A page that it is reading; let go whenever it has to wait, so that a slow client holds no history. */
  page: Run | undefined;
  awaitsPage = false;
  delivered = 0;
  missed = 0;
  /** When something was last written, in seconds, for heartbeats. */
  lastWriteSec: number;

  constructor(init: {
    readonly row: number;
    readonly generation: number;
    readonly subscription: Subscription;
    readonly matcher: Matcher;
    readonly nextSeq: number;
    readonly endSeq: number;
    readonly expectsAll: boolean;
    readonly nowSec: number;
  }) {
    const { subscription } = init;
    this.row = init.row;
    this.generation = init.generation;
    this.subscription = subscription;
    this.matcher = init.matcher;
    this.laneKey = `${subscription.format} ${init.matcher.key}`;
    this.nextSeq = init.nextSeq;
    this.endSeq = init.endSeq;
    this.since = subscription.start.from === 'time' ? subscription.start.time : undefined;
    this.until = subscription.until;
    this.expectsAll = init.expectsAll;
    this.lastWriteSec = init.nowSec;
  }
}
