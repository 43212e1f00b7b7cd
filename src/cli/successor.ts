import { type ChildProcess, spawn } from 'node:child_process';
import { HANDED_DOWN, type HandedDown } from '../doors/inherited.ts';
import { TocsinError } from '../event/errors.ts';

/** What a daemon that has a predecessor says to whoever has started it. */
export interface Booted {
  readonly type: 'booted';
  /** Paths of the sockets that it has. */
  readonly sockets: readonly string[];
}

/** What it is told then: the history is free. */
export interface Go {
  readonly type: 'go';
}

/** A descriptor that a daemon is given, and what it is for. */
export interface Legacy {
  readonly path: string;
  readonly fd: number;
  readonly isKept: boolean;
}

const BOOT_LIMIT_MS = 30_000;

/** Starts `tocsin serve` with these arguments and descriptors; its output goes where ours goes. */
export function spawnDaemon(
  args: readonly string[],
  legacies: readonly Legacy[],
  role: Omit<HandedDown, 'descriptors'> & { readonly outlivesUs?: boolean },
): ChildProcess {
  const { outlivesUs = false, ...rest } = role;
  const handedDown: HandedDown = { ...rest, descriptors: legacies.map(({ path, isKept }) => ({ path, isKept })) };
  return spawn(process.execPath, [...process.execArgv, process.argv[1]!, 'serve', ...args], {
    stdio: ['inherit', 'inherit', 'inherit', ...legacies.map(({ fd }) => fd), 'ipc'],
    env: { ...process.env, [HANDED_DOWN]: JSON.stringify(handedDown) },
    detached: outlivesUs,
  });
}

/**
 * Resolves when the daemon could take over, with the sockets that it would have.
 * @throws ERR_SUCCESSOR_FAILED; then it has ended
 */
export async function booted(child: ChildProcess): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined;
  const failed = (why: string): TocsinError => new TocsinError('ERR_SUCCESSOR_FAILED', `the successor ${why}`);
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(failed(`had not booted within ${BOOT_LIMIT_MS} ms`));
      }, BOOT_LIMIT_MS);
      child.once('error', (cause) => reject(failed(`could not be started: ${cause.message}`)));
      child.once('exit', (code, signal) => reject(failed(`ended with ${code ?? signal} before it had booted`)));
      child.once('message', (message: Booted) => resolve(message.sockets));
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The history is free for it. @param onTold called when it has been told, and not when it has died */
export function letGo(child: ChildProcess, onTold = (): void => {}): void {
  // One that has died has no channel any more.
  if (child.connected) child.send({ type: 'go' } satisfies Go, (error) => (error ? undefined : onTold()));
}
