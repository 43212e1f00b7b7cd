/** Writes to stdout as fast as its reader takes it. */
export class Stdout {
  /** The reader went away. */
  isGone = false;
  #failed: NodeJS.ErrnoException | undefined;
  #awake: () => void = () => {};

  constructor() {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') this.isGone = true;
      else this.#failed ??= error;
      this.#awake();
    });
  }

  /** Resolves when more can be written. @throws what the system threw, unless that is that nobody reads */
  async write(output: Uint8Array | string): Promise<void> {
    if (this.isGone || output.length === 0) return;
    if (!process.stdout.write(output)) {
      await new Promise<void>((resolve) => {
        this.#awake = resolve;
        process.stdout.once('drain', resolve);
      });
    }
    if (this.#failed) throw this.#failed;
  }
}
