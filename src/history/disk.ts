/**
 * What the history needs of a folder. Everything but syncs is done when the call returns; every call may throw what the system
 * threw. One implementation for real folders (runtime/history-folder.ts), one for simulated ones; both pass one suite.
 */
export interface Disk {
  /** Names of the files in the folder, in no order. */
  list(): string[];
  size(name: string): number;
  /** Fills `into` from `offset` on. @returns how many bytes there were */
  read(name: string, offset: number, into: Uint8Array): number;
  /** A small file, all at once: it is there whole or not at all. */
  write(name: string, bytes: Uint8Array): void;
  remove(name: string): void;
  rename(from: string, to: string): void;
  /** Resolves when these files and their names survive a loss of power, as far as they are there. */
  sync(names: readonly string[]): Promise<void>;
  /** A file that grows. @param length where to go on; what stands behind it is cut off */
  open(name: string, length: number): SegmentSink;
}

/** The end of a file. One writer, one write at a time. */
export interface SegmentSink {
  /** Bytes that have been written whole. */
  readonly length: number;
  /**
   * Hands the bytes to the system; they may be used again when it returns.
   * @throws when not all of them were taken: then part of them may be in the file, until `truncate`
   */
  append(bytes: Uint8Array): void;
  /** Resolves when all that was appended before survives a loss of power. */
  sync(): Promise<void>;
  /** Cuts the file off. */
  truncate(length: number): void;
  close(): void;
}

/** CRC-32 as zlib has it. */
export type Crc32 = (bytes: Uint8Array) => number;

/** Whether an error of a disk says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
