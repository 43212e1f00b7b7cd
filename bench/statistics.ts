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
 * The ratio of two medians with its 95 % confidence interval: the runs are drawn again and again, with repetition. The draws
 * are the same every time, so equal results give equal intervals.
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
  const draw = (values: readonly number[]): number[] => values.map(() => values.at(next(values.length)) ?? Number.NaN);
  const ratios = Array.from({ length: RESAMPLES }, () => median(draw(over)) / median(draw(under)));
  return {
    ratio: median(over) / median(under),
    from: quantile(ratios, 0.025),
    to: quantile(ratios, 0.975),
  };
}
