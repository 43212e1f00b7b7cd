import type { Pipeline } from '../runtime/pipeline.ts';
import type { Fifo } from './fifo.ts';
import type { Inherited } from './inherited.ts';
import type { Listener } from './listener.ts';

/** A pipeline with what a successor of its process could go on with. */
export interface OpenPipeline {
  readonly pipeline: Pipeline;
  readonly fifo: Fifo | undefined;
  /** Event sockets and admin sockets. */
  readonly listeners: readonly Listener[];
  /** From now on whoever connects waits for another process that has the sockets. @param flushLimitMs as `Pipeline.stopListening` */
  stopListening(flushLimitMs: number): Promise<void>;
}

/** What a process has that others started, or left something to. */
export interface Heritage {
  readonly inherited: Inherited;
  /**
   * With a predecessor: called once all but the history is open, with the sockets that this process has now; resolves when the
   * predecessor has let go of the history.
   */
  readonly booted: (sockets: readonly string[]) => Promise<void>;
}
