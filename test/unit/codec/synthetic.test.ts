import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DockerJsonEncoder } from '../../../src/codec/docker-json.ts';
import { EventLogEncoder } from '../../../src/codec/event-log.ts';
import { EventPacker } from '../../../src/codec/event-packer.ts';
import { EventView } from '../../../src/codec/event-record.ts';
import { IsuladGrpcEncoder } from '../../../src/codec/isulad-grpc.ts';
import { NativeJsonEncoder } from '../../../src/codec/native-json.ts';
import { formatTextLine } from '../../../src/codec/text-line.ts';
import type { NewEvent } from '../../../src/event/event.ts';
import { encoded } from '../../support/encoding.ts';
import { EPOCHS, stamp } from '../../support/log.ts';
import { packEvent, packLine } from '../../support/packed.ts';

const EVENT: NewEvent = { type: 'container', action: 'start', id: 'c1', attributes: { name: 'web' }, source: 'docker' };

function viewOfRecord(record: Uint8Array<ArrayBuffer>): EventView {
  return new EventView(stamp(record, 7, { sec: 1_700_000_000, nanos: 5 }).buffer);
}

const packer = new EventPacker();
packer.addSynthetic(EVENT);
const synthetic = viewOfRecord(packer.records(0, 1).slice());
const told = viewOfRecord(packEvent(EVENT));

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const native = (view: EventView): string => textOf(encoded(new NativeJsonEncoder(EPOCHS, 'plain'), view));
const docker = (view: EventView, cursors = false): string =>
  textOf(
    encoded(
      new DockerJsonEncoder({
        dialect: 'modern',
        framing: 'plain',
        isSequence: false,
        cursors: cursors ? EPOCHS : undefined,
      }),
      view,
    ),
  );
const logged = (view: EventView): string => textOf(encoded(new EventLogEncoder(), view));

describe('an event that no engine told', () => {
  it('says so at the end of its native line, as an object, and in text; all others say nothing of it', () => {
    assert.equal(native(synthetic), native(told).replace(/\}\n$/, ',"synthetic":true}\n'));
    assert.deepEqual(synthetic.toEvent(EPOCHS), { ...told.toEvent(EPOCHS), synthetic: true });
    assert.ok(!('synthetic' in told.toEvent(EPOCHS)));
    const text = formatTextLine(told.toEvent(EPOCHS));
    assert.equal(formatTextLine(synthetic.toEvent(EPOCHS)), `${text} (synthetic)`);
    assert.equal(logged(synthetic), logged(told).replace('}\n', ', Synthetic: true}\n'));
  });

  it('says so at the end of Docker\u2019s line, before the cursor', () => {
    assert.equal(docker(synthetic), docker(told).replace(/\}\n$/, ',"synthetic":true}\n'));
    assert.match(docker(synthetic, true), /,"synthetic":true,"cursor":"[^"]+"\}\n$/);
  });

  it('is none of iSulad\u2019s', () => {
    assert.equal(encoded(new IsuladGrpcEncoder(), synthetic).length, 0);
    assert.ok(encoded(new IsuladGrpcEncoder(), told).length > 0);
  });

  it('is the same when it was read and is published again, in both forms', () => {
    for (const line of [native(synthetic), docker(synthetic)]) {
      assert.equal(new EventView(packLine(line).buffer).isSynthetic, true, line);
      assert.equal(new EventView(packLine(line.replace(',"synthetic":true', '')).buffer).isSynthetic, false);
    }
    for (const other of ['false', '1', '"true"', 'null'])
      assert.throws(() => packLine(native(synthetic).replace('"synthetic":true', `"synthetic":${other}`)), {
        code: 'ERR_EVENT_INVALID',
        message: /synthetic: expected true/,
      });
  });

  it('is none that an engine could send', () => {
    const engine = new EventPacker('docker');
    const line = Buffer.from(docker(synthetic));
    engine.addLine(line, 0, line.length);
    assert.equal(new EventView(engine.records(0, 1).slice().buffer).isSynthetic, false);
  });
});
