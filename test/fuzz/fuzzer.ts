import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Random } from '../support/random.ts';
import type { Coverage, News } from './coverage.ts';
import { minimise } from './minimise.ts';
import { Mutator } from './mutator.ts';
import { Stopwatch } from './stopwatch.ts';
import { Broken, type Run, ruleOf, type Target } from './target.ts';

/** What the heap may have grown by from the end of the first tenth to the end. */
const MAX_GROWTH_BYTES = 12 * 1024 * 1024;
const MAX_KEPT = 4_000;
const SAMPLES = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export interface FuzzOptions {
  readonly seed: number;
  readonly ms: number;
  readonly coverage: Coverage;
  /** Hears of each input. */
  readonly watch: { begin(input: Uint8Array): void; end(): void };
  readonly progress?: (inputs: number, kept: number) => void;
}

export interface Finding {
  readonly error: unknown;
  /** Cut down; undefined when no single input is to blame. */
  readonly input: Uint8Array | undefined;
}

export interface Result {
  readonly inputs: number;
  /** Inputs that reached what none before them did. */
  readonly kept: number;
  readonly ms: number;
  readonly grownBytes: number;
  readonly finding: Finding | undefined;
}

/**
 * Tries inputs until the time is over or one fails. Those that reach new code are kept, and changed further. The same seed makes
 * the same inputs, as long as the code is the same.
 */
export async function fuzz(target: Target, options: FuzzOptions): Promise<Result> {
  const session = new Session(target, await target.open(), options);
  try {
    return await session.run();
  } finally {
    await session.close();
  }
}

class Session {
  readonly #target: Target;
  readonly #run: Run;
  readonly #options: FuzzOptions;
  readonly #random: Random;
  readonly #mutator: Mutator;
  readonly #watch = new Stopwatch();
  readonly #corpus: Uint8Array[];
  readonly #samples: Uint8Array[] = [];
  #sampled = 0;
  #inputs = 0;
  #kept = 0;
  #finding: Finding | undefined;

  constructor(target: Target, run: Run, options: FuzzOptions) {
    this.#target = target;
    this.#run = run;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#mutator = new Mutator(this.#random, target.dictionary);
    this.#corpus = target.seeds.map((seed) => Buffer.from(seed as string));
  }

  async run(): Promise<Result> {
    const { ms, coverage, progress } = this.#options;
    const warmMs = ms / 10;
    let before: number | undefined;
    this.#finding = await this.#try(this.#corpus.slice());
    while (!this.#finding && this.#watch.ms < ms) {
      if (before === undefined && this.#watch.ms > warmMs) before = heapBytes();
      const batch = Array.from({ length: this.#target.batch }, () => this.#make());
      this.#finding = await this.#try(batch);
      if (!this.#finding) await this.#keep(batch, coverage.look());
      progress?.(this.#inputs, this.#kept);
    }
    const grownBytes = before === undefined || this.#finding ? 0 : heapBytes() - before;
    if (grownBytes > MAX_GROWTH_BYTES)
      this.#finding = {
        error: new Broken('grows', `${grownBytes} bytes more than at the beginning`),
        input: undefined,
      };
    return { inputs: this.#inputs, kept: this.#kept, ms: this.#watch.ms, grownBytes, finding: this.#finding };
  }

  async close(): Promise<void> {
    await this.#run.close?.();
  }

  #make(): Uint8Array {
    const random = this.#random;
    if (random.chance(0.15)) return this.#sample();
    // Late comers are where there is more to find.
    const isLate = random.chance(0.3) && this.#kept > 0;
    const from = isLate ? Math.max(0, this.#corpus.length - 20) : 0;
    const input = this.#corpus[from + random.below(this.#corpus.length - from)]!;
    return this.#mutator.mutate(random.chance(0.1) ? this.#sample() : input, random.pick(this.#corpus));
  }

  #sample(): Uint8Array {
    if (this.#samples.length === 0) {
      const seed = this.#options.seed + this.#sampled;
      this.#samples.push(
        ...fc.sample(this.#target.arbitrary, { seed, numRuns: SAMPLES }).map((text) => Buffer.from(text)),
      );
      this.#sampled += 1;
    }
    return this.#samples.pop()!;
  }

  async #try(inputs: readonly Uint8Array[]): Promise<Finding | undefined> {
    this.#inputs += inputs.length;
    const finding = await this.#tryEach(inputs);
    if (finding) return finding;
    try {
      await this.#run.rest?.();
    } catch (error) {
      return { error, input: await this.#blame(inputs, ruleOf(error)) };
    }
    return undefined;
  }

  async #tryEach(inputs: readonly Uint8Array[]): Promise<Finding | undefined> {
    for (const input of inputs) {
      try {
        await this.#check(input);
      } catch (error) {
        return { error, input: await this.#minimise(input, ruleOf(error)) };
      }
    }
    return undefined;
  }

  async #check(input: Uint8Array): Promise<void> {
    const { watch } = this.#options;
    watch.begin(input);
    try {
      const pending = this.#run.check(input);
      if (pending) await pending;
    } finally {
      watch.end();
    }
  }

  #minimise(input: Uint8Array, rule: string): Promise<Uint8Array> {
    return minimise(input, (smaller) => this.#breaks(smaller, rule));
  }

  async #breaks(input: Uint8Array, rule: string): Promise<boolean> {
    try {
      await this.#check(input);
      await this.#run.rest?.();
      return false;
    } catch (error) {
      return ruleOf(error) === rule;
    }
  }

  /** The first input of a batch after which all is not well. */
  async #blame(inputs: readonly Uint8Array[], rule: string): Promise<Uint8Array | undefined> {
    for (const input of inputs) if (await this.#breaks(input, rule)) return this.#minimise(input, rule);
    return undefined;
  }

  /** Keeps the inputs that reached what is new; looks for them by halves. @returns what of it they have reached again */
  async #keep(inputs: readonly Uint8Array[], news: News): Promise<News> {
    if (news.size === 0 || this.#finding) return news;
    const { coverage } = this.#options;
    coverage.skip();
    this.#finding = await this.#tryEach(inputs);
    const again = coverage.again(news);
    if (again.size === 0) return again;
    if (inputs.length === 1) {
      this.#kept += 1;
      if (this.#corpus.length < MAX_KEPT) this.#corpus.push(inputs[0]!);
      return again;
    }
    const half = inputs.length >> 1;
    const first = await this.#keep(inputs.slice(0, half), again);
    await this.#keep(inputs.slice(half), without(again, first));
    return again;
  }
}

function without(news: News, found: News): News {
  const left = new Map<string, readonly number[]>();
  for (const [url, places] of news) {
    const rest = places.filter((at) => !found.get(url)?.includes(at));
    if (rest.length > 0) left.set(url, rest);
  }
  return left;
}

function heapBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
