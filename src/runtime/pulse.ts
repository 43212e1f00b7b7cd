import fs from 'node:fs';

/** How often a thread says that it is alive, and how often it is looked at. */
export const BEAT_MS = 100;
/** Looks without a beat before it is asked what the thread does. */
const MISSED = 5;
/** One that waits, for a disk most likely, is given so many looks: to end it would not make the disk any faster. */
const WAITING = 300;
/** In proc(5): clock ticks of a second, and where the ticks of a thread stand behind its name. */
const TICKS_PER_SEC = 100;
const USER_TICKS = 12;
const SYSTEM_TICKS = 13;

/**
 * How one thread is: from its beats, and from the time that it has had of a processor when they fail to come. A thread that is kept
 * from running by others has not had that.
 */
export class Pulse {
  readonly #busyMs: number;
  #beats = -1;
  #missed = 0;
  /** What it had when the last beat had come. */
  #cpuMs = 0;

  /** @param busyMs so much of a processor without a beat in between is too much */
  constructor(busyMs: number) {
    this.#busyMs = busyMs;
  }

  /**
   * To be called every 100 ms.
   * @param beats counts them, @param cpuMs what the thread has had of a processor so far
   * @returns why it has to be ended
   */
  look(beats: number, cpuMs: () => number): string | undefined {
    if (beats !== this.#beats) {
      this.#beats = beats;
      this.#missed = 0;
      return undefined;
    }
    this.#missed += 1;
    // It is not asked as long as it beats.
    if (this.#missed === 1) this.#cpuMs = cpuMs();
    if (this.#missed < MISSED) return undefined;
    const busyMs = cpuMs() - this.#cpuMs;
    if (busyMs >= this.#busyMs) return `it has been busy for ${this.#missed * BEAT_MS} ms without a pause`;
    if (this.#missed >= WAITING) return `it has not answered for ${this.#missed * BEAT_MS} ms`;
    return undefined;
  }
}

/** Number of this thread as the system has it. */
export function ownThreadId(): number {
  return Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
}

/** What a thread of this process has had of a processor; 0 when it is gone. */
export function threadCpuMs(threadId: number): number {
  try {
    const stat = fs.readFileSync(`/proc/self/task/${threadId}/stat`, 'latin1');
    // Behind the name, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 1).split(' ');
    return ((Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) * 1000) / TICKS_PER_SEC;
  } catch {
    return 0;
  }
}
