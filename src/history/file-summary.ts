import { utf8 } from '../codec/bytes.ts';
import { EventView } from '../codec/event-record.ts';
import type { Epoch } from '../event/cursor.ts';
import type { Timestamp } from '../event/event.ts';
import { EVENT, HISTORY_BATCH, HISTORY_FILE } from '../messages/layout.ts';
import { ByteTally } from './byte-tally.ts';
import { type Crc32, type Disk, isMissing } from './disk.ts';
import { FileReader } from './file-reader.ts';
import { fileName, readFileHead } from './history-file.ts';

/** A file whose events are to be counted. */
export interface SummaryTask {
  readonly file: number;
}

/** What a file holds. */
export interface FileSummary {
  readonly file: number;
  readonly isGone: boolean;
  readonly bytes: number;
  readonly epoch: Epoch | undefined;
  readonly batches: number;
  readonly events: number;
  /** Undefined without an event. */
  readonly first: Timestamp | undefined;
  readonly last: Timestamp | undefined;
  /** Bytes that hold no batch that can be believed. */
  readonly badBytes: number;
  /** Events by `type action`, and by the id of the container. */
  readonly actions: ReadonlyMap<string, number>;
  readonly containers: ReadonlyMap<string, number>;
}

const CONTAINER = 'container';
const TYPE_CONTAINER = utf8(CONTAINER);

/** Counts what there is in a file. @throws what the disk throws, unless that is that there is no such file */
export function summarizeFile(disk: Disk, crc32: Crc32, { file }: SummaryTask): FileSummary {
  const count = new Count();
  let isGone = false;
  let bytes = 0;
  let epoch: Epoch | undefined;
  let batches = 0;
  let events = 0;
  let first: Timestamp | undefined;
  let last: Timestamp | undefined;
  let badBytes = 0;
  try {
    const name = fileName(file);
    bytes = disk.size(name);
    const header = new Uint8Array(HISTORY_FILE.BYTES);
    epoch = readFileHead(header.subarray(0, disk.read(name, 0, header)), crc32)?.epoch;
    const reader = new FileReader(disk, name, crc32);
    for (let item = reader.next(); item; item = reader.next()) {
      if (!('head' in item)) {
        badBytes += item.length;
        continue;
      }
      const { head } = item;
      batches += 1;
      if (head.count === 0) continue;
      events += head.count;
      first ??= head.first;
      ({ last } = head);
      const from = item.at + HISTORY_BATCH.BYTES;
      count.add(item.bytes, from, from + head.eventBytes);
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    isGone = true;
  }
  return { file, isGone, bytes, epoch, batches, events, first, last, badBytes, ...count.result() };
}

class Count {
  /** By type: actions. */
  readonly #actions = new Map<string, ByteTally>();
  readonly #containers = new ByteTally();
  #view = new EventView(new ArrayBuffer(0));
  #viewed: Uint8Array | undefined;

  add(bytes: Uint8Array, from: number, to: number): void {
    if (bytes !== this.#viewed) {
      this.#viewed = bytes;
      this.#view = new EventView(bytes.buffer);
    }
    const view = this.#view;
    for (view.at = from; view.at < to; view.at += view.byteLength) {
      const typeFrom = view.at + EVENT.FIXED_BYTES;
      const actionFrom = typeFrom + view.half(EVENT.TYPE_BYTES);
      const argsFrom = actionFrom + view.half(EVENT.ACTION_BYTES);
      const isContainer = view.isOfType(TYPE_CONTAINER);
      this.#actionsOf(isContainer ? CONTAINER : view.type).add(bytes, actionFrom, argsFrom);
      if (!isContainer) continue;
      const idFrom = argsFrom + view.half(EVENT.ARGS_BYTES);
      this.#containers.add(bytes, idFrom, idFrom + view.half(EVENT.ID_BYTES));
    }
  }

  result(): Pick<FileSummary, 'actions' | 'containers'> {
    const actions = new Map<string, number>();
    for (const [type, tally] of this.#actions)
      for (const [action, count] of tally.counts()) actions.set(`${type} ${action}`, count);
    return { actions, containers: this.#containers.counts() };
  }

  #actionsOf(type: string): ByteTally {
    let tally = this.#actions.get(type);
    if (!tally) this.#actions.set(type, (tally = new ByteTally()));
    return tally;
  }
}
