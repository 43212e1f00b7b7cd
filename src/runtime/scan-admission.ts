import PQueue from 'p-queue';
import type { ScanAdmission } from '../history/history-scans.ts';

/** Who comes back for what he missed goes before who has only just begun; otherwise first come, first served. */
const RESUME_PRIORITY = 1;

/** Lets so many scans of history run at a time. Each client has one at most; the others wait in line. */
export function scanAdmission(concurrency: number): ScanAdmission {
  const queue = new PQueue({ concurrency });
  return {
    admit: <T>(isResume: boolean, scan: () => Promise<T>): Promise<T> =>
      queue.add<T>(scan, { priority: isResume ? RESUME_PRIORITY : 0 }),
  };
}
