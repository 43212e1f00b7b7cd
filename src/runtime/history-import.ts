import { TocsinError } from '../event/errors.ts';
import type { Published } from './publisher.ts';

interface HistoryImportEnv {
  /** Of an empty log. */
  readonly start: () => string;
  /** The collector stops hearing anybody else. */
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
  /** @throws ERR_PIPELINE_CLOSED */
  readonly requireRunning: () => void;
}

/** Fills an empty log with events of the past, one import at a time; meanwhile the collector takes nothing else. */
export class HistoryImport {
  readonly #env: HistoryImportEnv;
  #isRunning = false;
  #aborted: TocsinError | undefined;

  constructor(env: HistoryImportEnv) {
    this.#env = env;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** @throws ERR_IMPORT_RUNNING */
  requireNone(): void {
    if (this.#isRunning) throw new TocsinError('ERR_IMPORT_RUNNING', 'history is being imported');
  }

  /** The collector has died: the one that goes on takes times for what they are. What is in the log by now is not all. */
  abort(error: TocsinError): void {
    if (this.#isRunning) this.#aborted = error;
  }

  /** @throws ERR_LOG_NOT_EMPTY, ERR_IMPORT_RUNNING, ERR_PIPELINE_CLOSED, and what `batches` and `publish` throw */
  async run<T>(batches: AsyncIterable<T> | Iterable<T>, publish: (batch: T) => Promise<Published>): Promise<Published> {
    this.requireNone();
    this.#isRunning = true;
    this.#aborted = undefined;
    const { start, begin, end, requireRunning } = this.#env;
    let appended = 0;
    let cursor = start();
    try {
      await begin();
      try {
        for await (const batch of batches) {
          requireRunning();
          if (this.#aborted) throw this.#aborted;
          const published = await publish(batch);
          ({ cursor } = published);
          appended += published.appended;
        }
      } finally {
        if (!this.#aborted) await end();
      }
      if (this.#aborted) throw this.#aborted;
    } finally {
      this.#isRunning = false;
    }
    return { cursor, appended, repeated: 0 };
  }
}
