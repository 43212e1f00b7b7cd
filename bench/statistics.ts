/** The middle one; of an even number the lower of both. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.at(Math.min(sorted.length - 1, Math.floor(sorted.length * share))) ?? Number.NaN;
}

/** `median (least-most)`. */
export function spread(values: readonly number[], digits: number): string {
  const at = (value: number): string => value.toFixed(digits);
  if (values.length === 1) return at(median(values));
  return `${at(median(values))} (${at(Math.min(...values))}-${at(Math.max(...values))})`;
}

const RESAMPLES = 10_000;

/**
 * How many times the one is the other: the middle one of the ratios of runs that were made beside each other, which a machine that
 * is quicker in one minute than in the next leaves as they are, with its 95 % confidence interval: the pairs are drawn again and
 * again, with repetition. The draws are the same every time, so equal results give equal intervals.
 */
export function ratioWithConfidence(
  over: readonly number[],
  under: readonly number[],
): { readonly ratio: number; readonly from: number; readonly to: number } {
  let state = 0x2545f491;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
  const pairs = over.map((value, index) => value / (under[index] ?? Number.NaN));
  const draw = (): number => median(pairs.map(() => pairs.at(next(pairs.length)) ?? Number.NaN));
  const ratios = Array.from({ length: RESAMPLES }, draw);
  return { ratio: median(pairs), from: quantile(ratios, 0.025), to: quantile(ratios, 0.975) };
}
