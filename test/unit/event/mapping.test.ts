import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Epochs } from '../../../src/event/epochs.ts';
import { describe, it } from 'node:test';
import * as protoLoader from '@grpc/proto-loader';
import { utf8 } from '../../../src/codec/bytes.ts';
import { DockerJsonEncoder } from '../../../src/codec/docker-json.ts';
import type { Encoder } from '../../../src/codec/encoder.ts';
import type { EventView } from '../../../src/codec/event-record.ts';
import { makeOrigin, type Origin, RecordFormatter } from '../../../src/codec/format-record.ts';
import { IsuladGrpcEncoder } from '../../../src/codec/isulad-grpc.ts';
import {
  encodeContainerRecord,
  encodeImageRecord,
  isMonitorRecord,
  readInt32,
} from '../../../src/codec/monitor-record.ts';
import { NativeJsonEncoder } from '../../../src/codec/native-json.ts';
import { CONTAINER_STATES, IMAGE_STATES } from '../../../src/event/operators.ts';
import { parseTime } from '../../../src/event/time.ts';
import { Segment } from '../../../src/history/segment.ts';
import { MONITOR, SEGMENT } from '../../../src/messages/layout.ts';
import { projectRoot } from '../../architecture/source.ts';
import { eventOfLine } from '../../support/packed.ts';

const PAGE = fs.readFileSync(path.join(projectRoot(), 'docs/mapping.md'), 'utf8');
const EPOCHS = new Epochs([{ epoch: 'k3x7q2mf', firstSeq: 1 }]);
const TIME = parseTime('2026-05-10T09:20:34.661862100Z', { sec: 0, nanos: 0 });
const SEQ = 7;
const UNKNOWN = { pid: 0, exitCode: 0, known: false };

/** Cells by the head of their column. */
type Row = Readonly<Record<string, string>>;

/** The first table below a heading. */
function tableOf(heading: string): Row[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const [head = [], , ...rows] = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  return rows.map((cells) => Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ''])));
}

/** iSulad's wire, as protobuf sees it. */
const PROTO = {
  nested: {
    containers: {
      nested: {
        Timestamp: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
        EventsRequest: { fields: { id: { type: 'string', id: 4 } } },
        Event: {
          fields: {
            timestamp: { type: 'Timestamp', id: 1 },
            opt: { type: 'string', id: 2 },
            id: { type: 'string', id: 3 },
            annotations: { keyType: 'string', type: 'string', id: 4 },
          },
        },
        ContainerService: {
          methods: { Events: { requestType: 'EventsRequest', responseType: 'Event', responseStream: true } },
        },
      },
    },
  },
};
// The types of protobufjs want properties that its own JSON does not need.
const SERVICE = protoLoader.fromJSON(PROTO as unknown as Parameters<typeof protoLoader.fromJSON>[0], { longs: String })[
  'containers.ContainerService'
] as protoLoader.ServiceDefinition;

