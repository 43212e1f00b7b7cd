import fs from 'node:fs';
import inspector from 'node:inspector';
import { fileURLToPath } from 'node:url';

/** What has run since the last look: per script, 1 for each character that has. */
type Delta = ReadonlyMap<string, Uint8Array>;
/** Characters that had never run before, by script. */
export type News = ReadonlyMap<string, readonly number[]>;

export interface FileCoverage {
  readonly file: string;
  readonly lines: number;
  readonly covered: number;
  /** Text of the lines that never ran. */
  readonly missing: readonly string[];
}

/** Not code: blank, a comment, or nothing but brackets. */
const NO_CODE = /^\s*(?:\/\/.*|\/?\*.*|[{}()[\];,]*|export \{\};)$/;

/**
 * V8's own counts, down to the branch, of the scripts whose URL holds one of some texts. It has to be made before those are
 * loaded, for what runs while they are to count.
 */
export class Coverage {
  readonly #session = new inspector.Session();
  readonly #of: (url: string) => boolean;
  readonly #loaded = new Map<string, Uint8Array>();
  readonly #seen = new Map<string, Uint8Array>();

  constructor(of: (url: string) => boolean) {
    this.#of = of;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** What has run since the last call. */
  #take(): Delta {
    const delta = new Map<string, Uint8Array>();
    // In the same thread the answer is there when `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error;
      for (const { url, functions } of result) {
        if (!this.#of(url)) continue;
        const ran = delta.get(url) ?? new Uint8Array(endOf(functions));
        // Outer functions and blocks come before those in them.
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
        delta.set(url, ran);
      }
    });
    return delta;
  }

  /** Forgets what has run since the last look, as the doing of nobody. */
  skip(): void {
    this.#take();
  }

  /** Begins anew. What has run by now ran while the scripts were loaded, and counts from here on. */
  begin(): void {
    merge(this.#loaded, this.#take());
    this.#seen.clear();
    for (const [url, ran] of this.#loaded) this.#seen.set(url, ran.slice());
  }

  /** Adds what has run since the last look. @returns what had not run before */
  look(): News {
    return merge(this.#seen, this.#take());
  }

  /** Which of these have run since the last look. */
  again(news: News): News {
    const delta = this.#take();
    const found = new Map<string, number[]>();
    for (const [url, places] of news) {
      const ran = delta.get(url);
      const here = places.filter((at) => ran?.[at] === 1);
      if (here.length > 0) found.set(url, here);
    }
    return found;
  }

  /** By file, those of `sources`. @param sources below `src/` */
  report(sources: readonly string[]): FileCoverage[] {
    return sources.map((source) => {
      const [url, seen] =
        [...this.#seen].find(([name]) => name.endsWith(`/src/${source.replace(/\.ts$/, '.js')}`)) ?? [];
      if (!url || !seen) return { file: source, lines: 0, covered: 0, missing: [] };
      const missing: string[] = [];
      let lines = 0;
      let at = 0;
      for (const line of fs.readFileSync(fileURLToPath(url), 'utf8').split('\n')) {
        const from = at + line.length - line.trimStart().length;
        const to = at + line.trimEnd().length;
        at += line.length + 1;
        if (NO_CODE.test(line)) continue;
        lines += 1;
        if (seen.subarray(from, to).every((byte) => byte === 0)) missing.push(line.trim());
      }
      return { file: source, lines, covered: lines - missing.length, missing };
    });
  }

  close(): void {
    this.#session.disconnect();
  }
}

/** @returns where `seen` had nothing */
function merge(all: Map<string, Uint8Array>, delta: Delta): News {
  const news = new Map<string, readonly number[]>();
  for (const [url, ran] of delta) {
    const before = all.get(url) ?? new Uint8Array(0);
    const seen = before.length < ran.length ? new Uint8Array(ran.length) : before;
    if (seen !== before) seen.set(before);
    all.set(url, seen);
    const fresh: number[] = [];
    let isFresh = false;
    for (let at = 0; at < ran.length; at += 1) {
      const wasFresh = isFresh;
      isFresh = ran[at] === 1 && seen[at] === 0;
      // One place of a stretch is enough to know it again.
      if (isFresh && !wasFresh) fresh.push(at);
      if (ran[at] === 1) seen[at] = 1;
    }
    if (fresh.length > 0) news.set(url, fresh);
  }
  return news;
}

function endOf(functions: readonly inspector.Profiler.FunctionCoverage[]): number {
  return Math.max(0, ...functions.flatMap(({ ranges }) => ranges.map(({ endOffset }) => endOffset)));
}
