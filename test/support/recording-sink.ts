import assert from 'node:assert/strict';
import type { ClientHandle, Sink } from '../../src/actors/client.ts';
import type { Slab } from '../../src/actors/lane-memory.ts';
import { EventView } from '../../src/codec/event-record.ts';
import type { TocsinError } from '../../src/event/errors.ts';
import type { Lagged } from '../../src/event/event.ts';
import { isDockerFormat } from '../../src/codec/formats.ts';
import type { LaneFormat } from '../../src/messages/control.ts';
import { EventSourceParser } from './event-source.ts';
import { decodeEvent, unframed } from './isulad-proto.ts';

/** What a client was told, in order: sequence numbers of events (ids where the format has no numbers), and gaps. */
type Told = number | string | Lagged;

/**
 * A client that writes down what it gets, and checks what every sink may count on: whole events, as many as are announced,
 * nothing while it is full, nothing behind its end.
 */
export class RecordingSink implements Sink {
  readonly told: Told[] = [];
  readonly heartbeats: string[] = [];
  /** Looks at events before they are written down, as `onGap` and `onEnd` do. What they throw is a violation. */
  onEvents: ((seqs: readonly (number | string)[]) => void) | undefined;
  /** The same, for whoever wants to see the bytes, which may change behind it. */
  onBytes: ((bytes: Uint8Array) => void) | undefined;
  onGap: ((gap: Lagged) => void) | undefined;
  onHeartbeat: ((cursor: string) => void) | undefined;
  onEnd: ((error: TocsinError | undefined) => void) | undefined;
  /** May throw, as a broken sink does. */
  onWrite: (() => void) | undefined;
  /** Takes nothing more: each write is answered with false until `resume`. */
  isFull = false;
  /** So many writes stay where they are while it takes more, as in a stream. */
  heldWrites = 0;
  /** Its format has words for gaps. */
  tellsGaps = true;
  writes = 0;
  ending: { readonly code: string | undefined } | undefined;
  handle: ClientHandle | undefined;
  /** Absent for formats whose sinks keep bytes as they are, as long as they like. */
  readonly isClear?: () => boolean;
  readonly #format: LaneFormat;
  readonly #violations: unknown[];
  #owesDrained = false;
  /** What it has not sent yet, as a full socket has not: where it lies, and what it was. */
  readonly #kept: { readonly bytes: Uint8Array; readonly copy: Uint8Array }[] = [];
  #hasLeft = false;

  /** @param violations where broken promises go: a shard contains what a sink throws, so throwing would not be enough */
  constructor(format: LaneFormat, violations: unknown[]) {
    this.#format = format;
    this.#violations = violations;
    const keepsAll = format === 'packed' || format === 'isulad-grpc' || format === 'event-log';
    if (!keepsAll) this.isClear = () => this.#kept.length === 0;
  }

  /** The events alone. */
  get events(): (number | string)[] {
    return this.told.filter((told): told is number | string => typeof told !== 'object');
  }

  get gaps(): Lagged[] {
    return this.told.filter((told): told is Lagged => typeof told === 'object');
  }

  /** `open`, `ended` without an error, or the error's code. */
  get state(): string {
    return this.ending ? (this.ending.code ?? 'ended') : 'open';
  }

  get isBlocked(): boolean {
    return this.#owesDrained;
  }

  start(handle: ClientHandle): void {
    this.handle = handle;
    handle.start(this);
  }

  /** Takes what comes from now on, and says so if it had to refuse something. */
  resume(): void {
    this.isFull = false;
    this.takeOne();
  }

