import type { Daemon } from '../support/daemon.ts';
import type { Figures } from '../support/process-figures.ts';

/** How large a flood is. What each number means says its flood. */
export type Size = Readonly<Record<'seconds' | 'count' | 'rate', number>>;

/** What the attacking process may know of the daemon. */
export type Target = Pick<Daemon, 'events' | 'admin' | 'fifo' | 'pid'>;

/** What the attackers saw, by name: connections that were opened, refused, cut. */
export type Tally = Readonly<Record<string, number>>;

/** Counters of the daemon, as much as they grew. */
export type Counted = Readonly<Record<string, number>>;

/** Where a daemon runs. */
export interface Place {
  /** A program, with arguments, that becomes the daemon. */
  readonly prefix: readonly string[];
  /** Once the daemon has ended. */
  release(): void;
}

/** One way to hurt a daemon. */
export interface Flood {
  readonly name: string;
  /** What it does, for the table. */
  readonly about: string;
  readonly long: Size;
  readonly short: Size;
  /** Of the daemon, besides those of all floods. */
  readonly flags?: readonly string[];
  /** Why it cannot be done here; undefined when it can. */
  readonly lacking?: () => string | undefined;
  /** Prepares a place for a daemon in this folder. */
  readonly place?: (root: string) => Place;
  /** Runs in a process of its own. */
  attack(target: Target, size: Size): Promise<Tally>;
  /** Throws when the daemon has not done what it should. */
  check(counted: Counted, tally: Tally, size: Size): void;
}

/** What one flood did. Latencies are those of the healthy clients, in microseconds. */
export interface Outcome {
  readonly name: string;
  readonly before: Figures;
  readonly after: Figures;
  readonly peak: Figures;
  readonly p99Before: number | null;
  readonly p99During: number | null;
  /** Of the worst half second while the flood went on. */
  readonly p99Worst: number | null;
  readonly p99After: number | null;
  readonly tally: Tally;
  readonly counted: Counted;
}
