import { performance } from 'node:perf_hooks';
import v8 from 'node:v8';

const LOOK_EVERY_MS = 5_000;
/** A thread that has worked for no longer than this since it was looked at last has leisure. */
const QUIET_MS = 50;
/** So much work leaves garbage that is worth a collection, which takes some 20 ms. */
const WORTHWHILE_MS = 500;

/**
 * V8 collects garbage when more memory is wanted, so a thread that has become quiet keeps what it left when it was busy; and
 * a segment or page that one thread keeps, no other can give back. So a thread collects once it has leisure.
 */
export class Leisure {
  #lookedAtMs = 0;
  #collectedAtMs = 0;

  /** To be called every five seconds. @param workedMs how long the thread has worked since it began */
  isTimeToCollect(workedMs: number): boolean {
    const isQuiet = workedMs - this.#lookedAtMs <= QUIET_MS;
    this.#lookedAtMs = workedMs;
    if (!isQuiet || workedMs - this.#collectedAtMs < WORTHWHILE_MS) return false;
    this.#collectedAtMs = workedMs;
    return true;
  }
}

/** From now on this thread collects its garbage when it has leisure. Not for a thread of the embedding program. */
export function collectAtLeisure(): void {
  const leisure = new Leisure();
  setInterval(() => {
    if (leisure.isTimeToCollect(performance.eventLoopUtilization().active)) collectGarbage();
  }, LOOK_EVERY_MS).unref();
}

/**
 * Shows V8 as much memory beside its heap as makes it collect everything at once. Nobody touches that memory, so it is never
 * there.
 */
export function collectGarbage(): void {
  try {
    void new ArrayBuffer(Math.ceil(v8.getHeapStatistics().heap_size_limit / 2));
  } catch {
    // Where there is no room for it, V8 has collected before it said so.
  }
}
