import { TocsinError } from '../event/errors.ts';
import type { Booted } from './successor.ts';

/** Whoever has started this process, and waits to hear of it: the daemon before it, or the parent of both. */
export const starter = {
  /**
   * Says that this process could take over. Resolves when the predecessor has let go of the history, or has died.
   * @throws ERR_SUCCESSOR_FAILED when that takes longer than the limit
   */
  async handOver(sockets: readonly string[], limitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let letGo = (): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        letGo = resolve;
        timer = setTimeout(
          () => reject(new TocsinError('ERR_SUCCESSOR_FAILED', `the predecessor had not let go within ${limitMs} ms`)),
          limitMs,
        );
        process.on('message', letGo);
        process.on('disconnect', letGo);
        if (!process.connected) return resolve();
        process.send?.({ type: 'booted', sockets } satisfies Booted, undefined, undefined, () => {});
      });
    } finally {
      clearTimeout(timer);
      // Nobody listens any more, so it does not keep a process from ending that cannot go on.
      process.off('message', letGo);
      process.off('disconnect', letGo);
      process.channel?.unref();
    }
  },

  /** Ends the connection: it would keep this process from ending. */
  leave(): void {
    if (process.connected) process.disconnect();
  },

  /** Calls when the parent has gone. It does not keep this process from ending. */
  onGone(call: () => void): void {
    process.once('disconnect', call);
    process.channel?.unref();
    if (!process.connected) call();
  },
};
