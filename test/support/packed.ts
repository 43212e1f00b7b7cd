import { EventPacker } from '../../src/codec/event-packer.ts';
import { EventView } from '../../src/codec/event-record.ts';
import type { NewEvent, Timestamp } from '../../src/event/event.ts';
import { EVENT, NO_EXIT_CODE, NO_PID } from '../../src/messages/layout.ts';

/** The record of one event, in memory of its own. */
export function packEvent(event: NewEvent): Uint8Array<ArrayBuffer> {
  const packer = new EventPacker();
  packer.add(event);
  return packer.records(0, 1).slice();
}

/** The record of one line, in memory of its own. */
export function packLine(line: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof line === 'string' ? Buffer.from(line) : line;
  const packer = new EventPacker();
  packer.addLine(bytes, 0, bytes.length);
  return packer.records(0, 1).slice();
}

/** What a line says, as an event that can be published. */
export function eventOfLine(line: string | Uint8Array): NewEvent {
  return eventOfRecord(packLine(line));
}

export function eventOfRecord(record: Uint8Array<ArrayBuffer>): NewEvent {
  const view = new EventView(record.buffer);
  const { type, action, args, id, pid, exitCode, scope, source, namespace } = view;
  const fields = new DataView(record.buffer);
  const time: Timestamp = {
    sec: fields.getUint32(EVENT.SOURCE_SEC, true),
    nanos: fields.getUint32(EVENT.SOURCE_NANOS, true),
  };
  return {
    type,
    action,
    ...(args === '' ? {} : { args }),
    id,
    attributes: Object.fromEntries(view.attributes()),
    ...(pid === NO_PID ? {} : { pid }),
    ...(exitCode === NO_EXIT_CODE ? {} : { exitCode }),
    ...(scope === '' ? {} : { scope }),
    ...(source === '' ? {} : { source }),
    ...(namespace === '' ? {} : { namespace }),
    ...(time.sec === 0 && time.nanos === 0 ? {} : { time }),
  };
}
