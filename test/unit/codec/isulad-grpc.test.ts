import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeEventsRequest, encodeEventsRequest, IsuladGrpcEncoder } from '../../../src/codec/isulad-grpc.ts';
import { TocsinError } from '../../../src/event/errors.ts';
import type { NewEvent, Timestamp } from '../../../src/event/event.ts';
import { CONTAINER_STATES, IMAGE_STATES } from '../../../src/event/operators.ts';
import { encoded } from '../../support/encoding.ts';
import { anyEvent, anyText, anyTime, wellFormed, wellFormedAttributes } from '../../support/events.ts';
import {
  decodeEvent,
  decodeRequest,
  encodeRequest,
  type ProtoEvent,
  type ProtoTimestamp,
  unframed,
} from '../../support/isulad-proto.ts';
import { viewOf } from '../../support/log.ts';

const MINIMAL: NewEvent = { type: 'container', action: 'start', id: 'c1' };
const INVALID = { code: 'ERR_BODY_INVALID' };
const shownEvent = anyEvent.map((event): NewEvent => ({ ...event, type: event.id.length % 2 ? 'image' : 'container' }));

function messageOf(event: NewEvent, time = { sec: 1_652_174_434, nanos: 661_862_100 }): ProtoEvent {
  return decodeEvent(unframed(encoded(new IsuladGrpcEncoder(), viewOf(event, { time }))));
}

/** In proto3 a zero is left out. */
function timeOf(timestamp: ProtoTimestamp | null | undefined): Timestamp {
  return { sec: timestamp?.seconds ?? 0, nanos: timestamp?.nanos ?? 0 };
}

describe('IsuladGrpcEncoder', () => {
  it('says what iSulad says about a container', () => {
    const attributes = { image: 'busybox', name: 'web', app: 'shop' };
    assert.deepEqual(messageOf({ ...MINIMAL, action: 'die', id: '3277ec2e', pid: 9007, exitCode: 137, attributes }), {
      timestamp: { seconds: 1_652_174_434, nanos: 661_862_100 },
      opt: 'container die',
      id: '3277ec2e',
      annotations: { pid: '9007', exitCode: '137', ...attributes },
    });
  });

  it('says what iSulad says about an image', () => {
    const { opt, id, annotations } = messageOf({ type: 'image', action: 'pull', id: 'busybox:latest' });
    assert.deepEqual(
      { opt, id, annotations: annotations ?? {} },
      { opt: 'image pull', id: 'busybox:latest', annotations: {} },
    );
  });

  it('puts args behind a colon', () => {
    assert.equal(messageOf({ ...MINIMAL, action: 'exec_create', args: 'ls -l' }).opt, 'container exec_create: ls -l');
  });

  it('has iSulad\u2019s word for every state, its typo included', () => {
    for (const { action } of CONTAINER_STATES) {
      const { opt } = messageOf({ ...MINIMAL, action });
      assert.equal(opt, `container ${action === 'rename' ? 'reanme' : action}`);
    }
    for (const { action } of IMAGE_STATES)
      assert.equal(messageOf({ ...MINIMAL, type: 'image', action }).opt, `image ${action}`);
    assert.equal(messageOf({ ...MINIMAL, action: 'renamX' }).opt, 'container renamX');
    assert.equal(messageOf({ ...MINIMAL, action: 'resume', args: 'rename' }).opt, 'container resume: rename');
  });

  it('does not mention an exit code of 0', () => {
    const { annotations } = messageOf({ ...MINIMAL, action: 'die', exitCode: 0, attributes: { image: 'i' } });
    assert.deepEqual(annotations, { image: 'i' });
  });

  it('lets no attribute hide the service\u2019s own pid and exit code', () => {
    const { annotations } = messageOf({ ...MINIMAL, pid: 5, exitCode: 3, attributes: { pid: '666', exitCode: '0' } });
    assert.deepEqual(annotations, { pid: '5', exitCode: '3' });
  });

  it('has no word for what is neither container nor image', () => {
    for (const type of [
      'network',
      'volume',
      'daemon',
      'Container',
      'containes',
      'imagf',
      'images',
      'c',
      'con\u0000tain',
    ]) {
      assert.equal(encoded(new IsuladGrpcEncoder(), viewOf({ ...MINIMAL, type })).length, 0, type);
    }
  });

  it('writes what an independent implementation reads, for any event and time', () => {
    // Attributes with the keys of built-ins have a test of their own.
    const events = shownEvent.filter(({ attributes = {} }) => !('pid' in attributes) && !('exitCode' in attributes));
    fc.assert(
      fc.property(events, anyTime, (event, time) => {
        const message = messageOf(event, time);
        const { pid, exitCode, args } = event;
        const action = event.action === 'rename' ? 'reanme' : wellFormed(event.action);
        assert.deepEqual(timeOf(message.timestamp), time);
        assert.equal(message.opt, `${event.type} ${action}${args ? `: ${wellFormed(args)}` : ''}`);
        assert.equal(message.id ?? '', wellFormed(event.id));
        const expected = {
          ...(pid === undefined ? {} : { pid: String(pid) }),
          ...(exitCode ? { exitCode: String(exitCode) } : {}),
          ...wellFormedAttributes(event.attributes ?? {}),
        };
        assert.deepEqual(
          Object.fromEntries(Object.entries(message.annotations ?? {}).filter(([key]) => key !== '__proto__')),
          Object.fromEntries(Object.entries(expected).filter(([key]) => key !== '__proto__')),
        );
      }),
      { numRuns: 500, seed: 51 },
    );
  });

  it('keeps within its room for as many empty attributes as a record holds', () => {
    const attributes = Object.fromEntries(Array.from({ length: 8000 }, (_, index) => [index.toString(36), '']));
    assert.equal(Object.keys(messageOf({ ...MINIMAL, attributes }).annotations).length, 8000);
  });

  it('writes a long event with a length of several bytes', () => {
    const args = 'x'.repeat(60_000);
    assert.equal(
      messageOf({ ...MINIMAL, args, attributes: { long: 'y'.repeat(3000) } }).opt,
      `container start: ${args}`,
    );
  });
});