  /** Takes one more write, and is full again if it was. */
  takeOne(): void {
    if (this.isClear) this.send();
    if (!this.#owesDrained) return;
    this.#owesDrained = false;
    this.handle?.drained();
  }

  /** Sends what it holds, which is still what it was given: also behind its end. */
  send(held = 0): void {
    while (this.#kept.length > held) {
      const { bytes, copy } = this.#kept.shift()!;
      this.#checked(() => assert.ok(Buffer.compare(bytes, copy) === 0, 'bytes changed before they were sent'));
    }
  }

  leave(): void {
    this.#hasLeft = true;
    this.handle?.left();
    this.#kept.length = 0;
  }

  write(bytes: Uint8Array, events: number, slab?: Slab): boolean {
    this.#checked(() => {
      this.#mayBeTold('a write');
      if (slab) checkGrowth(slab, bytes);
      assert.equal(this.#owesDrained, false, 'a write to a sink that is full');
      const seqs = decode(this.#format, bytes);
      assert.equal(seqs.length, events, 'events announced and written');
      assert.ok(events > 0, 'a write without events');
      this.onEvents?.(seqs);
      this.onBytes?.(bytes);
      this.told.push(...seqs);
    });
    this.writes += 1;
    this.onWrite?.();
    this.#owesDrained = this.isFull;
    if (this.isFull || this.heldWrites > 0 || !this.isClear) this.#kept.push({ bytes, copy: bytes.slice() });
    if (!this.isFull && this.isClear) this.send(this.heldWrites);
    return !this.isFull;
  }

  gap(gap: Lagged): boolean {
    this.#checked(() => {
      this.#mayBeTold('a gap');
      this.onGap?.(gap);
      this.told.push(gap);
    });
    return this.tellsGaps;
  }

  heartbeat(cursor: string): void {
    this.#checked(() => {
      this.#mayBeTold('a heartbeat');
      this.onHeartbeat?.(cursor);
    });
    this.heartbeats.push(cursor);
  }

  end(error?: TocsinError): void {
    this.#checked(() => {
      assert.equal(this.#hasLeft, false, 'an end after the client left');
      assert.equal(this.ending, undefined, 'a second end');
      this.onEnd?.(error);
    });
    this.ending = { code: error?.code };
  }

  #mayBeTold(what: string): void {
    assert.equal(this.#hasLeft, false, `${what} after the client left`);
    assert.equal(this.ending, undefined, `${what} behind the end`);
  }

  #checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#violations.push(error);
    }
  }
}

/** What stood where in memory that several clients were given: pages of it may still be on their way. */
const grown = new WeakMap<Slab, Uint8Array>();

/** A slab only grows: what any client was given of it is what all others are given there. */
function checkGrowth(slab: Slab, bytes: Uint8Array): void {
  const known = grown.get(slab) ?? new Uint8Array(slab.bytes.length);
  grown.set(slab, known);
  for (const [index, byte] of bytes.entries()) {
    const at = bytes.byteOffset + index;
    assert.ok(known[at] === 0 || known[at] === byte, 'memory changed that others were given');
    known[at] = byte;
  }
}

function decode(format: LaneFormat, bytes: Uint8Array): (number | string)[] {
  if (isDockerFormat(format)) {
    const isChunked = format.endsWith('-chunked');
    const lines = isChunked ? decodeChunks(Buffer.from(bytes)) : Buffer.from(bytes).toString().trimEnd().split('\n');
    return lines.map(idOfDockerLine);
  }
  switch (format) {
    case 'packed':
      return decodePacked(bytes);
    case 'json-plain':
      return Buffer.from(bytes).toString().trimEnd().split('\n').map(seqOfLine);
    case 'json-chunked':
      return decodeChunks(Buffer.from(bytes)).map(seqOfLine);
    case 'sse-plain':
      return seqsOfSse(Buffer.from(bytes));
    case 'sse-chunked':
      return decodeChunks(Buffer.from(bytes)).flatMap((frame) => seqsOfSse(Buffer.from(frame)));
    case 'event-log':
      return Buffer.from(bytes)
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => /\{Object: ([^,]*),/.exec(line)?.[1] ?? '');
    case 'isulad-grpc':
      return decodeMessages(bytes);
  }
}

function decodePacked(bytes: Uint8Array): number[] {
  // The lane's memory begins anywhere; a view wants records on eight-byte boundaries.
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  const view = new EventView(copy.buffer);
  const seqs: number[] = [];
  for (; view.at < bytes.length; view.at += view.byteLength) seqs.push(view.seq);
  assert.equal(view.at, bytes.length, 'a record that was cut off');
  return seqs;
}

function decodeChunks(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, head), 16);
    lines.push(bytes.toString('utf8', head + 2, head + 2 + size));
    at = head + 2 + size + 2;
    assert.equal(bytes.toString('latin1', at - 2, at), '\r\n', 'a chunk that was cut off');
  }
  return lines;
}

function idOfDockerLine(line: string): string {
  return (JSON.parse(line.slice(line.indexOf('{'))) as { readonly Actor: { readonly ID: string } }).Actor.ID;
}

function seqsOfSse(bytes: Buffer): number[] {
  return new EventSourceParser().push(bytes).map(({ data }) => seqOfLine(data));
}

/** The stock format has no sequence numbers: ids stand for events. */
function decodeMessages(bytes: Uint8Array): string[] {
  const ids: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(1);
    ids.push(decodeEvent(unframed(bytes.subarray(at, at + 5 + size))).id);
    at += 5 + size;
  }
  return ids;
}

/** The whole line is JSON, as codec tests show; here its beginning is enough, and much faster. */
function seqOfLine(line: string): number {
  const [, seq] = /^\{"seq":(\d+),"cursor":".*\}\n?$/.exec(line) ?? [];
  assert.ok(seq, 'a line that was cut off');
  return Number(seq);
}