interface WireEvent {
  readonly timestamp: { readonly seconds: string; readonly nanos: number };
  readonly opt: string;
  readonly id: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The record as the log holds it. */
function pack(record: Uint8Array, origin: Origin): EventView {
  assert.ok(isMonitorRecord(record, 0));
  const { view } = Segment.create(64 * 1024, SEQ);
  const pos = SEGMENT.HEADER_BYTES;
  new RecordFormatter().format(view, pos, record, 0, origin, SEQ, TIME.sec, TIME.nanos);
  view.at = pos;
  return view;
}

function encode(encoder: Encoder, event: EventView): Uint8Array {
  const out = new Uint8Array(encoder.maxBytes(event.byteLength));
  return out.subarray(0, encoder.encode(event, out, 0));
}

function nativeLine(event: EventView): string {
  return Buffer.from(encode(new NativeJsonEncoder(EPOCHS, 'plain'), event)).toString('utf8');
}

function dockerLine(event: EventView): string {
  return Buffer.from(
    encode(
      new DockerJsonEncoder({ dialect: 'modern', framing: 'plain', isSequence: false, cursors: undefined }),
      event,
    ),
  ).toString('utf8');
}

function isuladEvent(event: EventView): WireEvent {
  const message = Buffer.from(encode(new IsuladGrpcEncoder(), event));
  assert.equal(message[0], 0);
  assert.equal(message.readUInt32BE(1), message.length - 5);
  return SERVICE['Events']?.responseDeserialize(message.subarray(5)) as unknown as WireEvent;
}

/** Native and iSulad form of the same record are what the row says. */
function checkForms(row: Row, record: Uint8Array, args: string): void {
  assert.equal(readInt32(record, MONITOR.VALUE), Number(row['value']));
  const event = pack(record, makeOrigin(utf8('x1'), UNKNOWN));
  const native = JSON.parse(nativeLine(event)) as Readonly<Record<string, unknown>>;
  const given = { type: native['type'], action: native['action'], args: native['args'] ?? '', id: native['id'] };
  assert.deepEqual(given, { type: row['native type'], action: row['native action'], args, id: 'x1' });
  const { opt, id } = isuladEvent(event);
  const tail = args === '' ? '' : `: ${args}`;
  assert.deepEqual({ opt, id }, { opt: `${row['iSulad `opt`']}${tail}`, id: 'x1' });
  const docker = JSON.parse(dockerLine(event)) as { Type: string; Action: string; Actor: { ID: string } };
  assert.deepEqual([docker.Type, docker.Action], [row['Docker Type'], `${row['Docker Action']}${tail}`]);
  assert.equal(docker.Actor.ID, 'x1');
  // And back, as an archive of Docker's is read.
  const { type, action, args: argsBack = '' } = eventOfLine(dockerLine(event));
  assert.deepEqual([type, action, argsBack], [row['native type'], row['native action'], args]);
}

function checkSenders(row: Row): void {
  for (const column of ['iSulad sends it', 'Docker sends it']) assert.match(row[column] ?? '', /^(yes|no)$/);
}

describe('docs/mapping.md: container states', () => {
  const rows = tableOf('Container states');

  it('has exactly the states of the code, in order', () => {
    assert.deepEqual(
      rows.map((row) => `${row['value']} ${row['state']}`),
      CONTAINER_STATES.map(({ state }, value) => `${value} ${state}`),
    );
    assert.equal(rows.length, 29);
  });

  for (const row of rows) {
    const { state = '', 'native action': action = '' } = row;
    it(`${state} is what the row says, with and without args`, () => {
      for (const word of [state, action, action.toUpperCase()]) {
        checkForms(row, encodeContainerRecord({ id: 'x1', state: word }), '');
        checkForms(row, encodeContainerRecord({ id: 'x1', state: word, args: 'ls -l' }), 'ls -l');
      }
      checkSenders(row);
    });
  }
});

describe('docs/mapping.md: image states', () => {
  const rows = tableOf('Image states');

  it('has exactly the states of the code, in order', () => {
    assert.deepEqual(
      rows.map((row) => `${row['value']} ${row['state']}`),
      IMAGE_STATES.map(({ state }, value) => `${value} ${state}`),
    );
    assert.equal(rows.length, 7);
  });

  for (const row of rows) {
    const { state = '' } = row;
    it(`${state} is what the row says`, () => {
      checkForms(row, encodeImageRecord({ ref: 'x1', state }), '');
      checkSenders(row);
    });
  }
});

describe('docs/mapping.md: example', () => {
  const [nativeExample = '', isuladExample = '', dockerExample = ''] = [...PAGE.matchAll(/```json\n(.*)\n```/g)].map(
    ([, line]) => line,
  );
  const record = encodeContainerRecord({ id: 'web', state: 'EXEC_CREATE', args: 'ls -l', extra: 'traceId=17' });
  const labels = { tier: 'front' };
  const spec = { name: 'web', image: 'busybox:latest', labels, pid: 9007, exitCode: 0, known: true };
  const event = pack(record, makeOrigin(utf8('3277ea8c0f1b'), spec));

  it('has the Docker line, byte for byte', () => {
    assert.equal(dockerLine(event), `${dockerExample}\n`);
  });

  it('has the native line, byte for byte', () => {
    assert.equal(nativeLine(event), `${nativeExample}\n`);
  });

  it('has the iSulad event, with annotations in the order of the wire', () => {
    assert.equal(JSON.stringify(isuladEvent(event)), isuladExample);
  });
});
