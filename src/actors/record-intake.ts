import type { IntakeRing } from '../messages/intake-ring.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import type { Outbox } from './actor.ts';
import type { IntakeProgress } from './intake-progress.ts';

/** The collector's end of the intake ring: takes monitor records, and gives their slots back once their events are committed. */
export class RecordIntake {
  readonly #ring: IntakeRing;
  readonly #monitored: Outbox<MonitoredCommand>;
  /** Records that were taken and whose slots were not given back. */
  #taken = 0;
  #hasProgress = false;

  /** @param commit the last one that an intake on this ring before this one can have seen come true */
  constructor(ring: IntakeRing, monitored: Outbox<MonitoredCommand>, commit: number) {
    this.#ring = ring;
    this.#monitored = monitored;
    const [tail = 0] = ring.progress.resume(commit);
    ring.release((tail - ring.tail) | 0);
  }

  /** Hands over at most `limit` records, each as it stands in the ring. @returns how many */
  take(limit: number, accept: (bytes: Uint8Array, at: number) => void): number {
    const ring = this.#ring;
    const count = Math.min(limit, ring.available - this.#taken);
    for (let index = 0; index < count; index += 1) {
      // It may commit what came before this one.
      accept(ring.bytes, ring.slotAt(this.#taken));
      this.#taken += 1;
      this.#hasProgress = true;
    }
    return count;
  }

  /** Since this was asked last; undefined when nothing was taken. */
  takeProgress(): IntakeProgress | undefined {
    if (!this.#hasProgress) return undefined;
    this.#hasProgress = false;
    const ring = this.#ring;
    const tail = (ring.tail + this.#taken) | 0;
    return {
      of: this,
      prepare: (commit) => ring.progress.prepare(commit, [tail]),
      release: () => {
        ring.progress.committed();
        const records = (tail - ring.tail) | 0;
        this.#taken -= records;
        if (ring.release(records)) this.#monitored.post({ type: 'slots-freed' });
      },
    };
  }

  /** Tells `monitored`, which may wait for what a collector before this one did not come to say. */
  greet(): void {
    this.#monitored.post({ type: 'slots-freed' });
  }

  /** Asks for a wake-up. @returns false when there is something to take after all */
  sleepUntilRecords(): boolean {
    return this.#ring.sleepUntilRecords(this.#taken);
  }
}
