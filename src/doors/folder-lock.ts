import fs from 'node:fs';
import path from 'node:path';
import { asTocsinError, TocsinError } from '../event/errors.ts';
import { loadPosix } from './posix.ts';

const FOLDER_MODE = 0o700;
const LOCK_FILE = 'lock';
const WRITABLE_BY_ALL = 0o002;
const LOOK_AGAIN_MS = 2;

/**
 * Creates the folder if it is missing, and keeps every other process out of it until `close`.
 * @param patienceMs how long to wait for another process to let go
 * @throws ERR_HISTORY_UNUSABLE, ERR_POSIX_UNAVAILABLE
 */
export async function lockFolder(folder: string, patienceMs = 0): Promise<{ close(): void }> {
  const posix = await loadPosix();
  let fd: number;
  try {
    fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    if ((fs.statSync(folder).mode & WRITABLE_BY_ALL) !== 0)
      throw new TocsinError('ERR_HISTORY_UNUSABLE', `everybody may write to ${folder}: chmod o-w`);
    fd = fs.openSync(path.join(folder, LOCK_FILE), 'a', 0o600);
  } catch (error) {
    throw asTocsinError(error, 'ERR_HISTORY_UNUSABLE');
  }
  const deadline = performance.now() + patienceMs;
  while (posix.lockDescription(fd) !== 0) {
    if (performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      continue;
    }
    fs.closeSync(fd);
    throw new TocsinError('ERR_HISTORY_UNUSABLE', `another process writes the history in ${folder}`);
  }
  return { close: () => fs.closeSync(fd) };
}
