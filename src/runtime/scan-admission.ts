import type PQueue from 'p-queue';
import type { ScanAdmission } from '../history/history-scans.ts';

/**
 * Who comes back for what he missed goes before who has only just begun, as if he had come so much earlier; otherwise first come,
 * first served. So nobody waits for ever: clients that come back by time, as stock ones do, count as having just begun.
 */
const RESUME_HEAD_START_MS = 2_000;

/**
 * Lets so many scans of history run at a time. Each client has one at most; the others wait in line. The queue is loaded with the
 * first scan.
 */
export function scanAdmission(concurrency: number): ScanAdmission {
  let queue: Promise<PQueue> | undefined;
  const open = async (): Promise<PQueue> => new (await import('p-queue')).default({ concurrency });
  return {
    async admit<T>(isResume: boolean, scan: () => Promise<T>): Promise<T> {
      const line = await (queue ??= open());
      return line.add<T>(scan, { priority: (isResume ? RESUME_HEAD_START_MS : 0) - performance.now() });
    },
  };
}
