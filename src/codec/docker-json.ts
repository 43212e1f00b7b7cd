import type { Epoch } from '../event/cursor.ts';
import type { Epochs } from '../event/epochs.ts';
import type { Heartbeat, Lagged } from '../event/event.ts';
import { dockerAction } from '../event/operators.ts';
import type { DockerDialect, Framing } from '../messages/control.ts';
import { EVENT, FLAG_PLAIN } from '../messages/layout.ts';
import { copyAscii, copyPlain, literal, textOf, utf8, writeBytes, writeLiteral } from './bytes.ts';
import { writeNanos, writeUint } from './numbers.ts';
import {
  DOCKER_SCOPE,
  dockerExitCodeOf,
  isBareImageEvent,
  isImageCreation,
  TYPE_CONTAINER,
  TYPE_IMAGE,
} from './docker-event.ts';
import type { Encoder } from './encoder.ts';
import { type EventView, readUint16 } from './event-record.ts';
import { CHUNK_HEAD_BYTES, frameChunk, frameText } from './http-chunk.ts';

const HEX = utf8('0123456789abcdef');
const STATUS = literal('"status":"');
const LEGACY_ID = literal('","id":"');
const FROM = literal('","from":"');
const TYPE = literal('"Type":"');
const ACTION = literal('","Action":"');
const ID = literal('","Actor":{"ID":"');
const ATTRIBUTES = literal('","Attributes":{');
const SCOPE = literal('}},"scope":"');
const SYNTHETIC = literal(',"synthetic":true');
const LOCAL = literal(DOCKER_SCOPE);
const KEY_EXIT_CODE = utf8('exitCode');
const KEY_IMAGE = utf8('image');
const KEY_NAME = utf8('name');
/** Keys, punctuation, numbers, exit code, framing. */
const OVERHEAD_BYTES = 400;
/** `\u003c`: the longest escape of one byte. */
const MAX_ESCAPE = 6;
/** Before each text of a JSON text sequence. */
const RECORD_SEPARATOR = 0x1e;
/** Entries of the attribute index: where key and value begin and end. */
const ENTRY_WORDS = 4;

/**
 * How Go's encoding/json writes a byte of a text: 0 = as it is, 1 = \u00XX, otherwise a backslash and this letter. It escapes
 * `<`, `>` and `&` as well, so that JSON can stand in a web page.
 */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 0x20);
for (const letter of '<>&') ESCAPES[letter.charCodeAt(0)] = 1;
for (const [byte, letter] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
] as const)
  ESCAPES[byte] = letter.charCodeAt(0);
/** First byte of U+2028 and U+2029, which Go escapes too. */
const SEPARATOR_LEAD = 0xe2;
ESCAPES[SEPARATOR_LEAD] = 2;

/** How a client wants its lines. */
export interface DockerStyle {
  readonly dialect: DockerDialect;
  readonly framing: Framing;
  readonly isSequence: boolean;
  /** Knows the cursors, if the lines are to have them. */
  readonly cursors: Epochs | undefined;
}

/**
 * An event line of Docker's `GET /events`: JSON with the keys in Docker's order, attributes sorted, and LF. The dialects of API
 * versions below 1.52 have `status`, `id` and `from` of container and image events before them; the old one, below 1.46, has no
 * word for the creation of an image. `synthetic` and `cursor` are ours; they stand last, where no client of Docker's looks.
 */
export class DockerJsonEncoder implements Encoder {
  readonly #isLegacy: boolean;
  readonly #isOld: boolean;
  readonly #isSequence: boolean;
  readonly #framed: boolean;
  readonly #cursors: Epochs | undefined;
  /** Of the events of one epoch, which nearly all are. */
  #epoch: Epoch = '';
  #cursorPrefix = literal('');
  /** Both times, up to the nanoseconds: the same for all events of a second. */
  #second = -1;
  #beforeNanos = literal('');
  /** keyFrom, keyTo, valueFrom, valueTo per attribute; grows with the largest event. */
  #entries = new Int32Array(32 * ENTRY_WORDS);
  #count = 0;

