import { assertNever } from '../event/errors.ts';
import type { Crc32, Disk } from './disk.ts';
import { checkFile, type CheckTask, type FileReport } from './file-check.ts';
import { scanFile, type ScanResult, type ScanTask } from './file-scan.ts';
import { summarizeFile, type FileSummary, type SummaryTask } from './file-summary.ts';

/** What can be done with a history file, and what comes of it. Both can be cloned. */
export interface ScanJobs {
  readonly scan: { readonly task: ScanTask; readonly result: ScanResult };
  readonly check: { readonly task: CheckTask; readonly result: FileReport };
  readonly summarize: { readonly task: SummaryTask; readonly result: FileSummary };
}

export type ScanJob = keyof ScanJobs;

/**
 * Does the same with many files, or parts of them, several at a time. Results come in the order of the tasks; tasks are asked for
 * only a few ahead of what has been taken, and leaving the loop asks for no more.
 */
export interface ScanPool {
  /**
   * @param isAhead as many at a time as there are threads, before they are asked for; otherwise one
   * @throws what a task throws, in its turn
   */
  run<Job extends ScanJob>(
    job: Job,
    tasks: Iterable<ScanJobs[Job]['task']>,
    isAhead?: boolean,
  ): AsyncIterable<ScanJobs[Job]['result']>;
  /** Ends its threads. */
  close(): Promise<void>;
}

/** A job and its task, as one thing. */
export type ScanJobCall = { [Job in ScanJob]: { readonly job: Job; readonly task: ScanJobs[Job]['task'] } }[ScanJob];

/** Does one job with one file. @throws as the job does */
export async function runScanJob(disk: Disk, crc32: Crc32, call: ScanJobCall): Promise<ScanJobs[ScanJob]['result']> {
  switch (call.job) {
    case 'scan':
      return scanFile(disk, crc32, call.task);
    case 'check':
      return checkFile(disk, crc32, call.task);
    case 'summarize':
      return summarizeFile(disk, crc32, call.task);
    default:
      return assertNever(call);
  }
}
