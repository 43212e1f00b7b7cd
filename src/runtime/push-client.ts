import { asTocsinError, type TocsinError } from '../event/errors.ts';
import type { Delivery } from '../event/event.ts';
import type { Subscriber } from './subscriber.ts';

/** A client that is called rather than one that iterates: iSulad's stream functions. */
export interface PushClientFunctions {
  /** Takes one delivery; the next one waits for what it returns. */
  write(delivery: Delivery): void | Promise<void>;
  /** Asked four times a second; true ends the client within a second. */
  isCancelled?(): boolean;
}

export interface PushClient {
  /** Resolves when the client has got everything that it asked for or was cancelled; rejects with the reason otherwise. */
  readonly done: Promise<void>;
  cancel(): void;
}

const POLL_MS = 250;

/** Runs the functions over a subscription. `markCancelled` puts the wish into the client table, where the checker finds it. */
export function runPushClient(
  functions: PushClientFunctions,
  subscriber: Subscriber,
  markCancelled: () => void,
): PushClient {
  let isCancelled = false;
  let failure: TocsinError | undefined;
  const cancel = (): void => {
    isCancelled = true;
    markCancelled();
  };
  const timer = setInterval(() => {
    if (isCancelled) return;
    try {
      if (functions.isCancelled?.()) cancel();
    } catch (error) {
      failure = failed(error);
      cancel();
    }
  }, POLL_MS);
  const run = async (): Promise<void> => {
    try {
      await deliver(functions, subscriber, () => isCancelled);
    } finally {
      clearInterval(timer);
    }
    if (failure) throw failure;
  };
  const done = run();
  // Whoever wants to know awaits it; nobody doing so must not end the process.
  done.catch(() => {});
  return { done, cancel };
}

async function deliver(
  functions: PushClientFunctions,
  subscriber: Subscriber,
  isCancelled: () => boolean,
): Promise<void> {
  for await (const delivery of subscriber) {
    if (isCancelled()) return;
    try {
      await functions.write(delivery);
    } catch (error) {
      throw failed(error);
    }
  }
}

function failed(error: unknown): TocsinError {
  return asTocsinError(error, 'ERR_CLIENT_FAILED');
}
