import { HISTORY_FILE } from '../messages/layout.ts';
import { type BatchHead, isIntact, MAX_BATCH_BYTES, readBatchHead } from './batch.ts';
import type { Crc32, Disk } from './disk.ts';

/** A batch as it was found: `bytes` from `at` on are it until the next one is asked for; `offset` is its place in the file. */
export interface FoundBatch {
  readonly offset: number;
  readonly head: BatchHead;
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** A stretch of a file in which there is no batch that can be believed. */
export interface BadStretch {
  readonly offset: number;
  readonly length: number;
  /** No batch follows. */
  readonly isTail: boolean;
  /** It is the beginning of a batch whose write did not come to its end. */
  readonly isTorn: boolean;
}

/** Reads grow: who only looks for one batch, or stops soon, needs no large buffer. */
const FIRST_CHUNK_BYTES = 128 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads a file batch by batch, in large reads. Where a batch is not what was written it looks for the next one that is, so that
 * a bad sector costs what it hit and no more.
 */
export class FileReader {
  readonly #disk: Disk;
  readonly #name: string;
  readonly #crc32: Crc32;
  readonly #to: number;
  #end: number;
  /** The file goes on behind what is read. */
  #isBounded: boolean;
  #buffer: Uint8Array = new Uint8Array(0);
  /** Place in the file of the buffer's first byte, and how many there are. */
  #offset: number;
  #filled = 0;
  #at = 0;

  /** @param from where a batch begins; @param to nothing behind it is read: where another one begins */
  constructor(disk: Disk, name: string, crc32: Crc32, from: number = HISTORY_FILE.BYTES, to = Infinity) {
    this.#disk = disk;
    this.#name = name;
    this.#crc32 = crc32;
    this.#to = to;
    const size = disk.size(name);
    this.#end = Math.min(size, to);
    this.#isBounded = size > to;
    this.#offset = from;
  }

  /** Where the next batch is expected. */
  get position(): number {
    return this.#offset + this.#at;
  }

  /** Stands before the batch at `offset`, and looks how long the file is now. */
  seek(offset: number): void {
    const size = this.#disk.size(this.#name);
    this.#end = Math.min(size, this.#to);
    this.#isBounded = size > this.#to;
    if (offset < this.#offset || offset > this.#offset + this.#filled) {
      this.#offset = offset;
      this.#filled = 0;
    }
    this.#at = offset - this.#offset;
  }

  /** @returns undefined at the end of the file, as it was when it was looked at last */
  next(): FoundBatch | BadStretch | undefined {
    if (this.position >= this.#end) return undefined;
    const head = this.#headAt(this.position);
    if (head && this.#isIntact(head)) return this.#take(head);
    return this.#skip(head);
  }

  #take(head: BatchHead): FoundBatch {
    const found = { offset: this.position, head, bytes: this.#buffer, at: this.#at };
    this.#at += head.length;
    return found;
  }

  #skip(claimed: BatchHead | undefined): BadStretch {
    const from = this.position;
    const isTorn =
      !this.#isBounded && this.#end - from < MAX_BATCH_BYTES && (!claimed || from + claimed.length > this.#end);
    for (let offset = from + 8; offset < this.#end; offset += 8) {
      const head = this.#headAt(offset);
      if (head && this.#isIntact(head)) return { offset: from, length: offset - from, isTail: false, isTorn: false };
    }
    this.#at = this.#end - this.#offset;
    return { offset: from, length: this.#end - from, isTail: true, isTorn };
  }

  #headAt(offset: number): BatchHead | undefined {
    this.#load(offset, 48);
    return readBatchHead(this.#buffer.subarray(0, this.#filled), this.#at);
  }

  /** Of the batch that begins where the reader stands. */
  #isIntact(head: BatchHead): boolean {
    this.#load(this.position, head.length);
    return this.#filled - this.#at >= head.length && isIntact(this.#buffer, this.#at, head, this.#crc32);
  }

  /** Stands at `offset`, with so many bytes in the buffer if the file has them. */
  #load(offset: number, length: number): void {
    this.#at = offset - this.#offset;
    if (this.#at >= 0 && this.#at + length <= this.#filled) return;
    const left = this.#end - offset;
    const doubled = 2 * this.#buffer.length;
    const chunk = Math.max(length, Math.min(left, CHUNK_BYTES, Math.max(FIRST_CHUNK_BYTES, doubled)));
    if (chunk > this.#buffer.length) this.#buffer = new Uint8Array(Math.max(chunk, doubled));
    this.#offset = offset;
    this.#at = 0;
    const wanted = Math.min(this.#buffer.length, left);
    this.#filled = wanted > 0 ? this.#disk.read(this.#name, offset, this.#buffer.subarray(0, wanted)) : 0;
  }
}
