import fs from 'node:fs';

/** How often a thread says that it is alive, and how often it is looked at. */
export const BEAT_MS = 100;
/** Looks without a beat before it is asked what the thread does. */
const MISSED = 5;
/** Looks that found it running all the time: it does not come back. */
const RUNNING = 4;
/** One that waits, for a disk most likely, is given so many looks: to end it would not make the disk any faster. */
const WAITING = 300;

/** How one thread is: from its beats, and from what the system says of it when they fail to come. */
export class Pulse {
  #beats = -1;
  #missed = 0;
  #running = 0;

  /**
   * To be called every 100 ms.
   * @param beats counts them, @param stateOf of the thread, as in proc(5)
   * @returns why it has to be ended
   */
  look(beats: number, stateOf: () => string): string | undefined {
    if (beats !== this.#beats) {
      this.#beats = beats;
      this.#missed = 0;
      this.#running = 0;
      return undefined;
    }
    this.#missed += 1;
    if (this.#missed < MISSED) return undefined;
    this.#running = stateOf() === 'R' ? this.#running + 1 : 0;
    if (this.#running >= RUNNING) return `it has been busy for ${this.#missed * BEAT_MS} ms without a pause`;
    if (this.#missed >= WAITING) return `it has not answered for ${this.#missed * BEAT_MS} ms`;
    return undefined;
  }
}

/** Number of this thread as the system has it. */
export function ownThreadId(): number {
  return Number(fs.readlinkSync('/proc/thread-self').split('/').at(-1));
}

/** State of a thread of this process, a letter; empty when it is gone. */
export function threadState(threadId: number): string {
  try {
    const stat = fs.readFileSync(`/proc/self/task/${threadId}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2);
  } catch {
    return '';
  }
}
