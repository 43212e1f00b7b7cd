import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { EventView } from '../../src/codec/event-record.ts';
import { Epochs } from '../../src/event/epochs.ts';
import type { Disk } from '../../src/history/disk.ts';
import { EVENT, HISTORY_BATCH, HISTORY_FILE } from '../../src/messages/layout.ts';
import type { EpochSpan } from '../../src/event/epochs.ts';
import { type LoggedEvent, loggedEvent } from '../support/world.ts';

const NO_EPOCHS = new Epochs([{ epoch: 'xxxxxxxx', firstSeq: 1 }]);

/** Every event that stands whole in the files of a history, found without the code under test; each must be there once. */
export function scanDisk(disk: Disk, spans: readonly EpochSpan[]): Map<number, LoggedEvent> {
  const epochs = new Epochs(spans);
  const found = new Map<number, LoggedEvent>();
  for (const name of disk.list().filter((file) => file.endsWith('.log'))) {
    for (const event of scanFile(disk, name, epochs).events) {
      assert.ok(!found.has(event.seq), `event ${event.seq} is on disk twice, the second time in ${name}`);
      found.set(event.seq, event);
    }
  }
  return found;
}

/** Whether part of a file is in no batch that stands whole: nobody knows what it said. */
export function hasHoles(disk: Disk): boolean {
  return disk.list().some((name) => name.endsWith('.log') && scanFile(disk, name, NO_EPOCHS).isTorn);
}

/** Numbers of the events that stand whole in one file. */
export function seqsOnDisk(disk: Disk, name: string): number[] {
  return scanFile(disk, name, NO_EPOCHS).events.map(({ seq }) => seq);
}

function scanFile(
  disk: Disk,
  name: string,
  epochs: Epochs,
): { readonly events: LoggedEvent[]; readonly isTorn: boolean } {
  const bytes = new Uint8Array(new ArrayBuffer(disk.size(name)));
  disk.read(name, 0, bytes);
  const fields = new DataView(bytes.buffer);
  const view = new EventView(bytes.buffer.slice(0, bytes.length & ~7));
  const events: LoggedEvent[] = [];
  let isTorn = false;
  for (let at: number = HISTORY_FILE.BYTES; at + HISTORY_BATCH.BYTES <= bytes.length; ) {
    const field = (offset: number): number => fields.getUint32(at + offset, true);
    const length = field(HISTORY_BATCH.LENGTH);
    const isBatch =
      field(HISTORY_BATCH.MAGIC) === HISTORY_BATCH.MAGIC_VALUE &&
      length >= HISTORY_BATCH.BYTES &&
      at + length <= bytes.length &&
      crc32(bytes.subarray(at + HISTORY_BATCH.LENGTH, at + length)) === field(HISTORY_BATCH.CRC);
    if (!isBatch) {
      isTorn = true;
      at += 8;
      continue;
    }
    const end = at + HISTORY_BATCH.BYTES + field(HISTORY_BATCH.EVENT_BYTES);
    for (view.at = at + HISTORY_BATCH.BYTES; view.at < end; view.at += fields.getInt32(view.at + EVENT.LENGTH, true))
      events.push(loggedEvent(view, epochs));
    at += length;
  }
  return { events, isTorn };
}
