import type { Timestamp } from '../event/event.ts';
import { actionOfDocker, hasDockerExitCode } from '../event/operators.ts';
import { parseTime, parseTimeNano } from '../event/time.ts';
import { NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { isPlain, isRange, textOf, utf8, viewOf } from './bytes.ts';
import { isText, JSON_KIND, JsonReader, KIND_WORDS, notText } from './json-reader.ts';
import { LineAttributes } from './line-attributes.ts';
import { integer, invalid, type RecordWriter } from './record-writer.ts';

/**
 * Fields of a line, native ones first, the texts of a record in its order. `seq` and `cursor` are the log's own: they are passed
 * over, so that what was read can be published.
 */
const NAMES = [
  'type',
  'action',
  'args',
  'id',
  'scope',
  'source',
  'namespace',
  'pid',
  'exitCode',
  'time',
  'timeNano',
  'attributes',
  'seq',
  'cursor',
  'reason',
  'synthetic',
  'Type',
  'Action',
  'Actor',
] as const;
const SCOPE = NAMES.indexOf('scope');
const PID = NAMES.indexOf('pid');
const EXIT_CODE = NAMES.indexOf('exitCode');
const TIME = NAMES.indexOf('time');
const TIME_NANO = NAMES.indexOf('timeNano');
const ATTRIBUTES = NAMES.indexOf('attributes');
const REASON = NAMES.indexOf('reason');
const SYNTHETIC = NAMES.indexOf('synthetic');
/** The first one that only Docker has. */
const DOCKER_TYPE = NAMES.indexOf('Type');
const DOCKER_ACTION = NAMES.indexOf('Action');
const ACTOR = NAMES.indexOf('Actor');
const ACTOR_ID = NAMES.length;
const ACTOR_ATTRIBUTES = NAMES.length + 1;
/** The key of the first field that a native line does not have. */
const UNKNOWN = NAMES.length + 2;
const PLACES = NAMES.length + 3;
const TEXTS = 7;
/** Texts that an event may do without: `args`, and those behind `id`. */
const OPTIONAL_TEXTS: readonly boolean[] = NAMES.map((name) => name !== 'type' && name !== 'action' && name !== 'id');

/** By the length of the name, each with its first two bytes. */
const FIELDS: (readonly { readonly field: number; readonly name: Uint8Array; readonly begin: number }[])[] = [];
for (let length = 0; length < 16; length += 1)
  FIELDS.push(
    NAMES.map((name, field) => ({
      field,
      name: utf8(name),
      begin: name.charCodeAt(0) | (name.charCodeAt(1) << 8),
    })).filter(({ name }) => name.length === length),
  );

const ID_KEY = utf8('ID');
const ATTRIBUTES_KEY = utf8('Attributes');
const EXIT_CODE_KEY = utf8('exitCode');
const CONTAINER = utf8('container');
const IMAGE = utf8('image');
const NOTHING = viewOf(new Uint8Array(0));
const COLON = 0x3a;

const EPOCH_START: Timestamp = { sec: 0, nanos: 0 };
const DOCKER_EXIT_CODE = /^(?:0|[1-9]\d{0,9})$/;
const NANO_DIGITS = /^\d{1,19}$/;

/**
 * Reads a line of a publisher or an archive: an event in native form (docs/protocol.md) or as Docker's `/events` writes it, told
 * apart by Docker's `Type`. The line is read to its end first, which says where each field is; then the record is written
 * straight from those places.
 */
export class EventLineReader {
  /** Present: only an engine's lines are taken. */
  readonly #source: string | undefined;
  /** What the events of lines in Docker's form come from. */
  readonly #dockerSource: DataView;
  readonly #isSourcePlain: boolean;
  readonly #json = new JsonReader();
  readonly #attributes = new LineAttributes(this.#json);
  readonly #actorAttributes = new LineAttributes(this.#json);
  /** Kind, from and to of each field. */
  readonly #places = new Int32Array(3 * PLACES);

  /** @param source of the lines, which then are an engine's; absent: they are anybody's, and those in Docker's form are `docker`'s */
  constructor(source?: string) {
    this.#source = source;
    const dockerSource = utf8(source ?? 'docker');
    this.#dockerSource = viewOf(dockerSource);
    this.#isSourcePlain = isPlain(dockerSource);
  }

  /** Begins a record and writes it, up to `finish`. @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE */
  write(bytes: Uint8Array, from: number, to: number, out: RecordWriter): void {
    this.#places.fill(JSON_KIND.ABSENT);
    this.#attributes.clear();
    this.#actorAttributes.clear();
    this.#json.open(bytes, from, to);
    this.#read();
    out.begin();
    if (this.#json.isPlain && this.#isSourcePlain) out.markPlain();
    if (this.#source === undefined && this.#kind(DOCKER_TYPE) === JSON_KIND.ABSENT) this.#writeNative(out);
    else this.#writeDocker(out);
  }

  #read(): void {
    const json = this.#json;
    if (!json.isAtObject) {
      json.value();
      json.end();
      throw invalid('expected a JSON object');
    }
    for (let more = json.firstKey(); more; more = json.nextKey()) {
      const field = this.#fieldOfKey();
      if (field === ATTRIBUTES) this.#readAttributes(field, this.#attributes);
      else if (field === ACTOR) this.#readActor();
      else this.#readValue(field);
    }
    json.end();
  }

  /** @returns -1 for a field that neither form has */
  #fieldOfKey(): number {
    const { kind, from, to } = this.#json;
    const bytes = this.#json.source(kind);
    let found = -1;
    const candidates = FIELDS[Math.min(to - from, FIELDS.length - 1)]!;
    const begin = bytes[from]! | (bytes[from + 1]! << 8);
    for (let index = 0; index < candidates.length; index += 1) {
      const candidate = candidates[index]!;
      if (candidate.begin === begin && isRange(bytes, from, to, candidate.name)) found = candidate.field;
    }
    const isNative = found >= 0 && found < DOCKER_TYPE;
    if (!isNative && this.#kind(UNKNOWN) === JSON_KIND.ABSENT) this.#place(UNKNOWN, kind);
    return found;
  }

  /** Of several values of one field the last one counts. */
  #readValue(field: number): void {
    const kind = this.#json.value();
    if (field >= 0) this.#place(field, kind);
  }

  #place(field: number, kind: number): void {
    const places = this.#places;
    places[3 * field] = kind;
    places[3 * field + 1] = this.#json.from;
    places[3 * field + 2] = this.#json.to;
  }

  #readAttributes(field: number, attributes: LineAttributes): void {
    attributes.clear();
    if (!this.#json.isAtObject) return this.#readValue(field);
    attributes.read();
    this.#place(field, JSON_KIND.OBJECT);
  }

  #readActor(): void {
    const json = this.#json;
    this.#places.fill(JSON_KIND.ABSENT, 3 * ACTOR_ID, 3 * UNKNOWN);
    this.#actorAttributes.clear();
    if (!json.isAtObject) return this.#readValue(ACTOR);
    for (let more = json.firstKey(); more; more = json.nextKey()) {
      const { kind, from, to } = json;
      const bytes = json.source(kind);
      if (isRange(bytes, from, to, ID_KEY)) this.#readValue(ACTOR_ID);
      else if (isRange(bytes, from, to, ATTRIBUTES_KEY)) this.#readAttributes(ACTOR_ATTRIBUTES, this.#actorAttributes);
      else json.value();
    }
    this.#place(ACTOR, JSON_KIND.OBJECT);
  }

  #writeNative(out: RecordWriter): void {
    if (this.#kind(UNKNOWN) !== JSON_KIND.ABSENT) throw invalid(`unknown field ${this.#shown(UNKNOWN)}`);
    if (this.#kind(REASON) !== JSON_KIND.ABSENT) this.#writeReason(out);
    if (this.#kind(SYNTHETIC) !== JSON_KIND.ABSENT) this.#writeSynthetic(out);
    const { sec, nanos } = this.#time();
    const kind = this.#kind(ATTRIBUTES);
    if (kind !== JSON_KIND.OBJECT && kind !== JSON_KIND.ABSENT) throw invalid('attributes: expected an object');
    for (let field = 0; field < TEXTS; field += 1) this.#writeText(out, field, NAMES[field]!, OPTIONAL_TEXTS[field]);
    out.endTexts();
    this.#attributes.write(out, -1);
    const pid = this.#integer(PID, NO_PID);
    out.finish(pid, this.#integer(EXIT_CODE, NO_EXIT_CODE), sec, nanos);
  }

  /** Of an event that tells of a gap of its source, which was read and is published again. */
  #writeReason(out: RecordWriter): void {
    if (this.#shown(REASON) !== '"source"') throw invalid(`reason: expected "source", got ${this.#shown(REASON)}`);
    out.markSourceGap();
  }

  /** Of an event that no engine told, which was read and is published again. */
  #writeSynthetic(out: RecordWriter): void {
    if (this.#kind(SYNTHETIC) !== JSON_KIND.TRUE)
      throw invalid(`synthetic: expected true, got ${this.#shown(SYNTHETIC)}`);
    out.markSynthetic();
  }

  /** Docker's `{"Type","Action","Actor":{"ID","Attributes"},"scope","time","timeNano"}`; `status`, `id`, `from` say nothing more. */
  #writeDocker(out: RecordWriter): void {
    // An engine has no such word; a line of our own door may have it.
    if (this.#source === undefined && this.#kind(SYNTHETIC) === JSON_KIND.TRUE) out.markSynthetic();
    this.#requireText(DOCKER_TYPE, 'Type');
    this.#requireText(DOCKER_ACTION, 'Action');
    this.#requireObjectOrNull(ACTOR, 'Actor');
    this.#requireObjectOrNull(ACTOR_ATTRIBUTES, 'Actor.Attributes');
    const { sec, nanos } = this.#time();
    if (!this.#isNone(SCOPE)) this.#requireText(SCOPE, 'scope');
    if (!this.#isNone(ACTOR_ID)) this.#requireText(ACTOR_ID, 'Actor.ID');
    this.#writeText(out, DOCKER_TYPE, 'type');
    const action = this.#writeDockerAction(out);
    this.#writeText(out, ACTOR_ID, 'id', true);
    this.#writeText(out, SCOPE, 'scope', true);
    out.text('source', this.#dockerSource, 0, this.#dockerSource.byteLength);
    out.text('namespace', NOTHING, 0, 0);
    out.endTexts();
    const index = this.#actorAttributes.indexOf(EXIT_CODE_KEY);
    const exitCode = index >= 0 && hasDockerExitCode(action) ? this.#dockerExitCode(index) : undefined;
    this.#actorAttributes.write(out, exitCode === undefined ? -1 : index);
    out.finish(NO_PID, integer('exitCode', exitCode, NO_EXIT_CODE), sec, nanos);
  }

  /** `exec_create: /bin/sh -c true` is the action `exec_create` with args. @returns Docker's word for the action */
  #writeDockerAction(out: RecordWriter): string {
    const [kind, from, to] = this.#placeOf(DOCKER_ACTION);
    const bytes = this.#json.source(kind);
    let colon = from;
    while (colon < to && !(bytes[colon] === COLON && bytes[colon + 1] === 0x20)) colon += 1;
    const isSplit = colon > from && colon + 2 < to;
    const word = textOf(bytes, from, isSplit ? colon : to);
    if (kind === JSON_KIND.REPLACED) out.markReplaced();
    const ofType = this.#isType(IMAGE) ? actionOfDocker('image', word) : word;
    const view = this.#json.view(kind);
    if (ofType === word) out.text('action', view, from, isSplit ? colon : to);
    else out.string('action', ofType);
    out.text('args', view, isSplit ? colon + 2 : to, to);
    return word;
  }

  /** A number of its own wherever Docker's door makes an attribute of it again. */
  #dockerExitCode(index: number): number | undefined {
    const text = this.#isType(CONTAINER) ? this.#actorAttributes.valueAt(index) : undefined;
    return text !== undefined && DOCKER_EXIT_CODE.test(text) ? Number(text) : undefined;
  }

  #writeText(out: RecordWriter, field: number, name: string, isOptional = false): void {
    const places = this.#places;
    const kind = places[3 * field]!;
    if (isText(kind)) {
      if (kind === JSON_KIND.REPLACED) out.markReplaced();
      return out.text(name, this.#json.view(kind), places[3 * field + 1]!, places[3 * field + 2]!);
    }
    if (!isOptional || !this.#isNone(field)) throw notText(name, kind);
    out.text(name, NOTHING, 0, 0);
  }

  #integer(field: number, absent: number): number {
    const kind = this.#kind(field);
    if (kind === JSON_KIND.ABSENT) return absent;
    return integer(NAMES[field]!, kind === JSON_KIND.NUMBER ? Number(this.#textOf(field)) : this.#shown(field), absent);
  }

  /** The more exact one of both. */
  #time(): Timestamp {
    const nano = this.#kind(TIME_NANO);
    const time = this.#kind(TIME);
    if (nano === JSON_KIND.ABSENT && time === JSON_KIND.ABSENT) return EPOCH_START;
    try {
      if (nano !== JSON_KIND.ABSENT) {
        const digits = isText(nano) || nano === JSON_KIND.NUMBER ? this.#textOf(TIME_NANO) : '';
        // A number that a double could not hold is read as the digits that it was written with.
        if (!isText(nano) && !NANO_DIGITS.test(digits)) throw invalid('timeNano: expected nanoseconds since 1970');
        if (digits !== '0') return parseTimeNano(digits);
      }
      if (time === JSON_KIND.ABSENT) return EPOCH_START;
      if (time !== JSON_KIND.NUMBER) this.#requireText(TIME, 'time');
      const text = time === JSON_KIND.NUMBER ? String(Number(this.#textOf(TIME))) : this.#textOf(TIME);
      if (time === JSON_KIND.NUMBER && text === '0') return EPOCH_START;
      const at = parseTime(text, EPOCH_START);
      // A duration has no beginning to count from.
      if (at.sec === 0) throw invalid('time: expected a moment after 1970');
      return at;
    } catch (cause) {
      throw invalid(cause instanceof Error ? cause.message : 'not a time', cause);
    }
  }

  #kind(field: number): number {
    return this.#places[3 * field]!;
  }

  #placeOf(field: number): readonly [kind: number, from: number, to: number] {
    return [this.#places[3 * field]!, this.#places[3 * field + 1]!, this.#places[3 * field + 2]!];
  }

  #textOf(field: number): string {
    return this.#json.textAt(...this.#placeOf(field));
  }

  /** Not there, or null. */
  #isNone(field: number): boolean {
    const kind = this.#kind(field);
    return kind === JSON_KIND.ABSENT || kind === JSON_KIND.NULL;
  }

  #isType(type: Uint8Array): boolean {
    const [kind, from, to] = this.#placeOf(DOCKER_TYPE);
    return isRange(this.#json.source(kind), from, to, type);
  }

  #requireText(field: number, name: string): void {
    if (!isText(this.#kind(field))) throw notText(name, this.#kind(field));
  }

  #requireObjectOrNull(field: number, name: string): void {
    if (!this.#isNone(field) && this.#kind(field) !== JSON_KIND.OBJECT) throw invalid(`${name}: expected an object`);
  }

  #shown(field: number): string {
    const kind = this.#kind(field);
    return isText(kind) ? JSON.stringify(this.#textOf(field)) : KIND_WORDS[kind]!;
  }
}

/** Whether the line holds nothing: white space alone. */
export function isBlankLine(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at]!;
    // White space outside ASCII, too.
    if (byte >= 0x80) return textOf(bytes, at, to).trim() === '';
    if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) return false;
  }
  return true;
}
