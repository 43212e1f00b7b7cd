/**
 * Two programs over shared memory, in every order of their atomic operations.
 *
 * JavaScript cannot pause a function, so a program is run again for each of its steps: `Atomics` answers the operations that
 * it has already done from its journal, does one more for real, and stops it at the next. What a program does besides, it
 * does repeatedly; so it must only do what may be repeated, and give its result back instead of noting it somewhere.
 */
export interface Pair<Left, Right> {
  readonly left: () => Left;
  readonly right: () => Right;
  /** After both are done. */
  readonly check: (left: Left, right: Right, schedule: string) => void;
}

/** @returns how many orders there were */
export function everyInterleaving<Left, Right>(make: () => Pair<Left, Right>, limit = 100_000): number {
  const choices: boolean[] = [];
  for (let orders = 1; orders <= limit; orders += 1) {
    runOne(make(), choices);
    while (choices.at(-1) === true) choices.pop();
    if (choices.length === 0) return orders;
    choices[choices.length - 1] = true;
  }
  throw new Error(`more than ${limit} orders`);
}

/** Follows `choices` where both may go on, left first where there is none yet, which is then added. */
function runOne<Left, Right>({ left, right, check }: Pair<Left, Right>, choices: boolean[]): void {
  const leftSide = new Side(left);
  const rightSide = new Side(right);
  let schedule = '';
  for (let step = 0; !leftSide.isDone || !rightSide.isDone; ) {
    let isRight = leftSide.isDone;
    if (!leftSide.isDone && !rightSide.isDone) {
      isRight = choices[step] ?? false;
      choices[step] = isRight;
      step += 1;
    }
    schedule += isRight ? 'r' : 'l';
    (isRight ? rightSide : leftSide).step();
  }
  check(leftSide.result as Left, rightSide.result as Right, schedule);
}

const PAUSE = Symbol('pause');
const OPERATIONS = ['load', 'store', 'exchange', 'add', 'sub', 'compareExchange'] as const;

class Side<Result> {
  readonly #program: () => Result;
  readonly #journal: number[] = [];
  isDone = false;
  result: Result | undefined;

  constructor(program: () => Result) {
    this.#program = program;
  }

  /** One more atomic operation, and whatever follows it up to the next. */
  step(): void {
    const originals = OPERATIONS.map((name) => [name, Atomics[name]] as const);
    let position = 0;
    let hasMoved = false;
    const journalled = (original: (...args: never[]) => number) => {
      return (...args: never[]): number => {
        const known = this.#journal[position];
        position += 1;
        if (known !== undefined) return known;
        if (hasMoved) throw PAUSE;
        hasMoved = true;
        const value = original(...args);
        this.#journal.push(value);
        return value;
      };
    };
    Object.assign(Atomics, Object.fromEntries(originals.map(([name, original]) => [name, journalled(original)])));
    try {
      this.result = this.#program();
      this.isDone = true;
    } catch (error) {
      if (error !== PAUSE) throw error;
    } finally {
      Object.assign(Atomics, Object.fromEntries(originals));
    }
  }
}
