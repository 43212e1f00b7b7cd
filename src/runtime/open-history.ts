import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { type Epoch, makeEpoch } from '../event/cursor.ts';
import { asTocsinError } from '../event/errors.ts';
import { isDurable, type Options } from '../event/options.ts';
import { newLog, type Recovered, recoverHistory, secureHistory } from '../history/recovery.ts';
import { crc32, HistoryFolder } from './history-folder.ts';

export function newEpoch(): Epoch {
  return makeEpoch(randomBytes(8));
}

/** Names the life of the machine: what the system had taken is there as long as that lasts. */
export function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Then every start counts as one of the machine.
    return newEpoch();
  }
}

/** What the pipeline goes on with: nothing, or what an earlier process left in the folder. @throws ERR_HISTORY_UNUSABLE */
export async function recover(options: Options): Promise<Recovered> {
  if (!isDurable(options)) return newLog(newEpoch());
  const folder = new HistoryFolder(options.history);
  try {
    folder.tidy();
    const recovered = recoverHistory(folder, { crc32, boot: bootId(), newEpoch });
    await secureHistory(folder, recovered);
    return recovered;
  } catch (error) {
    throw asTocsinError(error, 'ERR_HISTORY_UNUSABLE');
  } finally {
    folder.close();
  }
}
