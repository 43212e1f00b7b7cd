/** How a thread dies. */
export const KINDS = ['exit', 'throw', 'loop', 'heap', 'terminate'] as const;
export type Kind = (typeof KINDS)[number];

/**
 * Where in its work: at some turn of the event loop, or just before or behind one of the steps by which work is handed over.
 */
export const WINDOWS = [
  'turn',
  'journal.prepare',
  'journal.commit',
  'progress.prepare',
  'intake.commit',
  'intake.release',
  'publish.release',
  'publish.answered',
  'segment.commit',
  'port.post',
  'fifo.read',
  'file.write',
  'log.take',
] as const;
export type Window = (typeof WINDOWS)[number];

const WORD = { ARMED: 0, ACTOR: 1, WINDOW: 2, COUNTDOWN: 3, KIND: 4 } as const;
const DIED_AT_MS = 4;

/** One death at a time, in memory that the test and every actor's thread share. */
export class FaultPlan {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #cells: Float64Array;

  constructor(memory = new SharedArrayBuffer(64)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#cells = new Float64Array(memory);
  }

  /** @param countdown passes of the window until then */
  arm(actor: string, window: Window, countdown: number, kind: Kind): void {
    this.#words[WORD.ACTOR] = hash(actor);
    this.#words[WORD.WINDOW] = WINDOWS.indexOf(window);
    this.#words[WORD.COUNTDOWN] = countdown;
    this.#words[WORD.KIND] = KINDS.indexOf(kind);
    Atomics.store(this.#words, WORD.ARMED, 1);
  }

  /** @returns whether it had not happened yet */
  disarm(): boolean {
    return Atomics.exchange(this.#words, WORD.ARMED, 0) === 1;
  }

  /** The actor passes there. @returns how it is to die, now */
  passes(actor: number, window: number): Kind | undefined {
    const words = this.#words;
    if (Atomics.load(words, WORD.ARMED) === 0 || words[WORD.ACTOR] !== actor || words[WORD.WINDOW] !== window)
      return undefined;
    if (Atomics.sub(words, WORD.COUNTDOWN, 1) !== 1) return undefined;
    if (Atomics.exchange(words, WORD.ARMED, 0) !== 1) return undefined;
    this.diedAtMs = Date.now();
    return KINDS[words[WORD.KIND]!];
  }

  get diedAtMs(): number {
    return this.#cells[DIED_AT_MS]!;
  }
  set diedAtMs(ms: number) {
    this.#cells[DIED_AT_MS] = ms;
  }
}

export function hash(text: string): number {
  let sum = 7;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) | 0;
  return sum;
}