describe('decodeEventsRequest', () => {
  it('reads what an independent implementation writes', () => {
    fc.assert(
      fc.property(
        fc.option(anyTime),
        fc.option(anyTime),
        fc.option(fc.boolean()),
        anyText,
        (since, until, storeOnly, id) => {
          fc.pre(!id.startsWith('\ufeff'));
          const message = encodeRequest({
            ...(since ? { since: { seconds: since.sec, nanos: since.nanos } } : {}),
            ...(until ? { until: { seconds: until.sec, nanos: until.nanos } } : {}),
            ...(storeOnly === null ? {} : { storeOnly }),
            id: wellFormed(id),
          });
          const isSet = (time: typeof since): boolean => time !== null && (time.sec > 0 || time.nanos > 0);
          assert.deepEqual(decodeEventsRequest(message), {
            ...(isSet(since) ? { since } : {}),
            ...(isSet(until) ? { until } : {}),
            id: wellFormed(id),
          });
        },
      ),
      { numRuns: 300, seed: 52 },
    );
  });

  it('takes an empty message for "everything, from where you like"', () => {
    assert.deepEqual(decodeEventsRequest(new Uint8Array(0)), { id: '' });
  });

  it('takes a timestamp of zero for none, as iSulad does', () => {
    assert.deepEqual(decodeEventsRequest(Uint8Array.of(0x0a, 0x00, 0x12, 0x04, 0x08, 0x00, 0x10, 0x00)), { id: '' });
  });

  it('skips fields that it does not know', () => {
    const unknown = Uint8Array.of(0x28, 0x01, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4, 0x42, 0x01, 0x61);
    const id = Uint8Array.of(0x22, 0x02, 0x63, 0x31);
    assert.deepEqual(decodeEventsRequest(Uint8Array.from([...unknown, ...id])), { id: 'c1' });
    const negative = [0x28, ...new Uint8Array(9).fill(0xff), 0x01];
    assert.deepEqual(decodeEventsRequest(Uint8Array.from([...negative, ...id])), { id: 'c1' });
  });

  it('refuses times that 32-bit seconds or nine digits cannot hold', () => {
    for (const since of [
      { seconds: 2 ** 32 },
      { seconds: Number.MAX_SAFE_INTEGER },
      { seconds: -1 },
      { seconds: 1, nanos: 1_000_000_000 },
      { seconds: 1, nanos: -1 },
    ]) {
      assert.throws(() => decodeEventsRequest(encodeRequest({ since })), INVALID, JSON.stringify(since));
    }
  });

  it('refuses every message that ends too early', () => {
    const message = encodeRequest({ since: { seconds: 300, nanos: 5 }, until: { seconds: 2 ** 31 }, id: 'c1' });
    // A message may end behind a field: there are three.
    const whole = [message.length, message.length - 4, 2 + (message[1] ?? 0), 0];
    for (let length = 0; length <= message.length; length += 1) {
      const cut = message.subarray(0, length);
      if (whole.includes(length)) assert.doesNotThrow(() => decodeEventsRequest(cut), String(length));
      else assert.throws(() => decodeEventsRequest(cut), INVALID, String(length));
    }
  });

  it('refuses what is no protobuf: wrong wire types, varints without end, lengths beyond the message', () => {
    for (const bytes of [
      [0x0b],
      [0x0c],
      [0x0e],
      [0x0f],
      [0x08],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x22, 0x7f],
      [0x22, 0xff, 0xff, 0xff, 0xff, 0x0f],
      [0x09, 1, 2, 3],
      [0x0d, 1, 2, 3],
    ]) {
      assert.throws(() => decodeEventsRequest(Uint8Array.from(bytes)), INVALID, bytes.join());
    }
  });

  it('throws nothing but ERR_BODY_INVALID, whatever the bytes', () => {
    const messageLike = fc
      .array(fc.constantFrom(0x0a, 0x12, 0x22, 0x08, 0x10, 0x00, 0x01, 0x05, 0x7f, 0x80, 0xff), { maxLength: 24 })
      .map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), messageLike), (bytes) => {
        try {
          const request = decodeEventsRequest(bytes);
          assert.equal(typeof request.id, 'string');
        } catch (error) {
          assert.ok(error instanceof TocsinError, String(error));
          assert.equal(error.code, 'ERR_BODY_INVALID');
        }
      }),
      { numRuns: 5000, seed: 53 },
    );
  });
});

describe('encodeEventsRequest', () => {
  it('writes what an independent implementation and decodeEventsRequest read', () => {
    fc.assert(
      fc.property(fc.option(anyTime), fc.option(anyTime), anyText, (since, until, id) => {
        fc.pre(!id.startsWith('\ufeff'));
        const request = { ...(since ? { since } : {}), ...(until ? { until } : {}), id };
        const message = unframed(encodeEventsRequest(request));
        const read = decodeRequest(message);
        for (const [sent, got] of [[since, read.since] as const, [until, read.until] as const]) {
          if (sent) assert.deepEqual(timeOf(got), sent);
          else assert.equal(got ?? null, null);
        }
        assert.equal(read.id ?? '', wellFormed(id));
        const isSet = (time: typeof since): boolean => time !== null && (time.sec > 0 || time.nanos > 0);
        assert.deepEqual(decodeEventsRequest(message), {
          ...(isSet(since) ? { since } : {}),
          ...(isSet(until) ? { until } : {}),
          id: wellFormed(id),
        });
      }),
      { numRuns: 300, seed: 54 },
    );
  });

  it('is only the prefix when nothing is asked for', () => {
    assert.deepEqual([...encodeEventsRequest({})], [0, 0, 0, 0, 0]);
  });
});
