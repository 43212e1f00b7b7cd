/** What can go wrong in a run, by the simulation's own doing. */
export const FAULTS = [
  'process crash',
  'crash within a write',
  'crash within recovery',
  'power loss',
  'power loss after an orderly end',
  'orderly restart',
  'disk full',
  'sync failed',
  'slow sync',
  'bit flipped',
  'collector died',
  'buffer died',
  'shard died',
  'socket full',
  'client vanished',
  'client cancelled',
  'broken sink',
  'clock stepped back',
] as const;

/** What that, and everything else, led to. */
export const TRANSITIONS = [
  'torn tail cut off',
  'new epoch after a loss',
  'new epoch in memory',
  'history failed',
  'history written again',
  'file begun',
  'file removed',
  'segment dropped',
  'page read',
  'read while the disk was full',
  'resumed within a life',
  'resumed in another life',
  'cursor of an earlier epoch',
  'cursor foreign',
  'gap: retention',
  'gap: corruption',
  'gap: crash',
  'batch sent again',
  'events recognised as repeated',
  'publisher set back',
  'clean end',
  'cut: gap',
  'cut: lagged',
  'heartbeat',
  'container state restored',
] as const;

export type Happening = (typeof FAULTS)[number] | (typeof TRANSITIONS)[number];

/** How often each has happened. */
export class Tally {
  readonly #counts = new Map<Happening, number>();

  add(what: Happening, times = 1): void {
    this.#counts.set(what, this.count(what) + times);
  }

  count(what: Happening): number {
    return this.#counts.get(what) ?? 0;
  }

  addAll(other: Tally): void {
    for (const [what, times] of other.#counts) this.add(what, times);
  }

  get faults(): number {
    return FAULTS.reduce((sum, fault) => sum + this.count(fault), 0);
  }

  /** What a run that proves anything would have seen. */
  get missing(): readonly Happening[] {
    return [...FAULTS, ...TRANSITIONS].filter((what) => this.count(what) === 0);
  }

  table(): string {
    const rows = (names: readonly Happening[]): string =>
      names.map((name) => `  ${name.padEnd(34)}${String(this.count(name)).padStart(10)}`).join('\n');
    return `faults\n${rows(FAULTS)}\nwhat they led to\n${rows(TRANSITIONS)}\n`;
  }
}
