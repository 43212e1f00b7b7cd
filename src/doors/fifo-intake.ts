import fs from 'node:fs';
import type { Monitored, RecordSource } from '../actors/monitored.ts';
import type { IntakeDriver } from '../runtime/door-hooks.ts';

/** Reads the FIFO through main's descriptor, without waiting. */
export function openSource(fifoFd: number): RecordSource {
  let isDrained = false;
  return {
    get isDrained() {
      return isDrained;
    },
    read(target) {
      // An empty pipe is the normal case and must not cost a stack trace; what V8 looks up to throw at all is dear enough.
      const limit = Error.stackTraceLimit;
      Error.stackTraceLimit = 0;
      try {
        const read = fs.readSync(fifoFd, target, 0, target.length, null);
        // A pipe gives all that it has.
        isDrained = read < target.length;
        return read;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
        throw error;
      } finally {
        Error.stackTraceLimit = limit;
      }
    },
  };
}

/** So many records in the time of one poll mean load: from then on the FIFO is polled. */
const BUSY_RECORDS = 16;
const POLL_MS = 1;
/** So few mean that the load is over. */
const QUIET_RECORDS = 4;
/** Polls in a row that found so few before the FIFO is watched again. */
const QUIET_POLLS = 16;

/**
 * Decides when to look at the FIFO. Idle, the kernel tells (inotify, one wake-up per burst of writes, no cost without
 * writes); under load every write would tell, which costs sender and reader more than looking once a millisecond.
 *
 * @param polled told, once, when there is no watch to be had
 */
export function driveIntake(monitored: Monitored, fifoFd: number, polled: (why: string) => void): IntakeDriver {
  let watcher: fs.FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  let quietPolls = 0;
  let recentRecords = 0;
  let recentSinceMs = 0;
  let isTold = false;
  let isClosed = false;

  // Through the descriptor, so that it is this FIFO even if the path has been replaced.
  const watch = (): void => {
    try {
      watcher ??= fs.watch(`/proc/self/fd/${fifoFd}`, look).on('error', onWatchLost);
    } catch (error) {
      // The system has no watch left, perhaps: the FIFO is polled until there is one.
      if (!isTold) polled((error as Error).message);
      isTold = true;
    }
  };
  const unwatch = (): void => {
    watcher?.close();
    watcher = undefined;
  };

  function onWatchLost(): void {
    unwatch();
    look();
  }

  function isBusy(records: number): boolean {
    const nowMs = performance.now();
    if (nowMs - recentSinceMs > POLL_MS) {
      recentSinceMs = nowMs;
      recentRecords = 0;
    }
    recentRecords += records;
    return recentRecords >= BUSY_RECORDS;
  }

  function look(): void {
    if (isClosed || timer || immediate) return;
    const { records, state } = monitored.pump();
    if (state === 'full') return;
    if (state === 'more') {
      immediate = setImmediate(() => {
        immediate = undefined;
        look();
      });
      return;
    }
    if (watcher) {
      if (!isBusy(records)) return;
      quietPolls = 0;
      unwatch();
    }
    quietPolls = records > QUIET_RECORDS ? 0 : quietPolls + 1;
    if (quietPolls > QUIET_POLLS) {
      watch();
      // What was written before the watch began would not be told.
      quietPolls = 0;
      return look();
    }
    timer = setTimeout(() => {
      timer = undefined;
      look();
    }, POLL_MS);
  }

  watch();
  look();
  return {
    wake: look,
    close() {
      isClosed = true;
      clearTimeout(timer);
      clearImmediate(immediate);
      unwatch();
    },
  };
}
