import * as Comlink from 'comlink';
import type { MessagePort } from 'node:worker_threads';
import { asTocsinError, type ErrorData, TocsinError } from '../event/errors.ts';

/**
 * The control plane over comlink, with what comlink leaves out: an answer is data (`ok` or an error with its code), and an ask
 * ends when the actor's thread does, or after a limit.
 */
type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: ErrorData };

interface Served {
  ask(method: string, args: readonly unknown[]): Promise<Answer>;
}

const ASK_LIMIT_MS = 10_000;

/** Serves asks on a port: `handle` is given the method's name and its arguments, and may throw. */
export function serveControl(handle: (method: string, args: readonly unknown[]) => unknown, port: MessagePort): void {
  const served: Served = {
    async ask(method, args) {
      try {
        return { ok: true, value: await handle(method, args) };
      } catch (error) {
        return { ok: false, error: asTocsinError(error).toData() };
      }
    },
  };
  Comlink.expose(served, port);
}

/** The asks of one control interface, as the other end sees them. */
export interface Asks<Methods> {
  /** @throws what the method threw; ERR_ACTOR_DIED; ERR_ASK_TIMEOUT after 10 s */
  ask<Name extends keyof Methods & string>(
    method: Name,
    args: Methods[Name] extends (...args: infer Args) => unknown ? Args : never,
    transfer?: readonly MessagePort[],
  ): Promise<Methods[Name] extends (...args: never[]) => infer Result ? Awaited<Result> : never>;
}

/** The other end. `died` settles when the actor dies. */
export class ControlClient {
  readonly #ask: Comlink.Remote<Served>['ask'];
  readonly #name: string;
  /** Asks that wait for their answer: how to let each of them fail. */
  readonly #waiting = new Set<(error: TocsinError) => void>();
  #ended: TocsinError | undefined;

  constructor(name: string, port: MessagePort, died: Promise<TocsinError>) {
    // One proxy for all calls: making one costs more than a call.
    this.#ask = Comlink.wrap<Served>(port).ask;
    this.#name = name;
    void died.then((error) => this.end(error));
  }

  /** Nothing answers any more: whatever waits, or asks from now on, fails with this error. */
  end(error: TocsinError): void {
    this.#ended ??= error;
    for (const fail of this.#waiting) fail(error);
  }

  /** The actor's own asks, beside `start` and `stop`, which all have. */
  as<Methods>(): Asks<Methods> {
    return this as unknown as Asks<Methods>;
  }

  async ask(method: string, args: readonly unknown[] = [], transfer: readonly MessagePort[] = []): Promise<unknown> {
    if (this.#ended) throw this.#ended;
    const list = transfer.length > 0 ? Comlink.transfer([...args], [...transfer] as never[]) : args;
    let timer: NodeJS.Timeout | undefined;
    let fail: (error: TocsinError) => void = () => {};
    // A promise of its own per ask: a long-lived one in the race would keep every answer.
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
      this.#waiting.add(fail);
      timer = setTimeout(() => {
        reject(new TocsinError('ERR_ASK_TIMEOUT', `${this.#name} did not answer ${method} within ${ASK_LIMIT_MS} ms`));
      }, ASK_LIMIT_MS);
    });
    try {
      const answer = await Promise.race([this.#ask(method, list), failed]);
      if (!answer.ok) throw TocsinError.fromData(answer.error);
      return answer.value;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(fail);
    }
  }
}