  constructor({ dialect, framing, isSequence, cursors }: DockerStyle) {
    this.#isLegacy = dialect !== 'modern';
    this.#isOld = dialect === 'old';
    this.#isSequence = isSequence;
    this.#cursors = cursors;
    this.#framed = framing === 'chunked';
  }

  maxBytes(recordBytes: number): number {
    // The id of a bare image event is its name too, and in the legacy dialect a text may stand once more.
    return OVERHEAD_BYTES + recordBytes * MAX_ESCAPE * (this.#isLegacy ? 3 : 2);
  }

  encode(event: EventView, out: Uint8Array, pos: number): number {
    if (this.#isOld && isImageCreation(event)) return pos;
    if (!this.#framed) return this.#line(event, out, pos);
    return frameChunk(out, pos, this.#line(event, out, pos + CHUNK_HEAD_BYTES));
  }

  #line(event: EventView, out: Uint8Array, start: number): number {
    const { bytes } = event;
    const isPlain = (event.half(EVENT.FLAGS) & FLAG_PLAIN) !== 0;
    const typeFrom = event.at + EVENT.FIXED_BYTES;
    const typeTo = typeFrom + event.half(EVENT.TYPE_BYTES);
    const actionTo = typeTo + event.half(EVENT.ACTION_BYTES);
    const idFrom = actionTo + event.half(EVENT.ARGS_BYTES);
    const idTo = idFrom + event.half(EVENT.ID_BYTES);
    const scopeTo = idTo + event.half(EVENT.SCOPE_BYTES);
    this.#index(event);

    let pos = start;
    if (this.#isSequence) {
      out[pos] = RECORD_SEPARATOR;
      pos += 1;
    }
    out[pos] = 0x7b;
    pos += 1;
    if (this.#isLegacy) {
      const isContainer = event.isOfType(TYPE_CONTAINER);
      if (isContainer || event.isOfType(TYPE_IMAGE)) {
        pos = writeAction(event, typeTo, actionTo, idFrom, out, writeLiteral(out, pos, STATUS), isPlain);
        if (idTo > idFrom) pos = writeText(bytes, idFrom, idTo, out, writeLiteral(out, pos, LEGACY_ID), isPlain);
        if (isContainer) pos = this.#from(bytes, out, pos, isPlain);
        out[pos] = 0x22;
        out[pos + 1] = 0x2c;
        pos += 2;
      }
    }
    pos = writeText(bytes, typeFrom, typeTo, out, writeLiteral(out, pos, TYPE), isPlain);
    pos = writeAction(event, typeTo, actionTo, idFrom, out, writeLiteral(out, pos, ACTION), isPlain);
    pos = writeText(bytes, idFrom, idTo, out, writeLiteral(out, pos, ID), isPlain);
    pos = this.#attributes(event, idFrom, idTo, out, writeLiteral(out, pos, ATTRIBUTES), isPlain);
    pos = writeLiteral(out, pos, SCOPE);
    pos = scopeTo > idTo ? writeText(bytes, idTo, scopeTo, out, pos, isPlain) : writeLiteral(out, pos, LOCAL);
    const { timeSec, timeNanos } = event;
    if (timeSec !== this.#second) this.#enterSecond(timeSec);
    pos = writeLiteral(out, pos, this.#beforeNanos);
    pos = timeSec === 0 ? writeUint(out, pos, timeNanos) : writeNanos(out, pos, timeNanos);
    if (event.isSynthetic) pos = writeLiteral(out, pos, SYNTHETIC);
    if (this.#cursors) pos = this.#cursor(event.seq, this.#cursors, out, pos);
    out[pos] = 0x7d;
    out[pos + 1] = 0x0a;
    return pos + 2;
  }

  #enterSecond(sec: number): void {
    this.#second = sec;
    this.#beforeNanos = literal(`","time":${sec},"timeNano":${sec === 0 ? '' : sec}`);
  }

  #cursor(seq: number, epochs: Epochs, out: Uint8Array, start: number): number {
    const epoch = epochs.at(seq);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#cursorPrefix = literal(`,"cursor":"${epoch}-`);
    }
    const pos = writeUint(out, writeLiteral(out, start, this.#cursorPrefix), seq);
    out[pos] = 0x22;
    return pos + 1;
  }

  /** Notes where the attributes are, sorted by key as Go sorts: byte by byte. */
  #index(event: EventView): void {
    const { bytes, attributeCount } = event;
    this.#count = 0;
    if (attributeCount * ENTRY_WORDS > this.#entries.length)
      this.#entries = new Int32Array(2 * attributeCount * ENTRY_WORDS);
    const entries = this.#entries;
    let at = event.attributesAt;
    for (let index = 0; index < attributeCount; index += 1) {
      const keyFrom = at + 4;
      const keyTo = keyFrom + readUint16(bytes, at);
      at = keyTo + readUint16(bytes, keyFrom - 2);
      let place = this.#count * ENTRY_WORDS;
      let order = -1;
      for (; place > 0; place -= ENTRY_WORDS) {
        const before = place - ENTRY_WORDS;
        order = compareBytes(bytes, entries[before]!, entries[before + 1]!, bytes, keyFrom, keyTo);
        if (order <= 0) break;
      }
      // Keys that were different before their text was mended: the last one counts, as in any JSON object.
      if (place > 0 && order === 0) place -= ENTRY_WORDS;
      else {
        const end = this.#count * ENTRY_WORDS;
        if (place < end) entries.copyWithin(place + ENTRY_WORDS, place, end);
        this.#count += 1;
      }
      entries[place] = keyFrom;
      entries[place + 1] = keyTo;
      entries[place + 2] = keyTo;
      entries[place + 3] = at;
    }
  }

  #attributes(
    event: EventView,
    idFrom: number,
    idTo: number,
    out: Uint8Array,
    start: number,
    isPlain: boolean,
  ): number {
    const { bytes } = event;
    const entries = this.#entries;
    let exitCode = dockerExitCodeOf(event);
    let pos = start;
    for (let entry = 0; entry < this.#count * ENTRY_WORDS; entry += ENTRY_WORDS) {
      const keyFrom = entries[entry]!;
      const keyTo = entries[entry + 1]!;
      if (exitCode !== undefined) {
        const order = compareBytes(bytes, keyFrom, keyTo, KEY_EXIT_CODE, 0, KEY_EXIT_CODE.length);
        if (order >= 0) {
          pos = writeExitCode(exitCode, out, pos);
          exitCode = undefined;
          // The event's own exit code counts, whatever an attribute of that name says.
          if (order === 0) continue;
        }
      }
      out[pos] = 0x22;
      pos = writeColon(out, writeText(bytes, keyFrom, keyTo, out, pos + 1, isPlain));
      pos = writeText(bytes, entries[entry + 2]!, entries[entry + 3]!, out, pos, isPlain);
      out[pos] = 0x22;
      out[pos + 1] = 0x2c;
      pos += 2;
    }
    if (exitCode !== undefined) pos = writeExitCode(exitCode, out, pos);
    if (isBareImageEvent(event)) {
      out[pos] = 0x22;
      pos = writeText(bytes, idFrom, idTo, out, writeColon(out, writeBytes(out, pos + 1, KEY_NAME)), isPlain);
      out[pos] = 0x22;
      out[pos + 1] = 0x2c;
      pos += 2;
    }
    return pos === start ? pos : pos - 1;
  }

  #from(bytes: Uint8Array, out: Uint8Array, pos: number, isPlain: boolean): number {
    const entries = this.#entries;
    for (let entry = 0; entry < this.#count * ENTRY_WORDS; entry += ENTRY_WORDS) {
      const valueFrom = entries[entry + 2]!;
      const valueTo = entries[entry + 3]!;
      if (compareBytes(bytes, entries[entry]!, entries[entry + 1]!, KEY_IMAGE, 0, KEY_IMAGE.length) !== 0) continue;
      return valueTo > valueFrom
        ? writeText(bytes, valueFrom, valueTo, out, writeLiteral(out, pos, FROM), isPlain)
        : pos;
    }
    return pos;
  }
}

/** A gap or heartbeat, as the native door writes it, among such lines. */
export function encodeDockerNotice(notice: Lagged | Heartbeat, framing: Framing, isSequence: boolean): Uint8Array {
  return frameText(`${isSequence ? '\u001e' : ''}${JSON.stringify(notice)}\n`, framing);
}

function writeAction(
  event: EventView,
  from: number,
  to: number,
  argsTo: number,
  out: Uint8Array,
  start: number,
  isPlain: boolean,
): number {
  const { bytes } = event;
  // Only `remove` differs, and only for images; its first byte and length rule out nearly everything else.
  const mayDiffer = to - from === 6 && bytes[from] === 0x72 && event.isOfType(TYPE_IMAGE);
  let pos = mayDiffer
    ? writeBytes(out, start, utf8(dockerAction('image', textOf(bytes, from, to))))
    : writeText(bytes, from, to, out, start, isPlain);
  if (argsTo > to) {
    out[pos] = 0x3a;
    out[pos + 1] = 0x20;
    pos = writeText(bytes, to, argsTo, out, pos + 2, isPlain);
  }
  return pos;
}

function writeExitCode(exitCode: number, out: Uint8Array, start: number): number {
  out[start] = 0x22;
  const pos = writeUint(out, writeColon(out, writeBytes(out, start + 1, KEY_EXIT_CODE)), exitCode);
  out[pos] = 0x22;
  out[pos + 1] = 0x2c;
  return pos + 2;
}

/** `":"` between a key and its value. */
function writeColon(out: Uint8Array, pos: number): number {
  out[pos] = 0x22;
  out[pos + 1] = 0x3a;
  out[pos + 2] = 0x22;
  return pos + 3;
}

function compareBytes(a: Uint8Array, aFrom: number, aTo: number, b: Uint8Array, bFrom: number, bTo: number): number {
  const count = Math.min(aTo - aFrom, bTo - bFrom);
  for (let index = 0; index < count; index += 1) {
    const difference = a[aFrom + index]! - b[bFrom + index]!;
    if (difference !== 0) return difference;
  }
  return aTo - aFrom - (bTo - bFrom);
}

/** JSON text without the quotes, escaped as Go does it. The log holds valid UTF-8 only. */
function writeText(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  start: number,
  isPlain: boolean,
): number {
  if (isPlain) return copyAscii(bytes, from, to, out, start);
  const plain = copyPlain(bytes, from, to, out, start, true);
  let pos = start + plain;
  for (let at = from + plain; at < to; at += 1) {
    const byte = bytes[at]!;
    const escape = ESCAPES[byte]!;
    if (escape === 0) {
      out[pos] = byte;
      pos += 1;
    } else if (byte === SEPARATOR_LEAD) {
      const isSeparator = bytes[at + 1] === 0x80 && (bytes[at + 2]! | 1) === 0xa9;
      if (isSeparator) {
        pos = writeUnicode(0x20, bytes[at + 2]! - 0x80, out, pos);
        at += 2;
      } else {
        out[pos] = byte;
        pos += 1;
      }
    } else if (escape === 1) {
      pos = writeUnicode(0, byte, out, pos);
    } else {
      out[pos] = 0x5c;
      out[pos + 1] = escape;
      pos += 2;
    }
  }
  return pos;
}

function writeUnicode(high: number, low: number, out: Uint8Array, pos: number): number {
  out[pos] = 0x5c;
  out[pos + 1] = 0x75;
  out[pos + 2] = HEX[high >> 4]!;
  out[pos + 3] = HEX[high & 15]!;
  out[pos + 4] = HEX[low >> 4]!;
  out[pos + 5] = HEX[low & 15]!;
  return pos + 6;
}
