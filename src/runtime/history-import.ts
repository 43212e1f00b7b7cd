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

  /** @throws ERR_LOG_NOT_EMPTY, ERR_IMPORT_RUNNING, ERR_PIPELINE_CLOSED, and what `batches` and `publish` throw */
  async run<T>(batches: AsyncIterable<T> | Iterable<T>, publish: (batch: T) => Promise<Published>): Promise<Published> {
    this.requireNone();
    this.#isRunning = true;
    const { start, begin, end, requireRunning } = this.#env;
    let appended = 0;
    let cursor = start();
    try {
      await begin();
      try {
        for await (const batch of batches) {
          requireRunning();
          const published = await publish(batch);
          ({ cursor } = published);
          appended += published.appended;
        }
      } finally {
        await end();
      }
    } finally {
      this.#isRunning = false;
    }
    return { cursor, appended, repeated: 0 };
  }
}
