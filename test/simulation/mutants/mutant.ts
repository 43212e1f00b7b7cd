/** A change of one place of the shipped source. */
export interface Edit {
  /** Below the project's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly search: string;
  readonly replace: string;
}

/** A bug that others have had, put into our source, so that it is seen that the simulation finds it. */
export interface Mutant {
  readonly id: string;
  readonly what: string;
  readonly edits: readonly Edit[];
}
