import { TocsinError } from '../event/errors.ts';
import type { NewEvent, Timestamp } from '../event/event.ts';
import { actionOfDocker, hasDockerExitCode } from '../event/operators.ts';
import { parseTime, parseTimeNano } from '../event/time.ts';

/** Fields of a native line. `seq` and `cursor` are the log's own: they are passed over, so that what was read can be published. */
const NATIVE_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'action',
  'id',
  'args',
  'attributes',
  'pid',
  'exitCode',
  'scope',
  'source',
  'namespace',
  'time',
  'timeNano',
  'seq',
  'cursor',
]);
const EPOCH_START: Timestamp = { sec: 0, nanos: 0 };
/** A number here has more digits than a double holds. In a text the quotes around the key would be escaped. */
const TIME_NANO_NUMBER = /"timeNano"\s*:\s*(\d{1,19})\s*(?=[,}])/;
const EXIT_CODE = /^(?:0|[1-9]\d{0,9})$/;

/**
 * One line of a publisher or an archive: an event in native form (docs/protocol.md) or as Docker's `/events` writes it, told
 * apart by Docker's `Type`.
 * @throws ERR_EVENT_INVALID; what the fields may hold is checked when the event is packed
 */
export function parseEventLine(line: string): NewEvent {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.replace(TIME_NANO_NUMBER, '"timeNano":"$1"'));
  } catch (cause) {
    throw invalid(`not JSON: ${line.slice(0, 64)}`, cause);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('expected a JSON object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  return Object.hasOwn(fields, 'Type') ? fromDocker(fields) : fromNative(fields);
}

function fromNative(fields: Readonly<Record<string, unknown>>): NewEvent {
  for (const key of Object.keys(fields))
    if (!NATIVE_FIELDS.has(key)) throw invalid(`unknown field ${JSON.stringify(key)}`);
  const { seq: _seq, cursor: _cursor, time, timeNano, ...rest } = fields;
  const at = timeOf(timeNano, time);
  if (!('id' in rest)) throw invalid('id: expected text');
  return { ...(rest as unknown as NewEvent), ...(at ? { time: at } : {}) };
}

/** Docker's `{"Type","Action","Actor":{"ID","Attributes"},"scope","time","timeNano"}`; `status`, `id`, `from` say nothing more. */
function fromDocker(fields: Readonly<Record<string, unknown>>): NewEvent {
  const type = text('Type', fields['Type']);
  const { action, args } = splitAction(text('Action', fields['Action']));
  const actor = object('Actor', fields['Actor'] ?? {});
  const attributes = object('Actor.Attributes', actor['Attributes'] ?? {}) as Record<string, string>;
  const exitCode = attributes['exitCode'];
  // A number of its own wherever Docker's door makes an attribute of it again.
  const isNumber =
    type === 'container' && hasDockerExitCode(action) && exitCode !== undefined && EXIT_CODE.test(exitCode);
  const { exitCode: _, ...others } = attributes;
  const at = timeOf(fields['timeNano'], fields['time']);
  const scope = text('scope', fields['scope'] ?? '');
  return {
    type,
    action: actionOfDocker(type, action),
    ...(args === undefined ? {} : { args }),
    id: text('Actor.ID', actor['ID'] ?? ''),
    attributes: isNumber ? others : attributes,
    ...(isNumber ? { exitCode: Number(exitCode) } : {}),
    ...(scope === '' ? {} : { scope }),
    source: 'docker',
    ...(at ? { time: at } : {}),
  };
}

/** `exec_create: /bin/sh -c true` is the action `exec_create` with args. */
function splitAction(shown: string): { readonly action: string; readonly args?: string } {
  const colon = shown.indexOf(': ');
  if (colon <= 0 || colon + 2 === shown.length) return { action: shown };
  return { action: shown.slice(0, colon), args: shown.slice(colon + 2) };
}

/** The more exact one of both. @param time RFC 3339 text, or unix seconds */
function timeOf(nano: unknown, time: unknown): Timestamp | undefined {
  try {
    if (typeof nano === 'string' && nano !== '0') return parseTimeNano(nano);
    if (nano !== undefined && nano !== '0') throw invalid('timeNano: expected nanoseconds since 1970');
    if (time === undefined || time === 0) return undefined;
    const at = parseTime(typeof time === 'number' ? String(time) : text('time', time), EPOCH_START);
    // A duration has no beginning to count from.
    if (at.sec === 0) throw invalid('time: expected a moment after 1970');
    return at;
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : 'not a time', cause);
  }
}

function text(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(`${field}: expected text`);
  return value;
}

function object(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${field}: expected an object`);
  return value as Readonly<Record<string, unknown>>;
}

function invalid(message: string, cause?: unknown): TocsinError {
  return new TocsinError('ERR_EVENT_INVALID', message, { cause });
}
