/** Medians and extremes: a machine that others use makes means and deviations of a few rounds worthless. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: percentile(values, 50),
    least: percentile(values, 0),
    most: percentile(values, 100),
  };
}

/** A single measurement. */
export function once(value: number): Spread {
  return spreadOf([value]);
}

/** Round by round: what disturbed a round disturbed both. */
export function ratios(subject: readonly number[], rival: readonly number[]): readonly number[] {
  return subject.map((value, round) => value / (rival[round] ?? Number.NaN));
}

/** Nearest rank; `NaN` of nothing. `share` from 0 to 100. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(0, Math.ceil((share / 100) * sorted.length) - 1);
  if (share === 50 && sorted.length % 2 === 0) {
    return ((sorted[sorted.length / 2 - 1] ?? Number.NaN) + (sorted[sorted.length / 2] ?? Number.NaN)) / 2;
  }
  return sorted[rank] ?? Number.NaN;
}
