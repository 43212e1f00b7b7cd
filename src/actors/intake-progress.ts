/** How far an intake was when a batch of the log was complete. It counts once that batch is committed. */
export interface IntakeProgress {
  /** Whose it is: a later one of the same intake says all that this one does. */
  readonly of: object;
  /** Writes it down for this commit, which is not true yet. */
  prepare(commit: number): void;
  /** The commit is true: what was taken is given back, and who waits for an answer or for room is told. */
  release(): void;
}

/** Those that count when the later ones are committed together with the earlier ones. */
export function joinProgress(
  earlier: readonly IntakeProgress[],
  later: readonly IntakeProgress[],
): readonly IntakeProgress[] {
  return [...earlier.filter((progress) => !later.some(({ of }) => of === progress.of)), ...later];
}
