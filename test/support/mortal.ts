/** What ends the turn of an actor that dies in the midst of it. */
class Died extends Error {}

/** One life of an actor: it may be made to die at any use of what it was given, and does nothing any more after that. */
export class Life {
  isDead = false;
  /** Uses until it dies. */
  #left = Infinity;
  #isInTurn = false;

  /** It dies with the `uses`-th use from now on. */
  arm(uses: number): void {
    this.#left = uses;
  }

  disarm(): void {
    this.#left = Infinity;
  }

  /** Something that the actor does; nothing when it is dead. */
  turn<Result>(run: () => Result): Result | undefined {
    if (this.isDead) return undefined;
    const isOutermost = !this.#isInTurn;
    this.#isInTurn = true;
    try {
      return run();
    } catch (error) {
      if (!(error instanceof Died) || !isOutermost) throw error;
      return undefined;
    } finally {
      if (isOutermost) this.#isInTurn = false;
    }
  }

  /** The same object, for this life only: each use of it is a moment to die, before it and behind it. */
  of<Target extends object>(target: Target): Target {
    return new Proxy(target, {
      get: (_, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return isTool(value) ? this.of(value) : value;
        return (...args: unknown[]): unknown => {
          if (this.#isOver()) return isAsync(key) ? new Promise(() => {}) : undefined;
          const result: unknown = Reflect.apply(value, target, args);
          if (result instanceof Promise) return this.#whileAlive(result);
          if (this.#isOver()) return undefined;
          return isTool(result) ? this.of(result) : result;
        };
      },
      set: (_, key, value) => {
        if (this.#isOver()) return true;
        Reflect.set(target, key, value, target);
        this.#isOver();
        return true;
      },
    });
  }

  /** Nobody is there any more to hear of what comes after its death. */
  #whileAlive<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          if (!this.isDead) resolve(value);
        },
        (error: unknown) => {
          if (!this.isDead) reject(error);
        },
      );
    });
  }

  /** A moment to die. @returns whether it has; throws within a turn, which ends with it */
  #isOver(): boolean {
    if (!this.isDead) {
      // Only where the turn can end: not in what a promise calls back.
      if (!this.#isInTurn) return false;
      this.#left -= 1;
      if (this.#left > 0) return false;
      this.isDead = true;
    }
    if (this.#isInTurn) throw new Died();
    return true;
  }
}

/** Something that has uses of its own: a file, the progress of a ring. */
function isTool(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof Promise)
    return false;
  const { constructor } = value;
  return constructor !== Object && constructor !== Array && !(value instanceof SharedArrayBuffer);
}

function isAsync(key: string | symbol): boolean {
  return key === 'sync';
}
