import { asTocsinError } from '../event/errors.ts';
import { runScanJob, type ScanJobCall } from '../history/scan-pool.ts';
import { crc32, HistoryFolder } from './history-folder.ts';
import { withMemory, type ScanAnswer } from './scan-pool.ts';

/** What a thread of the scan pool does with each task. */
export default async function scan(call: ScanJobCall & { readonly folder: string }): Promise<unknown> {
  const folder = new HistoryFolder(call.folder);
  try {
    const answer: ScanAnswer = { result: await runScanJob(folder, crc32, call) };
    return 'holes' in answer.result ? await withMemory(answer, answer.result.bytes) : answer;
  } catch (error) {
    return { error: asTocsinError(error, 'ERR_FILE_UNREADABLE').toData() } satisfies ScanAnswer;
  } finally {
    folder.close();
  }
}
