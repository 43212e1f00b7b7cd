import type { Timestamp } from '../event/event.ts';
import { compareTime } from '../event/time.ts';
import type { BatchHead } from './batch.ts';
import type { Crc32 } from './disk.ts';

/** A batch that reading may begin with. */
export interface IndexEntry {
  readonly offset: number;
  readonly seq: number;
  readonly time: Timestamp;
}

/** One entry for so many bytes of the file. */
const STRIDE_BYTES = 64 * 1024;
const MAGIC = 0x31494354;
const HEAD_BYTES = 16;
const ENTRY_BYTES = 24;

/** A sparse index of one history file: sequence number and time to place in the file. */
export class FileIndex {
  readonly #entries: IndexEntry[] = [];

  /** In the order of the file. */
  get entries(): readonly IndexEntry[] {
    return this.#entries;
  }

  /** Takes note of the file's next batch, if the last one that it knows is far enough behind. */
  add(offset: number, { count, firstSeq, first }: BatchHead): void {
    if (count === 0) return;
    const last = this.#entries.at(-1);
    if (!last || offset - last.offset >= STRIDE_BYTES) this.#entries.push({ offset, seq: firstSeq, time: first });
  }

  /** Where to begin to find event `seq`; undefined when the file has no event up to it. */
  find(seq: number): IndexEntry | undefined {
    return this.#last((entry) => entry.seq <= seq);
  }

  /** Where to begin to find every event from `time` on; undefined when all of the file's are. */
  findTime(time: Timestamp): IndexEntry | undefined {
    return this.#last((entry) => compareTime(entry.time, time) < 0);
  }

  /** As it stands beside the file. `covered` is how much of the file it knows. */
  pack(covered: number, crc32: Crc32): Uint8Array {
    const out = new Uint8Array(HEAD_BYTES + this.#entries.length * ENTRY_BYTES);
    const fields = new DataView(out.buffer);
    fields.setUint32(0, MAGIC, true);
    fields.setUint32(8, covered % 0x100000000, true);
    fields.setUint32(12, Math.floor(covered / 0x100000000), true);
    this.#entries.forEach(({ offset, seq, time }, index) => {
      const at = HEAD_BYTES + index * ENTRY_BYTES;
      fields.setUint32(at, offset, true);
      fields.setUint32(at + 8, seq % 0x100000000, true);
      fields.setUint32(at + 12, Math.floor(seq / 0x100000000), true);
      fields.setUint32(at + 16, time.sec, true);
      fields.setUint32(at + 20, time.nanos, true);
    });
    fields.setUint32(4, crc32(out.subarray(8)), true);
    return out;
  }

  /** @returns undefined when the bytes are no index; it is then made anew from the file */
  static unpack(bytes: Uint8Array, crc32: Crc32): { readonly index: FileIndex; readonly covered: number } | undefined {
    if (bytes.length < HEAD_BYTES || (bytes.length - HEAD_BYTES) % ENTRY_BYTES !== 0) return undefined;
    const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const field = (offset: number): number => fields.getUint32(offset, true);
    if (field(0) !== MAGIC || field(4) !== crc32(bytes.subarray(8))) return undefined;
    const index = new FileIndex();
    for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
      index.#entries.push({
        offset: field(at),
        seq: field(at + 8) + field(at + 12) * 0x100000000,
        time: { sec: field(at + 16), nanos: field(at + 20) },
      });
    }
    return { index, covered: field(8) + field(12) * 0x100000000 };
  }

  #last(isBefore: (entry: IndexEntry) => boolean): IndexEntry | undefined {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#entries[middle]!)) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low - 1];
  }
}
