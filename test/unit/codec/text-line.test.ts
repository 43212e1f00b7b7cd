import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { formatTextLine } from '../../../src/codec/text-line.ts';
import type { NewEvent, Timestamp } from '../../../src/event/event.ts';
import { EPOCHS, viewOf } from '../../support/log.ts';

const ID = '3277ec2e57cde72cbd20a1fea4bb4444e29df67f6fc27e60f8532b733b7ef400';
const TIME = { sec: 1_652_174_434, nanos: 661_862_100 };

function line(event: NewEvent, time: Timestamp = TIME): string {
  return formatTextLine(viewOf(event, { time }).toEvent(EPOCHS));
}

describe('formatTextLine', () => {
  const zone = process.env.TZ;
  const inZone = (name: string): void => {
    process.env.TZ = name;
  };
  before(() => inZone('Asia/Shanghai'));
  after(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  it('prints the line that iSulad\u2019s design shows', () => {
    assert.equal(
      line({ type: 'container', action: 'start', id: ID, attributes: { name: ID, image: 'busybox' }, pid: 9007 }),
      `2022-05-10T17:20:34.661862100+08:00 container start ${ID} (image=busybox, name=${ID}, pid=9007)`,
    );
  });

  it('prints args behind a colon, as they are', () => {
    assert.equal(
      line({ type: 'container', action: 'exec_create', id: 'c1', args: 'sh -c\nls' }),
      '2022-05-10T17:20:34.661862100+08:00 container exec_create: sh -c\nls c1',
    );
  });

  it('prints no parenthesis when there is nothing to put into it', () => {
    assert.equal(
      line({ type: 'image', action: 'pull', id: 'busybox:latest' }),
      '2022-05-10T17:20:34.661862100+08:00 image pull busybox:latest',
    );
  });

  it('sorts annotations and leaves an exit code of 0 out', () => {
    const event: NewEvent = {
      type: 'container',
      action: 'die',
      id: 'c1',
      attributes: { zone: 'eu', app: 'web' },
      pid: 7,
    };
    assert.match(line({ ...event, exitCode: 0 }), / \(app=web, pid=7, zone=eu\)$/);
    assert.match(line({ ...event, exitCode: 137 }), / \(app=web, exitCode=137, pid=7, zone=eu\)$/);
  });

  it('lets no attribute hide the service\u2019s own pid and exit code', () => {
    const attributes = { pid: '666', exitCode: '0' };
    assert.match(
      line({ type: 'container', action: 'die', id: 'c1', pid: 7, exitCode: 3, attributes }),
      / \(exitCode=3, pid=7\)$/,
    );
  });

  it('prints the offset of the zone at that time, whole minutes west included', () => {
    try {
      inZone('America/St_Johns');
      assert.match(line({ type: 'image', action: 'pull', id: 'x' }), /^2022-05-10T06:50:34\.661862100-02:30 /);
      inZone('UTC');
      assert.match(line({ type: 'image', action: 'pull', id: 'x' }), /^2022-05-10T09:20:34\.661862100\+00:00 /);
    } finally {
      inZone('Asia/Shanghai');
    }
  });
});
