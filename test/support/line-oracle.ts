import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { parseTime, parseTimeNano } from '../../src/event/time.ts';
import { MAX_EVENT_BYTES } from '../../src/messages/layout.ts';
import { wellFormed } from './events.ts';

/** What becomes of a line: an event, or an error with this code. */
export type Outcome = { readonly code: string } | { readonly event: NewEvent; readonly isReplaced: boolean };

type Fields = Readonly<Record<string, unknown>>;

class Refused extends Error {
  readonly code: string;
  constructor(code = 'ERR_EVENT_INVALID') {
    super(code);
    this.code = code;
  }
}

const NATIVE =
  'type action id args attributes pid exitCode scope source namespace time timeNano seq cursor reason'.split(' ');
const TIME_NANO = /"timeNano"\s*:\s*([-+.\deE]+)/g;

/** The rules of docs/protocol.md with JSON.parse: slow, and short enough to be read. `timeNano` must stand at the top only. */
export function outcomeOf(line: Uint8Array): Outcome {
  try {
    const json = Buffer.from(line).toString();
    const fields = parsed(json);
    const event = Object.hasOwn(fields, 'Type') ? docker(fields, json) : native(fields, json);
    return checked(event);
  } catch (error) {
    if (error instanceof Refused) return { code: error.code };
    throw error;
  }
}

function parsed(json: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Refused();
  }
  return object(value);
}

function native(fields: Fields, json: string): Fields {
  for (const key of Object.keys(fields)) demand(NATIVE.includes(key));
  demand(!Object.hasOwn(fields, 'reason') || fields['reason'] === 'source');
  return { ...fields, time: time(fields, json) };
}

function docker(fields: Fields, json: string): Fields {
  demand(typeof fields['Type'] === 'string' && typeof fields['Action'] === 'string');
  const type = fields['Type'] as string;
  const shown = fields['Action'] as string;
  const actor = object(fields['Actor'] ?? {});
  const attributes = { ...object(actor['Attributes'] ?? {}) };
  const colon = shown.indexOf(': ');
  const isSplit = colon > 0 && colon + 2 < shown.length;
  const word = isSplit ? shown.slice(0, colon) : shown;
  const exitCode = attributes['exitCode'];
  const isNumber =
    type === 'container' &&
    ['die', 'exec_die'].includes(word) &&
    ['string', 'number'].includes(typeof exitCode) &&
    /^(?:0|[1-9]\d{0,9})$/.test(String(exitCode));
  if (isNumber) delete attributes['exitCode'];
  return {
    type,
    action: type === 'image' && word === 'delete' ? 'remove' : word,
    ...(isSplit ? { args: shown.slice(colon + 2) } : {}),
    id: actor['ID'] ?? '',
    attributes,
    ...(isNumber ? { exitCode: Number(exitCode) } : {}),
    scope: fields['scope'] ?? '',
    source: 'docker',
    time: time(fields, json),
  };
}

function time(fields: Fields, json: string): Timestamp | undefined {
  let { timeNano } = fields;
  if (typeof timeNano === 'number') {
    timeNano = [...json.matchAll(TIME_NANO)].at(-1)?.[1];
    demand(/^\d{1,19}$/.test(String(timeNano)));
  }
  if (timeNano !== undefined && timeNano !== '0') {
    demand(typeof timeNano === 'string');
    return refusing(() => parseTimeNano(timeNano as string));
  }
  const given = fields['time'];
  if (given === undefined || given === 0) return undefined;
  if (typeof given !== 'string' && typeof given !== 'number') throw new Refused();
  const at = refusing(() => parseTime(String(given), { sec: 0, nanos: 0 }));
  demand(at.sec > 0);
  return at;
}

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw new Refused();
  }
}

function checked(fields: Fields): Outcome {
  const given = fields['attributes'] === undefined ? {} : object(fields['attributes']);
  const [type, action, args, id, scope, source, namespace] = [
    text(fields['type']),
    text(fields['action']),
    text(fields['args'] ?? ''),
    text(fields['id']),
    text(fields['scope'] ?? ''),
    text(fields['source'] ?? ''),
    text(fields['namespace'] ?? ''),
  ];
  demand(type !== '' && action !== '' && type !== 'gap' && type !== 'heartbeat');
  // Keys are compared as they are kept.
  const attributes = new Map(Object.entries(given).map(([key, value]) => [wellFormed(text(key)), text(value)]));
  const texts = [type, action, args, id, scope, source, namespace, ...Object.keys(given), ...attributes.values()];
  const bytes = [type, action, args, id, scope, source, namespace, ...[...attributes].flat()].reduce(
    (sum, each) => sum + Buffer.byteLength(each),
    64 + 4 * attributes.size,
  );
  if (bytes > MAX_EVENT_BYTES) throw new Refused('ERR_EVENT_TOO_LARGE');
  const pid = integer(fields['pid']);
  const exitCode = integer(fields['exitCode']);
  const at = fields['time'] as Timestamp | undefined;
  return {
    isReplaced: texts.some((each) => /\p{Cs}/u.test(each)),
    event: {
      type: wellFormed(type),
      action: wellFormed(action),
      ...(args === '' ? {} : { args: wellFormed(args) }),
      id: wellFormed(id),
      attributes: Object.fromEntries([...attributes].map(([key, value]) => [key, wellFormed(value)])),
      ...(pid === undefined ? {} : { pid }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(scope === '' ? {} : { scope: wellFormed(scope) }),
      ...(source === '' ? {} : { source: wellFormed(source) }),
      ...(namespace === '' ? {} : { namespace: wellFormed(namespace) }),
      ...(at === undefined || (at.sec === 0 && at.nanos === 0) ? {} : { time: at }),
    },
  };
}

function text(value: unknown): string {
  demand(typeof value === 'string');
  if (Buffer.byteLength(value as string) > 0xffff) throw new Refused('ERR_EVENT_TOO_LARGE');
  return value as string;
}

function integer(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  demand(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0x7fffffff);
  // A minus before zero says nothing.
  return (value as number) + 0;
}

function object(value: unknown): Fields {
  demand(typeof value === 'object' && value !== null && !Array.isArray(value));
  return value as Fields;
}

function demand(condition: boolean): void {
  if (!condition) throw new Refused();
}
