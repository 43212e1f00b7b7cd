import type { CollectorCommand } from '../messages/collector.ts';
import type { FanoutCommand } from '../messages/fanout.ts';
import type { MonitoredCommand } from '../messages/monitored.ts';
import type { ActorName } from './actor-init.ts';
import type { ActorSet } from './actor-set.ts';
import type { Publisher } from './publisher.ts';
import { within } from './within.ts';

/** How a pipeline ends in order. */
export interface DrainOrder {
  /** What has not been read of the FIFO stays there for another process. */
  readonly leavesRest: boolean;
  /** For what was read to get into the log. */
  readonly limitMs: number;
}

interface DrainEnv {
  readonly actors: ActorSet;
  readonly publisher: Publisher;
  /** How long clients get for the rest of the log. */
  readonly timeoutMs: () => number;
}

export const INTAKE_STOP_LIMIT_MS = 2_000;
const CUT_LIMIT_MS = 2_000;

/**
 * The orderly end of a pipeline: intake stops, what was read gets into the log, the log is sealed, and every client gets the rest of
 * it, or is cut. An actor that begins anew meanwhile is told what the one before it was.
 */
export class Drain {
  readonly #env: DrainEnv;
  #stopIntake: MonitoredCommand | undefined;
  #isIntakeStopped = false;
  #isSealing = false;

  constructor(env: DrainEnv) {
    this.#env = env;
  }

  async run(order: DrainOrder): Promise<void> {
    if (this.#env.actors.has('monitored')) await this.#endIntake(order);
    await within(this.#env.publisher.settled(), INTAKE_STOP_LIMIT_MS);
    await this.#endLog(order.limitMs);
  }

  /** What it was there for is done: nobody need begin anew in its place. */
  needs(name: ActorName): boolean {
    // What it has read is in the ring, and it was to read no more.
    return !(name === 'monitored' && this.#isIntakeStopped);
  }

  begunAnew(name: ActorName): void {
    if (name === 'monitored' && this.#stopIntake) this.#env.actors.tell(name, this.#stopIntake);
    if (name === 'collector' && this.#isSealing) this.#seal();
  }

  async #endIntake({ leavesRest, limitMs }: DrainOrder): Promise<void> {
    const { actors } = this.#env;
    const stopped = actors.told('monitored', 'intake-stopped', limitMs);
    this.#stopIntake = { type: 'stop-intake', leavesRest };
    actors.tell('monitored', this.#stopIntake);
    await stopped;
    this.#isIntakeStopped = true;
  }

  async #endLog(limitMs: number): Promise<void> {
    const { actors, timeoutMs } = this.#env;
    const drained = actors.shardNames.map((name) => ({ name, told: actors.told(name, 'drained', timeoutMs()) }));
    this.#isSealing = true;
    this.#seal();
    const late = await Promise.all(drained.map(async ({ name, told }) => ((await told) ? [] : [name])));
    await Promise.all(
      late.flat().map((name) => {
        // Not before the log is sealed, whose writer may be behind.
        const cut = actors.told(name, 'drained', Math.max(limitMs, CUT_LIMIT_MS));
        actors.tell(name, { type: 'cut-clients' } satisfies FanoutCommand);
        return cut;
      }),
    );
  }

  #seal(): void {
    this.#env.actors.tell('collector', { type: 'seal' } satisfies CollectorCommand);
  }
}
