import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeEventsRequest, encodeEventsRequest, IsuladGrpcEncoder } from '../../../src/codec/isulad-grpc.ts';
import type { NewEvent, Timestamp } from '../../../src/event/event.ts';
import { encoded } from '../../support/encoding.ts';
import { anyLine, DOCKER_LINE, NATIVE_LINE } from '../../support/event-lines.ts';
import {
  decodeEvent,
  decodeRequest,
  encodeRequest,
  type ProtoTimestamp,
  unframed,
} from '../../support/isulad-proto.ts';
import { viewOf } from '../../support/log.ts';
import { eventOfLine } from '../../support/packed.ts';
import { recordedLines } from '../../support/vectors.ts';
import { fieldsOf, requestOf } from '../naive-protobuf.ts';
import { allowed, demand, show, type Target } from '../target.ts';

/** No message begins like this: field 15 as a group. */
const LINE = '{'.charCodeAt(0);
const TIME = { sec: 1_652_174_434, nanos: 661_862_100 };
const PROTO_TIME = { seconds: TIME.sec, nanos: TIME.nanos };

/**
 * Requests of iSulad's clients in protobuf, taken or refused and understood as a naive reader and another implementation have it;
 * and lines of events, which that implementation reads back out of what is sent to these clients.
 */
export const target: Target = {
  sources: ['codec/isulad-grpc.ts'],
  seeds: [
    encodeRequest({}),
    encodeRequest({ since: PROTO_TIME, until: { seconds: 2 ** 32 - 1 }, storeOnly: true, id: 'c1' }),
    encodeRequest({ since: { seconds: -1 }, id: 'é' }),
    encodeRequest({ until: { nanos: 999_999_999 } }),
    Uint8Array.of(0x28, 0x01, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4, 0x42, 0x01, 0x61),
    Uint8Array.of(0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x22, 0x01, 0x61),
    NATIVE_LINE.trim(),
    DOCKER_LINE,
    '{"type":"container","action":"rename","id":"x","pid":5,"exitCode":3,"attributes":{"pid":"6","exitCode":"0","a":""}}',
    ...recordedLines('docker-edge-events.jsonl').slice(0, 4),
  ],
  dictionary: [
    '\x0a\x02\x08\x01',
    '\x12\x02\x10\x01',
    '\x22\x01a',
    '\x08',
    '\x10',
    '\x18\x01',
    '\x31',
    '\x3d',
    '\x7f',
    '"type":"image",',
    '"action":"rename",',
    '"pid":1,',
    '"exitCode":0,',
    '"attributes":{"pid":"1"},',
    '"args":"x",',
    '__proto__',
    '\ufeff',
  ],
  arbitrary: fc.oneof(
    anyLine,
    fc
      .array(
        fc.oneof(
          fc.constantFrom(
            '\x0a\x00',
            '\x0a\x02\x08\x01',
            '\x12\x04\x08\x01\x10\x02',
            '\x18\x01',
            '\x22\x02c1',
            '\x28\x05',
          ),
          fc.constantFrom('\x31abcdefgh', '\x3dabcd', '\x0a\x09\x08\x01\x31abcdef', '\x42\x01a'),
        ),
        { maxLength: 4 },
      )
      .map((fields) => fields.join('')),
  ),
  batch: 1024,
  open: async () => ({ check }),
};

function check(input: Uint8Array): void {
  if (input[0] === LINE) checkLine(input);
  else checkRequest(input);
}

function checkRequest(message: Uint8Array): void {
  const shown = (): string => Buffer.from(message).toString('hex');
  const request = allowed(['ERR_BODY_INVALID'], () => decodeEventsRequest(message));
  const expected = requestOf(message);
  if (expected === 'unclear') return;
  demand((request !== undefined) === (expected !== undefined), 'taken or refused against its form', shown);
  if (!request || !expected) return;
  demand(isDeepStrictEqual(request, expected), 'is another request', () => `${shown()}: ${show(request)}`);
  const theirs = readElsewhere(message);
  const ours = { since: request.since, until: request.until, id: request.id };
  demand(
    theirs === undefined || isDeepStrictEqual(ours, theirs),
    'others read another request',
    () => `${shown()}: ${show([ours, theirs])}`,
  );
  const again = encodeEventsRequest(request).subarray(5);
  demand(isDeepStrictEqual(decodeEventsRequest(again), request), 'written again it is another one', shown);
}

/** @returns undefined for what may be a number of more than five and less than ten bytes: not all are read there as they should be */
function readElsewhere(message: Uint8Array): unknown {
  if (/[\x80-\xff]{5}/.test(Buffer.from(message).toString('latin1'))) return undefined;
  const { since, until, id } = decodeRequest(message);
  return { since: timeOf(since), until: timeOf(until), id: id ?? '' };
}

function timeOf(time: ProtoTimestamp | null | undefined): Timestamp | undefined {
  const { seconds: sec = 0, nanos = 0 } = time ?? {};
  return sec === 0 && nanos === 0 ? undefined : { sec, nanos };
}

function checkLine(line: Uint8Array): void {
  const event = allowed(['ERR_EVENT_INVALID', 'ERR_EVENT_TOO_LARGE'], () => eventOfLine(line));
  if (!event) return;
  const bytes = encoded(new IsuladGrpcEncoder(), viewOf(event, { time: TIME }));
  const isShown = event.type === 'container' || event.type === 'image';
  demand(bytes.length > 0 === isShown, 'shown or hidden against its type', () => show(event));
  if (!isShown) return;
  const message = unframed(bytes);
  demand(Array.isArray(fieldsOf(message)), 'is no protobuf', () => Buffer.from(message).toString('latin1'));
  const { timestamp, opt, id, annotations } = decodeEvent(message);
  const said = { time: timeOf(timestamp), opt, id: id ?? '', annotations: plain(annotations ?? {}) };
  demand(isDeepStrictEqual(said, saidOf(event)), 'says something else', () => `${show(said)}: ${show(saidOf(event))}`);
}

function saidOf({ type, action, args, id, pid, exitCode, attributes = {} }: NewEvent): unknown {
  const annotations: Record<string, string> = { ...attributes };
  if (pid !== undefined) annotations['pid'] = String(pid);
  // One of 0 is not told, and no attribute says otherwise.
  if (exitCode !== undefined) delete annotations['exitCode'];
  if (exitCode) annotations['exitCode'] = String(exitCode);
  const word = action === 'rename' ? 'reanme' : action;
  return { time: TIME, opt: `${type} ${word}${args ? `: ${args}` : ''}`, id, annotations: plain(annotations) };
}

/** The other implementation has no such key. */
function plain(map: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(map).filter(([key]) => key !== '__proto__'));
}
