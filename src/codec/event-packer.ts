import type { NewEvent } from '../event/event.ts';
import { NO_EXIT_CODE, NO_PID } from '../messages/layout.ts';
import { EventLineReader } from './event-line.ts';
import { integer, invalid, RecordWriter } from './record-writer.ts';

/**
 * Packs what publishers give into records without sequence number and time, back to back; the source's own time goes into SOURCE.
 * What throws has added nothing.
 */
export class EventPacker {
  readonly #out = new RecordWriter();
  readonly #line: EventLineReader;

  /** @param source whose lines are taken: Docker's form alone, and the events get this name. Absent: those of publishers */
  constructor(source?: string) {
    this.#line = new EventLineReader(source);
  }

  get count(): number {
    return this.#out.count;
  }

  /** The records `from` up to `to`, exclusively; valid until something is added or cleared. */
  records(from: number, to: number): Uint8Array {
    return this.#out.bytes.subarray(this.#out.endOf(from), this.#out.endOf(to));
  }

  /** Bytes of the first `count` records. */
  bytesOf(count: number): number {
    return this.#out.endOf(count);
  }

  clear(): void {
    this.#out.clear();
  }

  /** Takes back what was added last. */
  dropLast(): void {
    this.#out.dropLast();
  }

  /** Adds the event that tells of a gap of its source. @throws as add */
  addSourceGap(event: NewEvent): void {
    this.#add(event, (out) => out.markSourceGap());
  }

  /** Adds an event that no engine told. @throws as add */
  addSynthetic(event: NewEvent): void {
    this.#add(event, (out) => out.markSynthetic());
  }

  /** @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE */
  add(event: NewEvent): void {
    this.#add(event);
  }

  /** Adds the event of one JSON line (docs/protocol.md, Publishing). @throws ERR_EVENT_INVALID, ERR_EVENT_TOO_LARGE */
  addLine(bytes: Uint8Array, from: number, to: number): void {
    this.#line.write(bytes, from, to, this.#out);
  }

  #add(event: NewEvent, mark?: (out: RecordWriter) => void): void {
    requireObject('event', event);
    const { type, action, args, id, scope, source, namespace, attributes, pid, exitCode, time } = event;
    if (attributes !== undefined) requireObject('attributes', attributes);
    const out = this.#out;
    out.begin();
    mark?.(out);
    out.string('type', type);
    out.string('action', action);
    out.string('args', args ?? '');
    out.string('id', id);
    out.string('scope', scope ?? '');
    out.string('source', source ?? '');
    out.string('namespace', namespace ?? '');
    out.endTexts();
    if (attributes !== undefined) for (const key of Object.keys(attributes)) out.stringAttribute(key, attributes[key]);
    out.endAttributes();
    const pidOrNone = integer('pid', pid, NO_PID);
    const exitCodeOrNone = integer('exitCode', exitCode, NO_EXIT_CODE);
    if (time === undefined) return out.finish(pidOrNone, exitCodeOrNone, 0, 0);
    requireObject('time', time);
    const sec = integer('time.sec', time.sec, 0, 0xffffffff);
    out.finish(pidOrNone, exitCodeOrNone, sec, integer('time.nanos', time.nanos, 0, 999_999_999));
  }
}

function requireObject(field: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${field}: expected an object`);
}
