import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import { type ListedFile, listFiles } from '../history/folder-listing.ts';
import { crc32, HistoryFolder } from '../runtime/history-folder.ts';
import { ThreadedScans } from '../runtime/scan-pool.ts';
import { runPaths } from './paths.ts';

export interface PlaceFlags {
  readonly root?: string;
  readonly history?: string;
  readonly threads?: string;
}

/** A history folder that is looked at and not changed, whether or not a daemon writes to it. */
export interface HistoryPlace {
  readonly disk: HistoryFolder;
  readonly files: readonly ListedFile[];
  readonly pool: ThreadedScans;
}

/** More gain little: they wait for the disk, and for who takes the results. */
const MAX_THREADS = 64;
const DEFAULT_THREADS = 4;

/** Opens the folder that flags name, does something with it, and lets go of it. @throws ERR_FILE_UNREADABLE, ERR_OPTION_INVALID */
export async function atHistory<T>(flags: PlaceFlags, use: (place: HistoryPlace) => Promise<T>): Promise<T> {
  const folder = flags.history ? path.resolve(flags.history) : runPaths(flags.root ?? '').history;
  const pool = new ThreadedScans(folder, threadsOf(flags.threads));
  const disk = new HistoryFolder(folder);
  try {
    return await use({ disk, files: filesOf(disk, folder), pool });
  } finally {
    disk.close();
    await pool.close();
  }
}

function filesOf(disk: HistoryFolder, folder: string): readonly ListedFile[] {
  try {
    // Before anything else, so that the message names the folder.
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.X_OK);
    return listFiles(disk, crc32);
  } catch (cause) {
    const { message } = asTocsinError(cause);
    throw new TocsinError('ERR_FILE_UNREADABLE', `cannot read the history in ${folder}: ${message}`, { cause });
  }
}

function threadsOf(text: string | undefined): number {
  if (text === undefined) return Math.max(1, Math.min(DEFAULT_THREADS, os.availableParallelism()));
  const threads = Number(text);
  if (/^\d{1,3}$/.test(text) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw new TocsinError('ERR_OPTION_INVALID', `threads: expected 1 to ${MAX_THREADS}, got ${JSON.stringify(text)}`);
}

/** A line on stderr. */
export function notice(text: string): void {
  process.stderr.write(`tocsin: ${text}\n`);
}
